//! A WebSocket client's reading: frames of bare payloads (RFC 6455, section 5.2).

use crate::clients::inbox::{Gone, Inbox};
use crate::clients::stamp;

/// The longest payload of a control frame (section 5.5).
const CONTROL: usize = 125;

/// Reads frames, wherever the reads cut them.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    /// What is left of a payload whose stamp has been read.
    skip: u64,
}

impl Frames {
    /// Takes in whole frames, and of the last one its stamp at least. Returns how much it used; the rest is to come
    /// again, in front of what is read next.
    pub(crate) fn take(&mut self, input: &[u8], inbox: &mut Inbox<'_>) -> Result<usize, Gone> {
        let mut at = 0;
        loop {
            let skipped = self.skip.min((input.len() - at) as u64);
            self.skip -= skipped;
            at += skipped as usize;
            let Some((opcode, head, length)) = head(&input[at..]) else {
                return Ok(at);
            };
            let control = opcode & 8 != 0;
            let wanted = if control { CONTROL } else { stamp::LENGTH }.min(length as usize);
            let Some(payload) = input[at + head..].get(..wanted) else {
                return Ok(at);
            };
            match opcode {
                0..=2 => _ = inbox.payload(payload),
                9 => pong(inbox.reply, payload),
                10 => {}
                8 => return Err(Gone::Closed),
                _ => return Err(Gone::Nonsense("the server sent a frame of no known kind")),
            }
            at += head + wanted;
            self.skip = length - wanted as u64;
        }
    }
}

/// The opcode, how long the head is, and how long the payload.
fn head(input: &[u8]) -> Option<(u8, usize, u64)> {
    let (&[first, short], rest) = input.split_first_chunk()?;
    let (head, length) = match short & 0x7f {
        126 => (4, u16::from_be_bytes(*rest.first_chunk()?).into()),
        127 => (10, u64::from_be_bytes(*rest.first_chunk()?)),
        length => (2, length.into()),
    };
    Some((first & 0x0f, head, length))
}

/// Appends the pong that a ping asks for. A client's frames are masked; the mask is nought, which leaves the payload
/// as it is: what an unpredictable one protects (section 10.3), proxies, is not here.
fn pong(out: &mut Vec<u8>, payload: &[u8]) {
    out.extend_from_slice(&[0x8a, 0x80 | payload.len() as u8, 0, 0, 0, 0]);
    out.extend_from_slice(payload);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clients::inbox::fixture;

    fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
        let length = payload.len();
        let head = match length {
            0..126 => vec![0x80 | opcode, length as u8],
            _ => vec![0x80 | opcode, 126, (length >> 8) as u8, length as u8],
        };
        [head, payload.to_vec()].concat()
    }

    #[test]
    fn every_frame_counts_once_wherever_the_reads_cut() {
        let mut bytes = frame(9, b"hi");
        for sequence in 0..5 {
            bytes.extend(frame(1, &fixture::payload(sequence)));
            bytes.extend(frame(2, b"another's"));
        }
        bytes.extend(frame(9, b""));
        for cut in 1..=bytes.len() {
            let mut frames = Frames::default();
            let reply =
                fixture::five_by_cuts(&bytes, cut, |input, inbox| frames.take(input, inbox));
            assert_eq!(reply, b"\x8a\x82\0\0\0\0hi\x8a\x80\0\0\0\0");
        }
    }
}
