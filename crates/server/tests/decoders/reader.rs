//! A client that reads only when the test requests it.

use std::net::SocketAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tidings_core::Id;

use crate::support::{Inflate, Raw, masked, subscribe, subscribe_request};

/// What a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offer {
    Plain,
    Gzip,
    /// A WebSocket with this value of `Sec-WebSocket-Extensions`.
    WebSocket(&'static str),
}

impl Offer {
    pub(crate) const ALL: [Self; 5] = [
        Self::Plain,
        Self::Gzip,
        Self::WebSocket("permessage-deflate"),
        Self::WebSocket("permessage-deflate; server_max_window_bits=12"),
        Self::DECLINED,
    ];
    const DECLINED: Self = Self::WebSocket("permessage-deflate; server_no_context_takeover");

    fn is_accepted(self) -> bool {
        !matches!(self, Self::Plain | Self::DECLINED)
    }
}

/// A connection, and what it has decoded.
pub(crate) struct Reader {
    raw: Raw,
    offer: Offer,
    inflate: Inflate,
    /// The text of a stream that is not read yet.
    text: Vec<u8>,
}

impl Reader {
    /// Subscribes to the topic `t` after this position.
    pub(crate) async fn connect(server: SocketAddr, offer: Offer, after: Id) -> Self {
        let (transport, line) = match offer {
            Offer::Plain => ("sse", "Accept-Encoding: identity\r\n".to_owned()),
            Offer::Gzip => ("sse", "Accept-Encoding: gzip\r\n".to_owned()),
            Offer::WebSocket(extensions) => {
                ("websocket", format!("Sec-WebSocket-Extensions: {extensions}\r\n"))
            }
        };
        let request = subscribe_request(&format!("t?transport={transport}&after={after}"), &line);
        let mut raw = Raw::connect_narrow(server).await;
        let is_websocket = subscribe(&mut raw, request, offer.is_accepted()).await;
        let inflate = if offer == Offer::Gzip { Inflate::gzip() } else { Inflate::new() };
        let reader = Self { raw, offer, inflate, text: Vec::new() };
        assert_eq!(is_websocket, reader.is_websocket());
        reader
    }

    pub(crate) fn is_websocket(&self) -> bool {
        matches!(self.offer, Offer::WebSocket(_))
    }

    /// Publishes by the WebSocket.
    pub(crate) async fn send(&mut self, text: &str) {
        self.raw.send(masked(0x81, text.as_bytes())).await;
    }

    /// The payload of the next notification.
    pub(crate) async fn next(&mut self) -> Vec<u8> {
        if self.is_websocket() {
            return self.message().await.expect("the connection stays open");
        }
        loop {
            let event = self.event().await.expect("the stream goes on");
            let data: Vec<&str> = event
                .lines()
                .filter_map(|line| line.strip_prefix("data:"))
                .map(|data| data.strip_prefix(' ').unwrap_or(data))
                .collect();
            if event.lines().any(|line| line == "event: binary") {
                return STANDARD.decode(data.concat()).unwrap();
            }
            if !data.is_empty() {
                assert!(!event.contains("\nevent:"), "{event}");
                return data.join("\n").into_bytes();
            }
        }
    }

    /// The next text or binary message. `None` if it is a close frame.
    async fn message(&mut self) -> Option<Vec<u8>> {
        loop {
            let (first, mut payload) = self.raw.frame().await;
            match first {
                0x81 | 0x82 => return Some(payload),
                0xc1 | 0xc2 => {
                    payload.extend_from_slice(&[0, 0, 0xff, 0xff]);
                    return Some(self.inflate.decode(&payload));
                }
                0x89 | 0x8a => {}
                0x88 => return None,
                other => panic!("a frame that begins with {other:#x}"),
            }
        }
    }

    /// The lines of the next event of the stream. `None` at its end.
    async fn event(&mut self) -> Option<String> {
        let mut seen = 0;
        loop {
            if let Some(at) = self.text[seen..].windows(2).position(|two| two == b"\n\n") {
                let rest = self.text.split_off(seen + at + 2);
                let event = std::mem::replace(&mut self.text, rest);
                return Some(String::from_utf8(event).unwrap());
            }
            seen = self.text.len().saturating_sub(1);
            let bytes = self.raw.some().await;
            if bytes.is_empty() {
                return None;
            }
            let plain = if self.offer == Offer::Gzip { self.inflate.decode(&bytes) } else { bytes };
            self.text.extend_from_slice(&plain);
        }
    }

    /// Reads to the end, after that of the server, and asserts that no notification comes.
    pub(crate) async fn ended(mut self) {
        if self.is_websocket() {
            assert_eq!(self.message().await, None);
            return;
        }
        let mut last = String::new();
        while let Some(event) = self.event().await {
            assert!(!event.contains("\ndata") || event.contains("event: goodbye"), "{event}");
            last = event;
        }
        assert!(last.contains("event: goodbye"), "{last:?}");
        assert_eq!(self.inflate.has_ended(), self.offer == Offer::Gzip);
    }
}
