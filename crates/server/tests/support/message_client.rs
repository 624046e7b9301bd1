//! A client that sends messages: a WebSocket without a subprotocol, or a session of WebTransport.

use tidings_server::Message;

#[cfg(feature = "webtransport")]
use super::quic;
use super::{Raw, Running, masked};

const TEXT: u8 = 0x81;
const BINARY: u8 = 0x82;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;
const PONG: u8 = 0x8a;

/// A client that sends messages. Dropping it ends its connection.
pub(crate) enum MessageClient {
    WebSocket(Raw),
    #[cfg(feature = "webtransport")]
    Session(Box<quic::Opened>),
}

/// What a client receives.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Got {
    Heartbeat,
    /// A notification or a reply.
    Message(Message),
    /// The end, with its code.
    Closed(u16),
}

impl MessageClient {
    /// Subscribes to these filters, with a small receive buffer. The filters may have a query. It is a session if the
    /// server has sessions.
    pub(crate) async fn open(hub: &Running, filters: &str) -> Self {
        #[cfg(feature = "webtransport")]
        if let Some(sessions) = &hub.sessions {
            let url = format!("https://hub/topics/{filters}");
            let headers = http::HeaderMap::new();
            let session = quic::open_session(sessions, &url, headers, quic::narrow()).await;
            let mut session = Box::new(quic::Opened::new(session));
            session.lines().await;
            return Self::Session(session);
        }
        Self::WebSocket(Raw::open_websocket(hub.address, filters, "").await)
    }

    /// Sends messages in their order: in one packet, or each after the one before has been acknowledged. Ignores an
    /// error, because the server may have ended the connection.
    pub(crate) async fn send(&mut self, messages: &[Message]) {
        match self {
            Self::WebSocket(raw) => raw.try_send(frames(messages)).await,
            #[cfg(feature = "webtransport")]
            Self::Session(session) => drop(session.send(messages).await),
        }
    }

    /// Sends messages and returns at once. If the server does not read, a session sends the rest later.
    pub(crate) async fn send_meanwhile(&mut self, messages: Vec<Message>) {
        match self {
            Self::WebSocket(raw) => raw.try_send(frames(&messages)).await,
            #[cfg(feature = "webtransport")]
            Self::Session(session) => session.send_meanwhile(messages),
        }
    }

    /// Sends that the client is alive. A session does not need that.
    pub(crate) async fn pong(&mut self) {
        match self {
            Self::WebSocket(raw) => raw.send(masked(PONG, b"")).await,
            #[cfg(feature = "webtransport")]
            Self::Session(_) => {}
        }
    }

    /// Closes the connection properly.
    pub(crate) async fn close(mut self) {
        match &mut self {
            Self::WebSocket(raw) => raw.send(masked(CLOSE, b"")).await,
            #[cfg(feature = "webtransport")]
            Self::Session(_) => {}
        }
    }

    /// Ends the connection as if the client had failed. A session is closed.
    pub(crate) fn reset(self) {
        match self {
            Self::WebSocket(raw) => raw.reset(),
            #[cfg(feature = "webtransport")]
            Self::Session(session) => drop(session),
        }
    }

    /// Returns what comes next.
    pub(crate) async fn next(&mut self) -> Got {
        match self {
            Self::WebSocket(raw) => match raw.frame().await {
                (TEXT, payload) => Got::Message(Message::text(String::from_utf8(payload).unwrap())),
                (BINARY, payload) => Got::Message(Message::binary(payload)),
                (PING, _) => Got::Heartbeat,
                (CLOSE, payload) => Got::Closed(u16::from_be_bytes([payload[0], payload[1]])),
                other => panic!("{other:?}"),
            },
            #[cfg(feature = "webtransport")]
            Self::Session(session) => session.next().await,
        }
    }

    /// Returns the next message.
    pub(crate) async fn message(&mut self) -> Message {
        loop {
            match self.next().await {
                Got::Heartbeat => {}
                Got::Message(message) => return message,
                Got::Closed(code) => panic!("closed with {code}"),
            }
        }
    }

    /// Returns the next message, which is text.
    pub(crate) async fn text(&mut self) -> String {
        let message = self.message().await;
        message.as_text().unwrap_or_else(|| panic!("{message:?}")).to_owned()
    }

    /// Returns the texts of all messages up to the end, and its code.
    pub(crate) async fn texts_to_close(mut self) -> (Vec<String>, u16) {
        let mut texts = Vec::new();
        loop {
            match self.next().await {
                Got::Heartbeat => {}
                Got::Message(message) => texts.push(message.as_text().unwrap().to_owned()),
                Got::Closed(code) => return (texts, code),
            }
        }
    }
}

fn frames(messages: &[Message]) -> Vec<u8> {
    let frame = |message: &Message| {
        let first = if message.as_text().is_some() { TEXT } else { BINARY };
        masked(first, &message.payload)
    };
    messages.iter().flat_map(frame).collect()
}
