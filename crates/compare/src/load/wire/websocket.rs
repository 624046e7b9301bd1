//! WebSocket frames (RFC 6455, section 5.2). The payload of a data frame is a notification or the JSON around it. Each
//! message may be compressed (RFC 7692), with the history of those before it.

use super::Reader;
use super::dialogue::Dialogue;
use super::head::Head;
use super::inflate::Place;
use crate::load::gone::Gone;
use crate::load::inbox::Inbox;

/// The longest payload of a control frame (section 5.5).
const CONTROL: u64 = 125;

/// The bytes that end each compressed message and are not sent (RFC 7692, section 7.2.2).
const TAIL: &[u8] = &[0, 0, 0xff, 0xff];

/// The first bits of a frame.
const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;

/// Reads frames.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    /// How many bytes of the payload of a data frame are missing.
    left: u64,
    /// `None` if the client does not accept compressed messages.
    deflate: Option<Box<Deflate>>,
    /// `None` if the server sends nothing but notifications.
    dialogue: Option<Box<Dialogue>>,
}

/// The compressed messages of a client.
#[derive(Debug, Default)]
struct Deflate {
    place: Place,
    /// The beginning of a compressed message. Takes no memory otherwise.
    message: Vec<u8>,
    /// `true` in the middle of a compressed frame.
    is_in_frame: bool,
    /// `true` if the frames of the current message are compressed.
    is_compressed: bool,
    /// `true` if the current frame is the last one of its message.
    is_last: bool,
}

impl Frames {
    /// The reader of a client that requires compression.
    pub(crate) fn compressed() -> Self {
        Self { deflate: Some(Box::default()), ..Self::default() }
    }

    /// The reader of a client of a protocol on top of WebSocket.
    pub(crate) fn with(dialogue: Dialogue) -> Self {
        Self { dialogue: Some(Box::new(dialogue)), ..Self::default() }
    }

    /// Begins a data frame with this first byte.
    fn begin_frame(&mut self, first: u8, length: u64) -> Result<(), Gone> {
        self.left = length;
        match &mut self.deflate {
            Some(deflate) => {
                // Only the first frame of a message has the bit.
                if first & 0x0f != 0 {
                    deflate.is_compressed = first & RSV1 != 0;
                }
                deflate.is_last = first & FIN != 0;
                deflate.is_in_frame = deflate.is_compressed;
                Ok(())
            }
            None if first & RSV1 == 0 => Ok(()),
            None => Err(Gone::Invalid("the server compresses messages without negotiation")),
        }
    }

    /// Reads the payload of a data frame. Returns the number of used bytes.
    fn payload(&mut self, input: &[u8], inbox: &mut Inbox<'_>) -> Result<usize, Gone> {
        let Some(deflate) = self.deflate.as_mut().filter(|deflate| deflate.is_in_frame) else {
            return Ok(inbox.scan_body(&mut self.left, input));
        };
        let part = &input[..input.len().min(self.left as usize)];
        self.left -= part.len() as u64;
        if self.left > 0 {
            deflate.message.extend_from_slice(part);
            return Ok(part.len());
        }
        deflate.is_in_frame = false;
        if !deflate.is_last {
            // A frame may end within a block, so a message is inflated at once.
            deflate.message.extend_from_slice(part);
            return Ok(part.len());
        }
        let mut message = std::mem::take(&mut deflate.message);
        let is_end = if message.is_empty() {
            deflate.place.take(part, TAIL, inbox)?
        } else {
            message.extend_from_slice(part);
            deflate.place.take(&message, TAIL, inbox)?
        };
        match is_end {
            true => Err(Gone::Invalid("the server sent the last block of a deflate stream")),
            false => Ok(part.len()),
        }
    }
}

impl Reader for Frames {
    fn begin(&mut self, head: &Head) -> Result<(), Gone> {
        match self.deflate.is_some() && !head.deflates {
            true => Err(Gone::Invalid("the server does not compress messages")),
            false => Ok(()),
        }
    }

    fn opening(&mut self) -> Option<Vec<u8>> {
        self.dialogue.as_ref()?.opening()
    }

    fn take(&mut self, input: &[u8], inbox: &mut Inbox<'_>) -> Result<usize, Gone> {
        let mut at = 0;
        loop {
            at += self.payload(&input[at..], inbox)?;
            if self.left > 0 {
                return Ok(at);
            }
            let Some((first, head, length)) = head(&input[at..]) else {
                return Ok(at);
            };
            let opcode = first & 0x0f;
            if opcode < 8 {
                if let Some(dialogue) = self.dialogue.as_mut().filter(|it| it.expects(length)) {
                    let Some(message) = input.get(at + head..at + head + length as usize) else {
                        return Ok(at);
                    };
                    dialogue.take(message, inbox);
                    at += head + length as usize;
                    continue;
                }
                at += head;
                self.begin_frame(first, length)?;
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

/// The first byte, the length of the head and the length of the payload.
fn head(input: &[u8]) -> Option<(u8, usize, u64)> {
    let (&[first, short], rest) = input.split_first_chunk()?;
    let (head, length) = match short & 0x7f {
        126 => (4, u16::from_be_bytes(*rest.first_chunk()?).into()),
        127 => (10, u64::from_be_bytes(*rest.first_chunk()?)),
        length => (2, length.into()),
    };
    Some((first, head, length))
}

/// Appends the pong that answers a ping.
fn pong(out: &mut Vec<u8>, payload: &[u8]) {
    append(out, 10, payload);
}

/// Appends a frame of a client with at most [`CONTROL`] bytes, or with fewer than 64 KiB if it is a data frame. The
/// frames of a client are masked, and a mask of zero does not change the payload. Unpredictable masks protect proxies
/// (section 10.3), which the load does not use.
pub(super) fn append(out: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    out.push(FIN | opcode);
    match payload.len() {
        short @ 0..126 => out.push(0x80 | short as u8),
        length => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
    }
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(payload);
}

#[cfg(test)]
mod tests {
    use super::super::tests::{Deflated, five_by_cuts, payload};
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

    /// A message in two frames with a ping between them, of which the first has these bits.
    fn fragments(bits: u8, payload: &[u8]) -> Vec<u8> {
        let (first, second) = payload.split_at(payload.len() / 2);
        let mut bytes = frame(1, first);
        bytes[0] = 1 | bits;
        bytes.extend(frame(9, b"hi"));
        bytes.extend(frame(0, second));
        bytes
    }

    #[test]
    fn compressed_and_plain_messages_count_once_at_every_split() {
        let mut deflated = Deflated::default();
        let mut message = |payload: &[u8]| {
            let message = deflated.flush(payload);
            message.strip_suffix(TAIL).unwrap().to_vec()
        };
        let with_bit = |mut frame: Vec<u8>| {
            frame[0] |= RSV1;
            frame
        };
        let json = |sequence| [br#"{"id":"a-1","data":""#, &payload(sequence)[..], b"\"}"].concat();
        let bytes = [
            with_bit(frame(1, &message(&json(0)))),
            frame(1, &json(1)),
            frame(9, b"hi"),
            with_bit(frame(2, &message(b"of another load @0"))),
            with_bit(frame(1, &message(&json(2)))),
            fragments(RSV1, &message(&json(3))),
            with_bit(frame(1, &message(&json(4)))),
            // An empty message (RFC 7692, section 7.2.3.6).
            with_bit(frame(1, &[0])),
        ];
        let bytes = bytes.concat();
        for cut in 1..=bytes.len() {
            let (reply, _) = five_by_cuts(&bytes, cut, &mut Frames::compressed());
            assert_eq!(reply, b"\x8a\x82\0\0\0\0hi".repeat(2));
        }
    }

    #[test]
    fn compression_must_be_negotiated() {
        assert!(Frames::default().begin_frame(FIN | RSV1 | 1, 7).is_err());
        let head =
            Head { length: 0, body: None, is_gzip: false, is_chunked: false, deflates: false };
        assert!(
            Frames::compressed().begin(&head).is_err() && Frames::default().begin(&head).is_ok()
        );
    }
}
