//! The part of RFC 6455 that one-way delivery needs.

use std::ops::ControlFlow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

/// The subprotocol whose frames are envelopes.
pub(crate) const SUBPROTOCOL: &str = "tidings.v1";

/// A close frame without a code, the response to that of the peer (RFC 6455, section 5.5.1).
pub(crate) const CLOSE: [u8; 2] = [0x88, 0];

/// Appends the response that accepts a handshake (RFC 6455, section 4.2.2).
pub(crate) fn accept(out: &mut Vec<u8>, key: &[u8], envelope: bool) {
    let digest = Sha1::new()
        .chain_update(key)
        .chain_update("258EAFA5-E914-47DA-95CA-C5AB0DC85B11")
        .finalize();
    out.extend_from_slice(
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n",
    );
    if envelope {
        out.extend_from_slice(format!("Sec-WebSocket-Protocol: {SUBPROTOCOL}\r\n").as_bytes());
    }
    let accept = STANDARD.encode(digest);
    out.extend_from_slice(format!("Sec-WebSocket-Accept: {accept}\r\n\r\n").as_bytes());
}

/// Appends one unmasked text frame.
pub(crate) fn text(out: &mut Vec<u8>, payload: &[u8]) {
    out.push(0x81);
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

/// Searches a client's frames for a close frame, wherever the reads cut them.
#[derive(Debug, Default)]
pub(crate) struct Discard {
    /// The header so far: at most two bytes, eight of length and four of mask.
    header: [u8; 14],
    have: u8,
    /// What is left of the payload of the last frame.
    skip: u64,
}

impl Discard {
    /// Discards `bytes`. Breaks at a close frame.
    pub(crate) fn discard(&mut self, mut bytes: &[u8]) -> ControlFlow<()> {
        loop {
            let skipped = self.skip.min(bytes.len() as u64);
            self.skip -= skipped;
            bytes = &bytes[skipped as usize..];
            let Some((&byte, rest)) = bytes.split_first() else {
                return ControlFlow::Continue(());
            };
            bytes = rest;
            self.header[usize::from(self.have)] = byte;
            self.have += 1;
            if self.have < self.header_length() {
                continue;
            }
            if self.header[0] & 0x0f == 8 {
                return ControlFlow::Break(());
            }
            self.skip = self.payload_length();
            self.have = 0;
        }
    }

    /// Returns the length of the header as far as it is known from its first bytes.
    fn header_length(&self) -> u8 {
        if self.have < 2 {
            return 2;
        }
        let length = match self.header[1] & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let mask = if self.header[1] & 0x80 == 0 { 0 } else { 4 };
        2 + length + mask
    }

    fn payload_length(&self) -> u64 {
        let [_, short, a, b, c, d, e, f, g, h, ..] = self.header;
        match short & 0x7f {
            126 => u16::from_be_bytes([a, b]).into(),
            127 => u64::from_be_bytes([a, b, c, d, e, f, g, h]),
            length => length.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_close_frame_is_found_wherever_the_reads_cut() {
        let mut frames = vec![0x81, 0x80 | 126, 1, 0, 1, 2, 3, 4];
        frames.extend([0x88; 256]);
        frames.extend([0x89, 0x80, 1, 2, 3, 4]);
        let harmless = frames.len();
        frames.extend([0x88, 0x80, 1, 2, 3, 4]);

        for cut in 1..=frames.len() {
            let mut discard = Discard::default();
            let harmless = frames[..harmless].chunks(cut);
            assert!(harmless.map(|part| discard.discard(part)).all(|f| f.is_continue()));

            let mut discard = Discard::default();
            assert!(frames.chunks(cut).any(|part| discard.discard(part).is_break()));
        }
    }

    #[test]
    fn a_frame_takes_the_shortest_length_there_is() {
        for (length, head) in [
            (125, &[0x81, 125][..]),
            (126, &[0x81, 126, 0, 126]),
            (0x1_0000, &[0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            let mut out = Vec::new();
            text(&mut out, &vec![b'x'; length]);
            assert_eq!(&out[..head.len()], head);
            assert_eq!(out.len(), head.len() + length);
        }
    }
}
