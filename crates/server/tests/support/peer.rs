//! A client of any transport whose request the test chooses: over HTTP/1.1, or as a session of WebTransport.

use std::net::SocketAddr;

use tidings_transport::Shape;

#[cfg(feature = "webtransport")]
use super::quic;
use super::{Case, Raw, Running};

/// A client that has sent its request. Dropping it ends its connection.
pub(crate) enum Peer {
    Http(Raw),
    #[cfg(feature = "webtransport")]
    Session(Box<quic::Opened>),
}

impl Case {
    /// Sends a subscribe request with these filters, this further query, and these header lines. A line `Host` replaces
    /// the host of the request, which is `hub`.
    pub(crate) async fn subscribe(
        &self,
        hub: &Running,
        filters: &str,
        query: &str,
        lines: &str,
    ) -> Peer {
        #[cfg(feature = "webtransport")]
        if self.is_session() {
            return self
                .session(hub, filters, query, lines, quinn::TransportConfig::default())
                .await;
        }
        self.send(Raw::connect(hub.address).await, filters, query, lines).await
    }

    /// Sends a subscribe request over a connection with a small receive buffer.
    pub(crate) async fn subscribe_narrow(&self, hub: &Running, filters: &str, query: &str) -> Peer {
        self.subscribe_narrow_at(hub.address, hub, filters, query).await
    }

    /// The same, with small buffers on the whole way. It is slow if there is a forwarder.
    pub(crate) async fn subscribe_narrowest(
        &self,
        hub: &Running,
        filters: &str,
        query: &str,
    ) -> Peer {
        self.subscribe_narrow_at(hub.narrow, hub, filters, query).await
    }

    async fn subscribe_narrow_at(
        &self,
        address: SocketAddr,
        hub: &Running,
        filters: &str,
        query: &str,
    ) -> Peer {
        #[cfg(feature = "webtransport")]
        if self.is_session() {
            return self.session(hub, filters, query, "", quic::narrow()).await;
        }
        self.send(Raw::connect_narrow(address).await, filters, query, "").await
    }

    async fn send(&self, mut raw: Raw, filters: &str, query: &str, lines: &str) -> Peer {
        let mut request = self.request(filters, query);
        if host_in(lines).is_some() {
            request = request.replacen("Host: hub\r\n", "", 1);
        }
        raw.send(request.replacen("\r\n", &format!("\r\n{lines}"), 1)).await;
        Peer::Http(raw)
    }

    #[cfg(feature = "webtransport")]
    async fn session(
        &self,
        hub: &Running,
        filters: &str,
        query: &str,
        lines: &str,
        transport: quinn::TransportConfig,
    ) -> Peer {
        let host = host_in(lines).unwrap_or("hub");
        let name = self.transport();
        let url = format!("https://{host}/topics/{filters}?transport={name}{query}");
        let mut headers = http::HeaderMap::new();
        for (name, value) in lines.lines().filter_map(|line| line.split_once(": ")) {
            if name != "Host" {
                let name = name.parse::<http::HeaderName>().unwrap();
                headers.append(name, value.parse().unwrap());
            }
        }
        let sessions = hub.sessions.as_ref().expect("the server has sessions");
        let session = quic::open_session(sessions, &url, headers, transport).await;
        Peer::Session(Box::new(quic::Opened::new(session)))
    }
}

fn host_in(lines: &str) -> Option<&str> {
    lines.lines().find_map(|line| line.strip_prefix("Host: "))
}

impl Peer {
    /// Waits until the request is accepted. Panics if it is rejected.
    pub(crate) async fn accepted(&mut self) {
        match self {
            Self::Http(raw) => {
                let head = raw.head().await;
                assert!(matches!(head.status, 101 | 200), "{head:?}");
            }
            #[cfg(feature = "webtransport")]
            Self::Session(session) => drop(session.lines().await),
        }
    }

    /// Waits for the rejection. Returns its status and its code.
    pub(crate) async fn rejection(&mut self) -> (u16, String) {
        match self {
            Self::Http(raw) => raw.answer().await.rejection(),
            #[cfg(feature = "webtransport")]
            Self::Session(session) => session.rejection().await,
        }
    }

    /// Returns everything that is received up to `end`, including it.
    pub(crate) async fn until(&mut self, end: &[u8]) -> Vec<u8> {
        match self {
            Self::Http(raw) => raw.until(end).await,
            #[cfg(feature = "webtransport")]
            Self::Session(session) => session.lines().await.until(end).await,
        }
    }

    /// Returns the first payload, which has one byte. Without further headers, a WebSocket has no subprotocol.
    pub(crate) async fn first_payload(&mut self, shape: Shape) -> String {
        let payload = match (self, shape) {
            (Self::Http(raw), Shape::Upgrade) => raw.frame().await.1,
            (Self::Http(raw), Shape::Stream) => {
                raw.until(b"data: ").await;
                raw.take(1).await
            }
            (Self::Http(raw), Shape::Answer { .. }) => {
                raw.until(br#""data":""#).await;
                raw.take(1).await
            }
            #[cfg(feature = "webtransport")]
            (Self::Session(session), _) => {
                let lines = session.lines().await;
                lines.until(br#""data":""#).await;
                lines.take(1).await
            }
        };
        String::from_utf8(payload).unwrap()
    }

    /// Returns everything up to the end of the connection, however it ends.
    pub(crate) async fn rest(self) -> Vec<u8> {
        match self {
            Self::Http(raw) => raw.rest().await,
            #[cfg(feature = "webtransport")]
            Self::Session(session) => session.rest().await,
        }
    }
}
