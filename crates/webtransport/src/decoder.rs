//! Decodes the message that one stream of a client contains.

use tidings_core::{Kind, Reason};
use tidings_transport::{Decoder, Inbound, Message, fitted};

/// Collects the bytes of one stream. A client that opens a stream uses only as much memory as it has sent bytes.
#[derive(Debug)]
pub(crate) struct MessageDecoder {
    max_message: usize,
    /// The bytes that have arrived: at most `max_message`.
    bytes: Vec<u8>,
    is_over: bool,
}

impl MessageDecoder {
    pub(crate) fn new(max_message: usize) -> Self {
        Self { max_message, bytes: Vec::new(), is_over: false }
    }
}

impl Decoder for MessageDecoder {
    fn decode(&mut self, bytes: &mut [u8], inbound: &mut Vec<Inbound>) -> usize {
        if self.is_over {
            return bytes.len();
        }
        if bytes.len() > self.max_message - self.bytes.len() {
            inbound.push(Inbound::Fault(Reason::TooBig));
            (self.bytes, self.is_over) = (Vec::new(), true);
        } else {
            self.bytes.extend_from_slice(bytes);
        }
        bytes.len()
    }

    /// A stream has no type, so a message is text if it is UTF-8, and otherwise binary.
    fn finish(&mut self, inbound: &mut Vec<Inbound>) {
        if self.is_over {
            return;
        }
        let payload = fitted(std::mem::take(&mut self.bytes));
        let kind = if std::str::from_utf8(&payload).is_ok() { Kind::Text } else { Kind::Binary };
        inbound.push(Inbound::Message(Message::new(kind, payload)));
    }

    fn is_at_rest(&self) -> bool {
        self.bytes.is_empty() && !self.is_over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(pieces: &[&[u8]]) -> Vec<Inbound> {
        let (mut decoder, mut inbound) = (MessageDecoder::new(6), Vec::new());
        for piece in pieces {
            decoder.decode(&mut piece.to_vec(), &mut inbound);
        }
        decoder.finish(&mut inbound);
        inbound
    }

    #[test]
    fn a_stream_is_one_message_which_is_text_if_it_is_utf8() {
        for (pieces, expected) in [
            (&[&b"sn\xe2\x98"[..], b"\x83"][..], Message::text("sn☃")),
            (&[], Message::text("")),
            (&[b"sn\xe2\x98"], Message::binary(&b"sn\xe2\x98"[..])),
            (&[b"sixsix"], Message::text("sixsix")),
        ] {
            assert_eq!(decoded(pieces), [Inbound::Message(expected)]);
        }
    }

    #[test]
    fn a_message_over_the_limit_is_a_fault_as_soon_as_it_is_too_big() {
        for pieces in [&[&b"sevenxx"[..]][..], &[b"six", b"more", b"and", b"so"]] {
            assert_eq!(decoded(pieces), [Inbound::Fault(Reason::TooBig)]);
        }
    }
}
