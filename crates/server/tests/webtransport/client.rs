//! A client that opens sessions and streams as a page does.

use http::HeaderValue;
use http::header::ORIGIN;
use quinn::TransportConfig;
use serde_json::Value;
use tidings_core::{Hub, HubConfig};
use tidings_server::Config;
use tokio::time::timeout;
use web_transport_quinn::{RecvStream, Session};

pub(super) use crate::support::closed;
use crate::support::{Mover, PATIENCE, Running, Sessions, open_session};

/// Starts a server with sessions.
pub(super) async fn start(hub: HubConfig, change: impl FnOnce(&mut Config)) -> Running {
    let mut config = Mover::SESSION.config_of(Hub::new(hub));
    change(&mut config);
    Running::start(config).await
}

pub(super) fn sessions(hub: &Running) -> &Sessions {
    hub.sessions.as_ref().expect("the server has sessions")
}

/// Opens a session with this path and query.
pub(super) async fn open(hub: &Running, path: &str) -> Session {
    open_from(hub, path, None).await
}

/// Opens a session as a page of this origin does.
pub(super) async fn open_from(hub: &Running, path: &str, origin: Option<&str>) -> Session {
    let sessions = sessions(hub);
    let url = format!("https://localhost:{}{path}", sessions.address.port());
    open_at(sessions, &url, origin, TransportConfig::default()).await
}

pub(super) async fn open_at(
    sessions: &Sessions,
    url: &str,
    origin: Option<&str>,
    transport: TransportConfig,
) -> Session {
    let origin = origin.map(|origin| (ORIGIN, HeaderValue::from_str(origin).unwrap()));
    open_session(sessions, url, origin.into_iter().collect(), transport).await
}

/// The lines of the server's stream.
pub(super) struct Lines {
    stream: RecvStream,
    read: Vec<u8>,
}

impl Lines {
    pub(super) async fn of(session: &Session) -> Self {
        let stream = timeout(PATIENCE, session.accept_uni()).await.expect("a stream").unwrap();
        Self { stream, read: Vec::new() }
    }

    /// The next line. Panics at the end of the stream.
    pub(super) async fn next(&mut self) -> Value {
        loop {
            if let Some(end) = self.read.iter().position(|&byte| byte == b'\n') {
                let rest = self.read.split_off(end + 1);
                let line = std::mem::replace(&mut self.read, rest);
                return serde_json::from_slice(&line).unwrap();
            }
            let chunk = timeout(PATIENCE, self.stream.read_chunk(65536, true)).await;
            let chunk = chunk.expect("the server sends something").unwrap();
            self.read.extend_from_slice(&chunk.expect("a line, and not the end").bytes);
        }
    }

    /// The next line that is not a heartbeat.
    pub(super) async fn news(&mut self) -> Value {
        loop {
            let line = self.next().await;
            if line.get("ping").is_none() {
                return line;
            }
        }
    }
}

/// Sends a message on a new stream.
pub(super) async fn send(session: &Session, message: &[u8]) {
    let mut stream = session.open_uni().await.unwrap();
    stream.write_all(message).await.unwrap();
    stream.finish().unwrap();
}
