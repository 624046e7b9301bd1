//! Messages of a protocol on top of WebSocket: the subscription, and pings that the client must answer.

use memchr::memmem;

use super::websocket::append;
use crate::load::inbox::Inbox;
use crate::peers::{Adapter, Opening};

/// The opcode of a text message (RFC 6455, section 5.2).
const TEXT: u8 = 1;

/// The longest message before the subscription is answered.
const LONGEST: u64 = 4_000;

/// The messages that one client and its server exchange besides notifications.
#[derive(Debug)]
pub(crate) struct Dialogue {
    /// The topic and the exchange by which the client subscribes, until it is answered.
    opening: Option<(String, &'static Opening)>,
    ping: Option<[&'static str; 2]>,
}

impl Dialogue {
    /// `None` if the protocol of the peer has no such messages.
    pub(crate) fn new(adapter: &'static Adapter, topic: &str) -> Option<Self> {
        let opening = adapter.opening.as_ref().map(|opening| (topic.to_owned(), opening));
        let is_needed = opening.is_some() || adapter.ping.is_some();
        is_needed.then_some(Self { opening, ping: adapter.ping })
    }

    /// The frames by which the client subscribes.
    pub(super) fn opening(&self) -> Option<Vec<u8>> {
        let (topic, opening) = self.opening.as_ref()?;
        let mut frames = Vec::new();
        for message in opening.send {
            append(&mut frames, TEXT, Adapter::fill(message, topic).as_bytes());
        }
        Some(frames)
    }

    /// `true` if a message of this length may be a part of the dialogue. All others are notifications.
    pub(super) fn expects(&self, length: u64) -> bool {
        let is_ping = |[ping, _]: [&str; 2]| ping.len() as u64 == length;
        (self.opening.is_some() && length <= LONGEST) || self.ping.is_some_and(is_ping)
    }

    /// Answers a ping, or notes that the client is subscribed. A notification is recorded.
    pub(super) fn take(&mut self, message: &[u8], inbox: &mut Inbox<'_>) {
        if let Some([ping, pong]) = self.ping
            && message == ping.as_bytes()
        {
            append(inbox.reply, TEXT, pong.as_bytes());
            return;
        }
        if let Some((_, opening)) = &self.opening
            && memmem::find(message, opening.answer.as_bytes()).is_some()
        {
            self.opening = None;
            inbox.answers += 1;
        }
        inbox.scan(message);
    }
}

#[cfg(test)]
mod tests {
    use super::super::Reader;
    use super::super::http::Stream;
    use super::super::tests::{five_by_cuts, payload};
    use super::super::websocket::Frames;
    use super::*;
    use crate::peers::{CENTRIFUGE, Peer, SOCKET_IO};
    use crate::protocol::Transport;

    const HEAD: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n";

    fn message(text: &[u8]) -> Vec<u8> {
        let length = text.len() as u16;
        let head = match text.len() {
            short @ 0..126 => vec![0x81, short as u8],
            _ => [&[0x81, 126][..], &length.to_be_bytes()].concat(),
        };
        [&head, text].concat()
    }

    /// What a client sends as text messages.
    fn sent(texts: &[&str]) -> Vec<u8> {
        let mut frames = Vec::new();
        texts.iter().for_each(|text| append(&mut frames, TEXT, text.as_bytes()));
        frames
    }

    /// Reads five notifications between these texts after the messages at the start, and a ping. Returns what the
    /// client sends and how often it was answered.
    fn talk(
        peer: &'static Peer,
        start: &[&str],
        [before, after]: [&str; 2],
        ping: &str,
    ) -> (Vec<u8>, usize) {
        let mut bytes = HEAD.to_vec();
        start.iter().for_each(|text| bytes.extend(message(text.as_bytes())));
        for sequence in 0..5 {
            let text = [before.as_bytes(), &payload(sequence), after.as_bytes()].concat();
            bytes.extend(message(&text));
        }
        bytes.extend(message(ping.as_bytes()));
        let adapter = peer.adapter(Transport::WebSocket).unwrap();
        let reader =
            || Stream::new(101, Frames::with(Dialogue::new(adapter, "news").expect("a dialogue")));
        let whole = five_by_cuts(&bytes, bytes.len(), &mut reader());
        for cut in 1..bytes.len() {
            assert_eq!(five_by_cuts(&bytes, cut, &mut reader()), whole, "cut by {cut}");
        }
        whole
    }

    #[test]
    fn a_client_of_socket_io_is_subscribed_when_the_server_says_so_and_answers_pings() {
        let open =
            r#"0{"sid":"NlzYy4AAAB","upgrades":[],"pingInterval":25000,"maxPayload":1000000}"#;
        let start = [open, r#"40{"sid":"hcE5XcL_NcxSdjVoAAAA"}"#];
        let found = talk(&SOCKET_IO, &start, [r#"42["notification",""#, "\"]"], "2");
        assert_eq!(found, (sent(&[r#"40{"topic":"/topics/news"}"#, "3"]), 1));
    }

    #[test]
    fn a_client_of_centrifuge_connects_by_its_first_message() {
        let start =
            [r#"{"id":1,"result":{"client":"6c0e2d-a1","version":"","subs":{"/news":{}}}}"#];
        let around = [r#"{"result":{"channel":"/news","data":{"data":""#, "\"}}}"];
        assert_eq!(talk(&CENTRIFUGE, &start, around, "{}"), (sent(&[r#"{"id":1}"#]), 1));
    }

    #[test]
    fn a_protocol_without_its_own_messages_needs_no_dialogue() {
        let adapter = crate::peers::WS.adapter(Transport::WebSocket).unwrap();
        assert!(Dialogue::new(adapter, "news").is_none());
        assert!(Frames::default().opening().is_none());
    }
}
