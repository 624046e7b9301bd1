//! Decoding the frames of WebSocket clients, which are masked (RFC 6455, section 5.3).

use std::hint::black_box;

use crate::Work;
use crate::material::{ROUNDS, encoder, json};

pub(crate) fn text() -> Work {
    decode(&masked(0x81, json().as_bytes()))
}

pub(crate) fn ping() -> Work {
    decode(&masked(0x89, b"are you there?"))
}

/// Decodes the same frame many times, each time in one piece. The operations are the messages and replies.
fn decode(frame: &[u8]) -> Work {
    let mut decoder = encoder("websocket", "").decoder().expect("WebSocket has a decoder");
    // Frames are unmasked in place.
    let mut frames = vec![frame.to_vec(); ROUNDS];
    let mut inbound = Vec::with_capacity(frames.len());
    Box::new(move || {
        for frame in &mut frames {
            decoder.decode(black_box(frame), &mut inbound);
        }
        inbound.len()
    })
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
