//! The frames of a server with permessage-deflate (RFC 7692).

use flate2::Decompress;

use super::gunzip::inflate;
use super::{forward_rest, take};

/// Decodes the frames of a server. It panics at whatever a receiver could not decode.
pub(crate) struct Frames {
    inflate: Decompress,
    /// The bytes before a payload, as far as they have come.
    head: Vec<u8>,
    payload: Payload,
    /// The number of messages that were compressed.
    pub(crate) compressed: usize,
}

/// The rest of a payload.
enum Payload {
    None,
    Plain(usize),
    Compressed { first: u8, length: usize, bytes: Vec<u8> },
}

const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;
const RSV2_3: u8 = 0x30;
const MASKED: u8 = 0x80;

impl Frames {
    pub(crate) fn new() -> Self {
        let inflate = Decompress::new(false);
        Self { inflate, head: Vec::new(), payload: Payload::None, compressed: 0 }
    }

    /// Appends to `out` the frames without compression. Payloads that are not compressed are forwarded in the parts in
    /// which they come.
    pub(crate) fn decode(&mut self, mut input: &[u8], out: &mut Vec<u8>) {
        while !input.is_empty() {
            match &mut self.payload {
                Payload::None => {
                    self.head.push(input[0]);
                    input = &input[1..];
                    let Some(length) = length(&self.head) else { continue };
                    self.begin(length, out);
                }
                Payload::Plain(rest) => {
                    if forward_rest(&mut input, rest, out) {
                        self.payload = Payload::None;
                    }
                }
                Payload::Compressed { first, length, bytes } => {
                    if take(&mut input, bytes, *length) {
                        let payload = message(&mut self.inflate, bytes);
                        put(out, *first & !RSV1, &payload);
                        self.payload = Payload::None;
                    }
                }
            }
        }
    }

    /// Begins a frame whose head is complete.
    fn begin(&mut self, length: usize, out: &mut Vec<u8>) {
        let first = self.head[0];
        assert_eq!(first & RSV2_3, 0, "a reserved bit is set in {first:#x}");
        assert_eq!(self.head[1] & MASKED, 0, "frames of a server are not masked");
        if first & RSV1 == 0 {
            out.append(&mut self.head);
            if length > 0 {
                self.payload = Payload::Plain(length);
            }
            return;
        }
        assert!(matches!(first & !RSV1, 0x81 | 0x82), "RSV1 is set in {first:#x}");
        assert!(length > 0, "a compressed message has at least one byte");
        self.head.clear();
        self.compressed += 1;
        self.payload = Payload::Compressed { first, length, bytes: Vec::with_capacity(length) };
    }
}

/// Inflates a message (section 7.2.2).
fn message(context: &mut Decompress, bytes: &[u8]) -> Vec<u8> {
    let mut payload = Vec::new();
    let all = [bytes, &[0, 0, 0xff, 0xff]].concat();
    let ends = inflate(context, &mut &all[..], &mut payload);
    assert!(!ends, "a message has a last block, after which this server cannot continue");
    payload
}

/// The length of the payload, if the head of the frame is complete.
fn length(head: &[u8]) -> Option<usize> {
    let (short, rest) = (head.get(1)? & !MASKED, &head[2..]);
    match short {
        126 => Some(u16::from_be_bytes(rest.try_into().ok()?).into()),
        127 => Some(u64::from_be_bytes(rest.try_into().ok()?) as usize),
        short => Some(short.into()),
    }
}

fn put(out: &mut Vec<u8>, first: u8, payload: &[u8]) {
    out.push(first);
    match payload.len() {
        length @ 0..126 => out.push(length as u8),
        length @ 126..=0xffff => {
            out.push(126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            out.push(127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(payload);
}
