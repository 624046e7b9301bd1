//! Encoding notifications, with the encoder of each transport.

use std::hint::black_box;

use crate::Work;
use crate::material::{ROUNDS, SIZE, encoder, entries, id, json};

/// Encodes this number of entries at once.
pub(crate) fn encode(transport: &str, subprotocol: &str, at_once: usize) -> Work {
    payload(transport, subprotocol, at_once, &json())
}

/// Encodes a payload of several lines. Each of them is a line of the event.
pub(crate) fn sse_lines() -> Work {
    let line = "a teapot, blue, with a lid, seven.\n";
    payload("sse", "", 1, &line.repeat(SIZE.div_ceil(line.len())))
}

/// Encodes many times, with entries that have not been encoded before. The operations are the results that are not
/// empty.
fn payload(transport: &str, subprotocol: &str, at_once: usize, payload: &str) -> Work {
    let encoder = encoder(transport, subprotocol);
    let events = entries(at_once * ROUNDS, payload);
    Box::new(move || {
        let encoded = events.chunks(at_once).map(|events| encoder.encode(black_box(events), id(0)));
        encoded.filter(|bytes| !bytes.is_empty()).count()
    })
}
