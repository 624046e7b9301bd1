//! What WebSocket clients say: frames, masked as RFC 6455, section 5.3, has it.

use std::hint::black_box;

use tidings_transport::Inbound;

use crate::mark::counted;
use crate::material::{ROUNDS, encoder, json};

pub(crate) fn text() {
    let payload = json();
    let message =
        |inbound: &Inbound| matches!(inbound, Inbound::Message(it) if it.payload == payload);
    decode(&masked(0x81, payload.as_bytes()), message);
}

pub(crate) fn ping() {
    decode(&masked(0x89, b"are you there?"), |inbound| matches!(inbound, Inbound::Reply(_)));
}

/// Hears the same frame so often, each time as one piece.
fn decode(frame: &[u8], expected: impl Fn(&Inbound) -> bool) {
    let mut decoder = encoder("websocket", "").decoder().expect("its clients speak");
    // Frames are unmasked in place.
    let mut frames = vec![frame.to_vec(); ROUNDS as usize];
    let mut inbound = Vec::with_capacity(frames.len());
    counted(|| {
        for frame in &mut frames {
            decoder.decode(black_box(frame), &mut inbound);
        }
    });
    assert!(inbound.len() == frames.len() && inbound.iter().all(expected), "{inbound:?}");
}

fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    const KEY: [u8; 4] = [0x12, 0x34, 0x56, 0x78];
    let mut frame = vec![first];
    match payload.len() {
        short @ 0..126 => frame.push(0x80 | short as u8),
        long => {
            frame.push(0x80 | 126);
            frame.extend(u16::try_from(long).expect("64 KiB at most").to_be_bytes());
        }
    }
    frame.extend(KEY);
    frame.extend(payload.iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}
