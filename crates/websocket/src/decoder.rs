//! Decodes the frames of a client (RFC 6455, sections 5 and 7; RFC 7692, section 6.2).
//!
//! The input is borrowed. Between two reads, the decoder holds only the beginning of a header or control frame, and the
//! message that is not complete.

use std::io::Cursor;

use tidings_core::Reason;
use tidings_transport::{Decoder, Inbound};
use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use crate::frame;
use crate::inflate::max_compressed;
use crate::message::{Messages, Open, unmask};

/// Once the messages that were decoded have this many bytes, the caller must handle them before more is decoded. A
/// thousandth of these bytes is enough for a compressed message.
const MESSAGES: usize = 64 << 10;

/// Decodes the frames of one client.
#[derive(Debug)]
pub(crate) struct FrameDecoder {
    max_frame: usize,
    /// Whether the client may send compressed messages.
    may_compress: bool,
    /// The beginning of a header or of a control frame: at most 130 bytes.
    partial: Vec<u8>,
    messages: Messages,
    /// The bytes of the messages that the current call has completed.
    decoded: usize,
    is_over: bool,
}

impl FrameDecoder {
    pub(crate) fn new(max_message: usize, max_frame: usize, may_compress: bool) -> Self {
        let messages = Messages::new(max_message);
        let partial = Vec::new();
        Self { max_frame, may_compress, partial, messages, decoded: 0, is_over: false }
    }

    /// Decodes the bytes of one frame, and returns how many there were. `None` if a header or a control frame is not
    /// complete. Fails with the reason for the close frame if the client violates the protocol.
    fn frame(
        &mut self,
        bytes: &mut [u8],
        inbound: &mut Vec<Inbound>,
    ) -> Result<Option<usize>, Reason> {
        if self.messages.has_open_frame() {
            return self.payload(bytes, inbound).map(Some);
        }
        let mut cursor = Cursor::new(&*bytes);
        let parsed = FrameHeader::parse(&mut cursor).map_err(|_| Reason::Protocol)?;
        let Some((header, length)) = parsed else { return Ok(None) };
        let start = cursor.position() as usize;
        let mask = header.mask.ok_or(Reason::Protocol)?;
        let begins_message = matches!(header.opcode, OpCode::Data(Data::Text | Data::Binary));
        if header.rsv1 && !(self.may_compress && begins_message) || header.rsv2 || header.rsv3 {
            return Err(Reason::Protocol);
        }
        if matches!(header.opcode, OpCode::Control(_)) && (!header.is_final || length > 125) {
            return Err(Reason::Protocol);
        }
        let length = usize::try_from(length).map_err(|_| Reason::TooBig)?;
        if length > self.max_frame {
            let is_compressed = header.rsv1 || self.messages.is_within_compressed();
            if !is_compressed || length > max_compressed(self.max_frame) {
                return Err(Reason::TooBig);
            }
        }
        match header.opcode {
            OpCode::Control(control) => {
                let Some(payload) = bytes.get_mut(start..start + length) else { return Ok(None) };
                unmask(payload, mask);
                self.control(control, payload, inbound)?;
                Ok(Some(start + length))
            }
            OpCode::Data(data) => {
                let FrameHeader { is_final, rsv1: is_compressed, .. } = header;
                self.messages.open(data, Open { is_final, is_compressed, mask, left: length })?;
                let taken = self.payload(&mut bytes[start..], inbound)?;
                Ok(Some(start + taken))
            }
        }
    }

    fn control(
        &mut self,
        control: Control,
        payload: &[u8],
        inbound: &mut Vec<Inbound>,
    ) -> Result<(), Reason> {
        match control {
            Control::Ping => inbound.push(Inbound::Reply(frame::pong(payload))),
            Control::Pong => {}
            Control::Close => {
                inbound.push(Inbound::Closed(frame::close_echo(close_code(payload)?)));
                self.is_over = true;
            }
            Control::Reserved(_) => return Err(Reason::Protocol),
        }
        Ok(())
    }

    fn payload(&mut self, bytes: &mut [u8], inbound: &mut Vec<Inbound>) -> Result<usize, Reason> {
        let (taken, complete) = self.messages.payload(bytes)?;
        if let Some(message) = complete {
            self.decoded += message.payload.len();
            inbound.push(Inbound::Message(message));
        }
        Ok(taken)
    }

    /// Decodes frames until the bytes end, a header is not complete, or the decoder is [full](Self::is_full). Returns how
    /// many bytes were decoded.
    fn frames(&mut self, bytes: &mut [u8], inbound: &mut Vec<Inbound>) -> usize {
        let mut taken = 0;
        self.decoded = 0;
        while !self.is_over && !self.is_full() && taken < bytes.len() {
            match self.frame(&mut bytes[taken..], inbound) {
                Ok(Some(length)) => taken += length,
                Ok(None) => break,
                Err(reason) => {
                    inbound.push(Inbound::Fault(reason));
                    self.is_over = true;
                }
            }
        }
        taken
    }

    /// Whether the messages that were just decoded must be handled before more is decoded.
    fn is_full(&self) -> bool {
        self.decoded >= MESSAGES
    }
}

impl Decoder for FrameDecoder {
    fn decode(&mut self, bytes: &mut [u8], inbound: &mut Vec<Inbound>) -> usize {
        let before = self.partial.len();
        let taken = if before == 0 {
            let taken = self.frames(bytes, inbound);
            if !self.is_full() {
                self.partial.extend_from_slice(&bytes[taken..]);
            }
            taken
        } else {
            let mut all = std::mem::take(&mut self.partial);
            all.extend_from_slice(bytes);
            let taken = self.frames(&mut all, inbound);
            if !self.is_full() {
                self.partial = all[taken..].to_vec();
            }
            taken
        };
        if self.is_over {
            self.partial = Vec::new();
            self.messages.clear();
        } else if self.is_full() {
            // A message has ended, so the frame that the partial input belongs to is decoded.
            return taken.saturating_sub(before);
        }
        bytes.len()
    }

    fn is_at_rest(&self) -> bool {
        self.partial.is_empty() && self.messages.is_empty() && !self.is_over
    }
}

/// The code in the payload of a close frame, or `None` if the payload is empty (section 5.5.1). Fails if the code may
/// not be sent (section 7.4), or the phrase after it is not UTF-8.
fn close_code(payload: &[u8]) -> Result<Option<u16>, Reason> {
    match payload {
        [] => Ok(None),
        [_] => Err(Reason::Protocol),
        [high, low, phrase @ ..] => {
            let code = u16::from_be_bytes([*high, *low]);
            if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
                return Err(Reason::Protocol);
            }
            std::str::from_utf8(phrase).map_err(|_| Reason::BadUtf8)?;
            Ok(Some(code))
        }
    }
}

#[cfg(test)]
mod compressed;

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use proptest::prelude::*;
    use tidings_core::Kind;
    use tidings_transport::Message;
    use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
    use tokio_tungstenite::tungstenite::{self, WebSocket};

    fn decoder() -> FrameDecoder {
        FrameDecoder::new(1000, 500, false)
    }

    fn decode_in_cuts(bytes: &[u8], cuts: &[usize]) -> Vec<Inbound> {
        let (mut decoder, mut inbound, mut rest) = (decoder(), Vec::new(), bytes);
        for &cut in cuts.iter().chain([&usize::MAX]) {
            let (now, later) = rest.split_at(cut.min(rest.len()));
            decoder.decode(&mut now.to_vec(), &mut inbound);
            rest = later;
        }
        inbound
    }

    /// A masked frame, as a client sends it.
    pub(super) fn client_frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![first];
        match payload.len() {
            short @ 0..=125 => frame.push(0x80 | short as u8),
            long => {
                frame.push(0x80 | 126);
                frame.extend((long as u16).to_be_bytes());
            }
        }
        let mask = [1, 2, 3, 4];
        frame.extend(mask);
        frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
        frame
    }

    /// Decodes the bytes with tungstenite. The result is the messages, and whether it found a fault.
    fn reference(bytes: &[u8]) -> (Vec<Inbound>, bool) {
        struct Script<'a>(&'a [u8]);
        impl std::io::Read for Script<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
                match self.0.read(buffer)? {
                    0 => Err(std::io::ErrorKind::WouldBlock.into()),
                    count => Ok(count),
                }
            }
        }
        impl std::io::Write for Script<'_> {
            fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
                Ok(buffer.len())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let config =
            WebSocketConfig::default().max_message_size(Some(1000)).max_frame_size(Some(500));
        let mut socket = WebSocket::from_raw_socket(Script(bytes), Role::Server, Some(config));
        let mut inbound = Vec::new();
        loop {
            let (kind, payload) = match socket.read() {
                Ok(tungstenite::Message::Text(text)) => (Kind::Text, Bytes::from(text)),
                Ok(tungstenite::Message::Binary(bytes)) => (Kind::Binary, bytes),
                // Tungstenite returns its own close frame if the client's may not be sent.
                Ok(tungstenite::Message::Close(close)) => {
                    let is_fault = close.is_some_and(|close| close.reason == "Protocol violation");
                    return (inbound, is_fault);
                }
                Ok(_) => continue,
                Err(tokio_tungstenite::tungstenite::Error::Io(_)) => return (inbound, false),
                Err(_) => return (inbound, true),
            };
            inbound.push(Inbound::Message(Message::new(kind, payload)));
        }
    }

    fn some_frame() -> impl Strategy<Value = Vec<u8>> {
        let first = prop_oneof![
            8 => proptest::sample::select(vec![0x81_u8, 0x82, 0x01, 0x02, 0x00, 0x80, 0x89, 0x8a, 0x88]),
            1 => any::<u8>(),
        ];
        let payload = prop_oneof![
            4 => "[a-z☃]{0,40}".prop_map(String::into_bytes),
            1 => proptest::collection::vec(any::<u8>(), 0..300),
            1 => proptest::collection::vec(Just(b'x'), 400..600),
        ];
        (first, payload).prop_map(|(first, payload)| client_frame(first, &payload))
    }

    proptest! {
        #[test]
        fn it_agrees_with_tungstenite_however_the_bytes_are_cut(
            frames in proptest::collection::vec(some_frame(), 0..6),
            cuts in proptest::collection::vec(0..60_usize, 0..12),
            noise in proptest::collection::vec(any::<u8>(), 0..4),
        ) {
            let mut bytes = frames.concat();
            bytes.extend(noise);
            let inbound = decode_in_cuts(&bytes, &cuts);
            let is_fault = matches!(inbound.last(), Some(Inbound::Fault(_)));
            let messages: Vec<_> =
                inbound.into_iter().filter(|inbound| matches!(inbound, Inbound::Message(_))).collect();
            // Tungstenite finds some faults only after the payload has arrived.
            if is_fault {
                bytes.extend([0; 1000]);
            }
            prop_assert_eq!((messages, is_fault), reference(&bytes));
        }
    }

    #[test]
    fn a_ping_between_the_fragments_of_a_message_has_its_reply_first() {
        let mut bytes = client_frame(0x01, b"hel");
        bytes.extend(client_frame(0x89, b"?"));
        bytes.extend(client_frame(0x80, b"lo"));
        let hello = Message::text("hello");
        let expected = [Inbound::Reply(Bytes::from_static(b"\x8a\x01?")), Inbound::Message(hello)];
        assert_eq!(decode_in_cuts(&bytes, &[]), expected);
    }

    #[test]
    fn each_violation_has_its_close_code() {
        let fault = |bytes: &[u8]| match decode_in_cuts(bytes, &[1]).pop() {
            Some(Inbound::Fault(reason)) => reason.code(),
            other => panic!("expected a fault for {bytes:?}, not {other:?}"),
        };
        assert_eq!(fault(&[0x81, 0x01, b'x']), 1002, "not masked");
        assert_eq!(fault(&client_frame(0x80, b"x")), 1002, "a continuation of no message");
        assert_eq!(fault(&client_frame(0xc1, b"x")), 1002, "a reserved bit");
        assert_eq!(fault(&client_frame(0x88, &[3, 236, b'x'])), 1002, "1004 may not be sent");
        assert_eq!(fault(&client_frame(0x81, b"\xff")), 1007, "not UTF-8");
        assert_eq!(
            fault(&[0x82, 0xff, 0, 0, 0, 0, 0x7f, 0, 0, 0, 1, 2, 3, 4]),
            1009,
            "a fault before the payload arrives"
        );
    }

    #[test]
    fn text_that_is_not_utf8_is_a_fault_before_its_frame_is_complete() {
        // From Autobahn's cases 6.4.1 to 6.4.4: valid bytes, the fault, and valid bytes.
        let parts: [&[u8]; 3] = ["\u{3ba}\u{1f79}".as_bytes(), b"\xf4\x90\x80\x80", b"edited"];
        let bytes = client_frame(0x81, &parts.concat());
        let valid = bytes.len() - parts[1].len() - parts[2].len();
        // A character can begin with `F4`, but not with `F4 90`.
        for cuts in [&[valid, 2][..], &vec![1; bytes.len()]] {
            let (mut decoder, mut inbound, mut at) = (decoder(), Vec::new(), 0);
            for &cut in cuts {
                assert_eq!(inbound, [], "the first {at} bytes are valid");
                decoder.decode(&mut bytes[at..at + cut].to_vec(), &mut inbound);
                at += cut;
                if at >= valid + 2 {
                    break;
                }
            }
            assert_eq!((inbound, at), (vec![Inbound::Fault(Reason::BadUtf8)], valid + 2));
        }
        // The same bytes in the second fragment of a message.
        let mut bytes = client_frame(0x01, parts[0]);
        bytes.extend(&client_frame(0x80, &parts[1..].concat())[..8]);
        assert_eq!(decode_in_cuts(&bytes, &[]), [Inbound::Fault(Reason::BadUtf8)]);
    }

    #[test]
    fn a_message_that_becomes_too_large_is_a_fault_at_the_header_of_the_frame() {
        let mut bytes = client_frame(0x02, &[0; 500]);
        bytes.extend(client_frame(0x00, &[0; 500]));
        bytes.extend(&client_frame(0x80, b"x")[..6]);
        assert_eq!(decode_in_cuts(&bytes, &[]), [Inbound::Fault(Reason::TooBig)]);
    }

    #[test]
    fn frames_before_a_fault_in_the_same_bytes_are_decoded() {
        let mut bytes = client_frame(0x81, b"hello");
        bytes.extend(client_frame(0x89, b"?"));
        bytes.extend(client_frame(0xa1, b"hello"));
        bytes.extend(client_frame(0x89, b"!"));
        let hello = Message::text("hello");
        let expected = [
            Inbound::Message(hello),
            Inbound::Reply(Bytes::from_static(b"\x8a\x01?")),
            Inbound::Fault(Reason::Protocol),
        ];
        assert_eq!(decode_in_cuts(&bytes, &[]), expected);
        assert_eq!(decode_in_cuts(&bytes, &vec![1; bytes.len()]), expected);
    }

    #[test]
    fn a_close_is_echoed_and_frames_after_it_are_ignored() {
        let mut bytes = client_frame(0x88, &[3, 232]);
        bytes.extend(client_frame(0x81, b"late"));
        let expected = [Inbound::Closed(Bytes::from_static(&[0x88, 2, 3, 232]))];
        assert_eq!(decode_in_cuts(&bytes, &[]), expected);
    }
}
