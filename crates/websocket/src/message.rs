//! The message that a client is sending: RFC 6455, sections 5.4 and 8.1. Its payload is decoded as it comes, so
//! that text that is not UTF-8 is found before the frame is complete, and a client that announces a large frame
//! takes no more room than it has sent.

use tidings_core::{Kind, Reason};
use tidings_transport::{Message, fitted};
use tokio_tungstenite::tungstenite::protocol::frame::coding::Data;

/// The messages of one client, one after the other.
#[derive(Debug)]
pub(crate) struct Messages {
    max_message: usize,
    /// The kind of the message that has begun and is not complete.
    begun: Option<Kind>,
    /// What has come of it: at most `max_message` bytes.
    bytes: Vec<u8>,
    /// How many bytes of a text are known to be UTF-8.
    checked: usize,
    /// Its present frame, if the payload of that has not all come.
    frame: Option<Open>,
}

/// A data frame whose header has come.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) is_final: bool,
    pub(crate) mask: [u8; 4],
    /// How many bytes of the payload are still to come.
    pub(crate) left: usize,
}

impl Messages {
    pub(crate) fn new(max_message: usize) -> Self {
        Self { max_message, begun: None, bytes: Vec::new(), checked: 0, frame: None }
    }

    /// Returns `true` if no message has begun.
    pub(crate) fn is_empty(&self) -> bool {
        self.begun.is_none()
    }

    /// Returns `true` if the next bytes are payload.
    pub(crate) fn has_open_frame(&self) -> bool {
        self.frame.is_some()
    }

    /// Drops the message that has begun.
    pub(crate) fn clear(&mut self) {
        *self = Self::new(self.max_message);
    }

    /// Begins a data frame. A new message may not begin inside another, and a continuation needs one that has
    /// begun.
    ///
    /// # Errors
    /// The reason for the close frame, if the frame may not come here or makes the message too large.
    pub(crate) fn open(&mut self, data: Data, frame: Open) -> Result<(), Reason> {
        self.begun = match (data, self.begun) {
            (Data::Text, None) => Some(Kind::Text),
            (Data::Binary, None) => Some(Kind::Binary),
            (Data::Continue, Some(begun)) => Some(begun),
            _ => return Err(Reason::Protocol),
        };
        if frame.left > self.max_message - self.bytes.len() {
            return Err(Reason::TooBig);
        }
        self.frame = Some(frame);
        Ok(())
    }

    /// Decodes as much of the present frame's payload as there is. Returns how many bytes that was, and the
    /// message if it is complete.
    ///
    /// # Errors
    /// [`Reason::BadUtf8`] if the text cannot become UTF-8 any more.
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
        if self.begun == Some(Kind::Text) {
            self.check_text(is_complete)?;
        }
        if !is_open {
            self.frame = None;
        }
        Ok((count, if is_complete { self.complete() } else { None }))
    }

    /// Checks what has not been checked yet. A character may be cut by the end of a part, but not by the end of
    /// the message.
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

    fn complete(&mut self) -> Option<Message> {
        let kind = self.begun.take()?;
        self.checked = 0;
        // It may stay in the log for long, and has grown piece by piece.
        Some(Message::new(kind, fitted(std::mem::take(&mut self.bytes))))
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
    fn a_large_frame_that_is_announced_takes_no_room_until_it_comes() {
        let mut messages = Messages::new(1 << 30);
        let frame = Open { is_final: true, mask: [1, 2, 3, 4], left: 1 << 30 };
        messages.open(Data::Binary, frame).unwrap();
        assert_eq!(messages.payload(&mut [0; 100]), Ok((100, None)));
        assert!(messages.bytes.capacity() <= 200, "{}", messages.bytes.capacity());
        assert!(messages.has_open_frame() && !messages.is_empty());
    }
}
