//! Collects the payload of the message that a client is sending (RFC 6455, sections 5.4 and 8.1).
//!
//! The payload is decoded as it arrives. So text that is not UTF-8 is found before its frame is complete, and a client
//! that announces a large frame uses only as much memory as it has sent bytes. A compressed message is collected as it
//! is, and is decompressed and checked at its end.

use tidings_core::{Kind, Reason};
use tidings_transport::{Message, fitted};
use tokio_tungstenite::tungstenite::protocol::frame::coding::Data;

use crate::inflate::{inflate, max_compressed};

/// Decodes the messages of one client, one after the other.
#[derive(Debug)]
pub(crate) struct Messages {
    max_message: usize,
    /// The kind of the message that has begun and is not complete.
    begun: Option<Kind>,
    /// Whether that message is compressed.
    is_compressed: bool,
    /// The bytes of it that have arrived, at most `max_message`. If they are compressed, at most [`max_compressed`].
    bytes: Vec<u8>,
    /// How many bytes of a text have been found to be UTF-8.
    checked: usize,
    /// The current frame. `None` between two frames.
    frame: Option<Open>,
}

/// A data frame whose header has arrived.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) is_final: bool,
    /// Whether RSV1 is set, which it is only in the first frame of a compressed message.
    pub(crate) is_compressed: bool,
    pub(crate) mask: [u8; 4],
    /// How many bytes of the payload have not arrived.
    pub(crate) left: usize,
}

impl Messages {
    pub(crate) fn new(max_message: usize) -> Self {
        Self {
            max_message,
            begun: None,
            is_compressed: false,
            bytes: Vec::new(),
            checked: 0,
            frame: None,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.begun.is_none()
    }

    /// Whether the next bytes are payload.
    pub(crate) fn has_open_frame(&self) -> bool {
        self.frame.is_some()
    }

    /// Drops the message that has begun.
    pub(crate) fn clear(&mut self) {
        *self = Self::new(self.max_message);
    }

    /// Returns `true` if a message has begun, is not complete, and is compressed.
    pub(crate) fn is_within_compressed(&self) -> bool {
        self.begun.is_some() && self.is_compressed
    }

    /// Begins a data frame. Fails with [`Reason::Protocol`] if the frame begins a message before the last one is
    /// complete, or continues a message that has not begun, and with [`Reason::TooBig`] if it makes the message larger
    /// than `max_message`.
    pub(crate) fn open(&mut self, data: Data, frame: Open) -> Result<(), Reason> {
        if self.begun.is_none() {
            self.is_compressed = frame.is_compressed;
        }
        self.begun = match (data, self.begun) {
            (Data::Text, None) => Some(Kind::Text),
            (Data::Binary, None) => Some(Kind::Binary),
            (Data::Continue, Some(begun)) => Some(begun),
            _ => return Err(Reason::Protocol),
        };
        let limit =
            if self.is_compressed { max_compressed(self.max_message) } else { self.max_message };
        if frame.left > limit - self.bytes.len() {
            return Err(Reason::TooBig);
        }
        self.frame = Some(frame);
        Ok(())
    }

    /// Decodes the part of the current frame's payload that these bytes begin with. The result is its length, and the
    /// message once it is complete. Fails with [`Reason::BadUtf8`] if the text is not UTF-8, whatever bytes follow, and
    /// as [`inflate`] does if a compressed message is complete.
    pub(crate) fn payload(&mut self, bytes: &mut [u8]) -> Result<(usize, Option<Message>), Reason> {
        let Some(frame) = &mut self.frame else { return Ok((0, None)) };
        let count = frame.left.min(bytes.len());
        let part = &mut bytes[..count];
        unmask(part, frame.mask);
        self.bytes.extend_from_slice(part);
        frame.left -= count;
        frame.mask.rotate_left(count % 4);
        let (is_open, is_final) = (frame.left > 0, frame.is_final);
        let is_complete = is_final && !is_open;
        if self.begun == Some(Kind::Text) && !self.is_compressed {
            self.check_text(is_complete)?;
        }
        if !is_open {
            self.frame = None;
        }
        Ok((count, if is_complete { self.complete()? } else { None }))
    }

    /// Checks the bytes that have not been checked. The last character of an incomplete message may be incomplete.
    fn check_text(&mut self, is_complete: bool) -> Result<(), Reason> {
        match std::str::from_utf8(&self.bytes[self.checked..]) {
            Ok(_) => self.checked = self.bytes.len(),
            Err(fault) if is_complete || fault.error_len().is_some() => {
                return Err(Reason::BadUtf8);
            }
            Err(cut) => self.checked += cut.valid_up_to(),
        }
        Ok(())
    }

    fn complete(&mut self) -> Result<Option<Message>, Reason> {
        let Some(kind) = self.begun.take() else { return Ok(None) };
        self.checked = 0;
        let mut payload = std::mem::take(&mut self.bytes);
        if self.is_compressed {
            payload = inflate(payload, self.max_message)?;
            if kind == Kind::Text && std::str::from_utf8(&payload).is_err() {
                return Err(Reason::BadUtf8);
            }
        }
        // The buffer grew as bytes arrived, and the payload may remain in the log for long.
        Ok(Some(Message::new(kind, fitted(payload))))
    }
}

/// Applies the mask of a frame (section 5.3).
pub(crate) fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    payload.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, key)| *byte ^= key);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_frame_uses_no_memory_before_its_payload_arrives() {
        let mut messages = Messages::new(1 << 30);
        let frame =
            Open { is_final: true, is_compressed: false, mask: [1, 2, 3, 4], left: 1 << 30 };
        messages.open(Data::Binary, frame).unwrap();
        assert_eq!(messages.payload(&mut [0; 100]), Ok((100, None)));
        assert!(messages.bytes.capacity() <= 200, "{}", messages.bytes.capacity());
        assert!(messages.has_open_frame() && !messages.is_empty());
    }
}
