//! From notifications to bytes, in the words of each transport.

use std::hint::black_box;
use std::sync::Arc;

use tidings_transport::Words;

use crate::mark::counted;
use crate::material::{ROUNDS, SIZE, entries, id, json, words};

pub(crate) fn websocket() {
    encode(&words("websocket", ""), 1, &json());
}

pub(crate) fn websocket_v1() {
    encode(&words("websocket", "tidings.v1"), 1, &json());
}

pub(crate) fn sse() {
    encode(&words("sse", ""), 1, &json());
}

/// Each line of the payload is a line of the event.
pub(crate) fn sse_lines() {
    let line = "a teapot, blue, with a lid, seven.\n";
    encode(&words("sse", ""), 1, &line.repeat(SIZE.div_ceil(line.len())));
}

/// A poll's whole body.
pub(crate) fn long_polling_10() {
    encode(&words("long-polling", ""), 10, &json());
}

/// What one pass has for a group, in one rendering.
pub(crate) fn sse_64() {
    encode(&words("sse", ""), 64, &json());
}

/// What one pass has for a group, in one rendering.
pub(crate) fn websocket_64() {
    encode(&words("websocket", ""), 64, &json());
}

/// Renders so many entries at once, so often; none of them has been encoded before.
fn encode(words: &Arc<dyn Words>, at_once: u64, payload: &str) {
    let events = entries(at_once * ROUNDS, payload);
    counted(|| {
        for events in events.chunks(at_once as usize) {
            black_box(words.render(black_box(events), id(0)));
        }
    });
}
