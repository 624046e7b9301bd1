//! Frames in: RFC 6455, sections 5 and 7, over borrowed bytes. Nothing is held between two reads but a
//! frame or message that is not yet whole.

use std::io::Cursor;

use tidings_core::{Kind, Reason};
use tidings_transport::{Ear, Inbound, Said, fitted};
use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use crate::frame;

/// Hears one client.
#[derive(Debug)]
pub(crate) struct FrameEar {
    max_message: usize,
    max_frame: usize,
    /// The beginning of a frame whose rest has not come: at most a header and `max_frame`.
    partial: Vec<u8>,
    message: Option<Message>,
    is_over: bool,
}

/// The fragments of a message so far: at most `max_message`.
#[derive(Debug)]
struct Message {
    kind: Kind,
    bytes: Vec<u8>,
    /// So many bytes of a text are known to be UTF-8.
    checked: usize,
}

impl FrameEar {
    pub(crate) fn new(max_message: usize, max_frame: usize) -> Self {
        Self { max_message, max_frame, partial: Vec::new(), message: None, is_over: false }
    }

    /// Takes one frame off the front: how many bytes it was, or `None` where it is not whole yet.
    fn frame(&mut self, bytes: &mut [u8], said: &mut Vec<Said>) -> Result<Option<usize>, Reason> {
        let mut cursor = Cursor::new(&*bytes);
        let parsed = FrameHeader::parse(&mut cursor).map_err(|_| Reason::Protocol)?;
        let Some((header, length)) = parsed else { return Ok(None) };
        let start = cursor.position() as usize;
        let mask = header.mask.ok_or(Reason::Protocol)?;
        if header.rsv1 || header.rsv2 || header.rsv3 {
            return Err(Reason::Protocol);
        }
        if matches!(header.opcode, OpCode::Control(_)) && (!header.is_final || length > 125) {
            return Err(Reason::Protocol);
        }
        let length = usize::try_from(length).map_err(|_| Reason::TooBig)?;
        if length > self.max_frame {
            return Err(Reason::TooBig);
        }
        let Some(payload) = bytes.get_mut(start..start + length) else { return Ok(None) };
        payload.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, key)| *byte ^= key);
        self.take(&header, payload, said)?;
        Ok(Some(start + length))
    }

    fn take(
        &mut self,
        header: &FrameHeader,
        payload: &[u8],
        said: &mut Vec<Said>,
    ) -> Result<(), Reason> {
        let kind = match header.opcode {
            OpCode::Control(Control::Ping) => {
                said.push(Said::Reply(frame::pong(payload)));
                return Ok(());
            }
            OpCode::Control(Control::Pong) => return Ok(()),
            OpCode::Control(Control::Close) => {
                said.push(Said::Closed(frame::close_echo(close_code(payload)?)));
                self.is_over = true;
                return Ok(());
            }
            OpCode::Data(Data::Text) => Some(Kind::Text),
            OpCode::Data(Data::Binary) => Some(Kind::Binary),
            OpCode::Data(Data::Continue) => None,
            OpCode::Control(Control::Reserved(_)) | OpCode::Data(Data::Reserved(_)) => {
                return Err(Reason::Protocol);
            }
        };
        // A new message may not begin inside another, nor go on where none began.
        let mut message = match (kind, self.message.take()) {
            (Some(kind), None) => Message { kind, bytes: Vec::new(), checked: 0 },
            (None, Some(begun)) => begun,
            _ => return Err(Reason::Protocol),
        };
        if message.bytes.len() + payload.len() > self.max_message {
            return Err(Reason::TooBig);
        }
        message.bytes.extend_from_slice(payload);
        message.check(header.is_final)?;
        if header.is_final {
            let Message { kind, bytes, .. } = message;
            // It may stay in the log for long, and has grown piece by piece.
            said.push(Said::Message(Inbound { kind, payload: fitted(bytes) }));
        } else {
            self.message = Some(message);
        }
        Ok(())
    }

    /// Takes every whole frame and returns how many bytes they were.
    fn frames(&mut self, bytes: &mut [u8], said: &mut Vec<Said>) -> usize {
        let mut taken = 0;
        while !self.is_over {
            match self.frame(&mut bytes[taken..], said) {
                Ok(Some(length)) => taken += length,
                Ok(None) => break,
                Err(reason) => {
                    said.push(Said::Fault(reason));
                    self.is_over = true;
                }
            }
        }
        taken
    }
}

impl Message {
    /// Checks what has not been checked yet. A character may be cut by the end of a fragment, not by the
    /// end of the message (RFC 6455, section 8.1).
    fn check(&mut self, is_final: bool) -> Result<(), Reason> {
        if self.kind == Kind::Binary {
            return Ok(());
        }
        match std::str::from_utf8(&self.bytes[self.checked..]) {
            Ok(_) => self.checked = self.bytes.len(),
            Err(fault) if is_final || fault.error_len().is_some() => return Err(Reason::BadUtf8),
            Err(cut) => self.checked += cut.valid_up_to(),
        }
        Ok(())
    }
}

impl Ear for FrameEar {
    fn hear(&mut self, bytes: &mut [u8], said: &mut Vec<Said>) {
        if self.partial.is_empty() {
            let taken = self.frames(bytes, said);
            self.partial.extend_from_slice(&bytes[taken..]);
        } else {
            let mut all = std::mem::take(&mut self.partial);
            all.extend_from_slice(bytes);
            let taken = self.frames(&mut all, said);
            all.drain(..taken);
            // A client that once sent something large does not keep the room for it.
            if all.is_empty() {
                all = Vec::new();
            }
            self.partial = all;
        }
        if self.is_over {
            self.partial = Vec::new();
        }
    }

    fn is_at_rest(&self) -> bool {
        self.partial.is_empty() && self.message.is_none() && !self.is_over
    }
}

/// The code in a close frame, which may have none (section 5.5.1); those that may stand there are named
/// in section 7.4.
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
mod tests {
    use super::*;
    use bytes::Bytes;
    use proptest::prelude::*;
    use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
    use tokio_tungstenite::tungstenite::{Message, WebSocket};

    fn ear() -> FrameEar {
        FrameEar::new(1000, 500)
    }

    fn hear_in_cuts(bytes: &[u8], cuts: &[usize]) -> Vec<Said> {
        let (mut ear, mut said, mut rest) = (ear(), Vec::new(), bytes);
        for &cut in cuts.iter().chain([&usize::MAX]) {
            let (now, later) = rest.split_at(cut.min(rest.len()));
            ear.hear(&mut now.to_vec(), &mut said);
            rest = later;
        }
        said
    }

    /// A masked frame, as a client sends it.
    fn client_frame(first: u8, payload: &[u8]) -> Vec<u8> {
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

    /// What tungstenite, the reference, makes of the same bytes: messages, and whether it found a fault.
    fn reference(bytes: &[u8]) -> (Vec<Said>, bool) {
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
        let mut said = Vec::new();
        loop {
            let (kind, payload) = match socket.read() {
                Ok(Message::Text(text)) => (Kind::Text, Bytes::from(text)),
                Ok(Message::Binary(bytes)) => (Kind::Binary, bytes),
                // It words a close frame that may not be sent as one of its own.
                Ok(Message::Close(close)) => {
                    let is_fault = close.is_some_and(|close| close.reason == "Protocol violation");
                    return (said, is_fault);
                }
                Ok(_) => continue,
                Err(tokio_tungstenite::tungstenite::Error::Io(_)) => return (said, false),
                Err(_) => return (said, true),
            };
            said.push(Said::Message(Inbound { kind, payload }));
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
        fn it_agrees_with_tungstenite_in_any_cuts(
            frames in proptest::collection::vec(some_frame(), 0..6),
            cuts in proptest::collection::vec(0..60_usize, 0..12),
            noise in proptest::collection::vec(any::<u8>(), 0..4),
        ) {
            let mut bytes = frames.concat();
            bytes.extend(noise);
            let said = hear_in_cuts(&bytes, &cuts);
            let is_fault = matches!(said.last(), Some(Said::Fault(_)));
            let messages: Vec<_> =
                said.into_iter().filter(|said| matches!(said, Said::Message(_))).collect();
            // The reference finds some faults only once the payload behind the header is there.
            if is_fault {
                bytes.extend([0; 1000]);
            }
            prop_assert_eq!((messages, is_fault), reference(&bytes));
        }
    }

    #[test]
    fn a_ping_between_the_fragments_of_a_message_is_answered_at_once() {
        let mut bytes = client_frame(0x01, b"hel");
        bytes.extend(client_frame(0x89, b"?"));
        bytes.extend(client_frame(0x80, b"lo"));
        let hello = Inbound { kind: Kind::Text, payload: "hello".into() };
        let expected = [Said::Reply(Bytes::from_static(b"\x8a\x01?")), Said::Message(hello)];
        assert_eq!(hear_in_cuts(&bytes, &[]), expected);
    }

    #[test]
    fn each_broken_rule_has_its_close_code() {
        let fault = |bytes: &[u8]| match hear_in_cuts(bytes, &[1]).pop() {
            Some(Said::Fault(reason)) => reason.code(),
            other => panic!("{bytes:?} made {other:?}"),
        };
        assert_eq!(fault(&[0x81, 0x01, b'x']), 1002, "not masked");
        assert_eq!(fault(&client_frame(0x80, b"x")), 1002, "goes on with nothing");
        assert_eq!(fault(&client_frame(0xc1, b"x")), 1002, "a reserved bit");
        assert_eq!(fault(&client_frame(0x88, &[3, 236, b'x'])), 1002, "1004 may not be sent");
        assert_eq!(fault(&client_frame(0x81, b"\xff")), 1007, "not UTF-8");
        assert_eq!(
            fault(&[0x82, 0xff, 0, 0, 0, 0, 0x7f, 0, 0, 0, 1, 2, 3, 4]),
            1009,
            "told before it comes"
        );
    }

    #[test]
    fn a_close_is_echoed_and_nothing_behind_it_is_heard() {
        let mut bytes = client_frame(0x88, &[3, 232]);
        bytes.extend(client_frame(0x81, b"late"));
        let expected = [Said::Closed(Bytes::from_static(&[0x88, 2, 3, 232]))];
        assert_eq!(hear_in_cuts(&bytes, &[]), expected);
    }
}
