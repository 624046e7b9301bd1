//! From notifications to bytes, by the encoder of each transport.

use std::hint::black_box;
use std::sync::Arc;

use tidings_transport::Encoder;

use crate::mark::counted;
use crate::material::{ROUNDS, SIZE, encoder, entries, id, json};

pub(crate) fn websocket() {
    encode(&encoder("websocket", ""), 1, &json());
}

pub(crate) fn websocket_v1() {
    encode(&encoder("websocket", "tidings.v1"), 1, &json());
}

pub(crate) fn sse() {
    encode(&encoder("sse", ""), 1, &json());
}

/// Each line of the payload is a line of the event.
pub(crate) fn sse_lines() {
    let line = "a teapot, blue, with a lid, seven.\n";
    encode(&encoder("sse", ""), 1, &line.repeat(SIZE.div_ceil(line.len())));
}

/// A poll's whole body.
pub(crate) fn long_polling_10() {
    encode(&encoder("long-polling", ""), 10, &json());
}

/// What one pass has for a group, in one encoding.
pub(crate) fn sse_64() {
    encode(&encoder("sse", ""), 64, &json());
}

/// What one pass has for a group, in one encoding.
pub(crate) fn websocket_64() {
    encode(&encoder("websocket", ""), 64, &json());
}

/// Renders so many entries at once, so often; none of them has been encoded before.
fn encode(encoder: &Arc<dyn Encoder>, at_once: u64, payload: &str) {
    let events = entries(at_once * ROUNDS, payload);
    counted(|| {
        for events in events.chunks(at_once as usize) {
            black_box(encoder.encode(black_box(events), id(0)));
        }
    });
}
