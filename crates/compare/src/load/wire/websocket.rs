//! WebSocket frames (RFC 6455, section 5.2). The payload of a data frame is a notification or the JSON around it.

use super::Reader;
use crate::load::gone::Gone;
use crate::load::inbox::Inbox;

/// The longest payload of a control frame (section 5.5).
const CONTROL: u64 = 125;

/// Reads frames.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    /// How many bytes of the payload of a data frame are missing.
    left: u64,
}

impl Reader for Frames {
    fn take(&mut self, input: &[u8], inbox: &mut Inbox<'_>) -> Result<usize, Gone> {
        let mut at = 0;
        loop {
            at += inbox.scan_body(&mut self.left, &input[at..]);
            if self.left > 0 {
                return Ok(at);
            }
            let Some((opcode, head, length)) = head(&input[at..]) else {
                return Ok(at);
            };
            if opcode < 8 {
                at += head;
                self.left = length;
                continue;
            }
            let end = at + head + length.min(CONTROL) as usize;
            let Some(payload) = input.get(at + head..end) else {
                return Ok(at);
            };
            match opcode {
                9 => pong(inbox.reply, payload),
                10 => {}
                8 => return Err(Gone::Closed),
                _ => return Err(Gone::Invalid("the server sent a frame of an unknown kind")),
            }
            at = end;
        }
    }
}

/// The opcode, the length of the head and the length of the payload.
fn head(input: &[u8]) -> Option<(u8, usize, u64)> {
    let (&[first, short], rest) = input.split_first_chunk()?;
    let (head, length) = match short & 0x7f {
        126 => (4, u16::from_be_bytes(*rest.first_chunk()?).into()),
        127 => (10, u64::from_be_bytes(*rest.first_chunk()?)),
        length => (2, length.into()),
    };
    Some((first & 0x0f, head, length))
}

/// Appends the pong that answers a ping. The frames of a client are masked, and a mask of zero does not change the
/// payload. Unpredictable masks protect proxies (section 10.3), which the load does not use.
fn pong(out: &mut Vec<u8>, payload: &[u8]) {
    out.extend_from_slice(&[0x8a, 0x80 | payload.len() as u8, 0, 0, 0, 0]);
    out.extend_from_slice(payload);
}

#[cfg(test)]
mod tests {
    use super::super::tests::{five_by_cuts, payload};
    use super::*;

    fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
        let length = payload.len();
        let head = match length {
            0..126 => vec![0x80 | opcode, length as u8],
            _ => vec![0x80 | opcode, 126, (length >> 8) as u8, length as u8],
        };
        [head, payload.to_vec()].concat()
    }

    #[test]
    fn every_frame_counts_once_at_every_split() {
        let mut bytes = frame(9, b"hi");
        for sequence in 0..5 {
            let payload = payload(sequence);
            let json = [br#"{"id":"a-1","data":""#, &payload[..], b"\"}"].concat();
            bytes.extend(frame(1, if sequence % 2 == 0 { &payload } else { &json }));
            bytes.extend(frame(2, b"of another load"));
        }
        bytes.extend(frame(9, b""));
        for cut in 1..=bytes.len() {
            let (reply, _) = five_by_cuts(&bytes, cut, &mut Frames::default());
            assert_eq!(reply, b"\x8a\x82\0\0\0\0hi\x8a\x80\0\0\0\0");
        }
    }
}
