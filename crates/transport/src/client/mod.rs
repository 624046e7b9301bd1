//! The contract of the client half: connect, and get a stream of what arrives.
//!
//! ```text
//! client.connect(target) ─► Arrivals: Notification | Gap | Heartbeat | Reply | Goodbye
//! follow(client, target, backoff) ─► the same over many connections, each from the last position
//! Publisher::publish(kind, payload) ─► Id
//! Publisher::publish_many(lines) ─► PublishedMany
//! ```
//!
//! Each transport crate has one [`Client`]. It opens one connection from one position, and returns what arrives. It
//! does not reconnect. [`follow`] does that for all transports. [`Publisher`] publishes, which is the same for all
//! transports.
//!
//! The clients of the transports are built on [`Http`] and [`connect`].
//!
//! # HTTP versions
//!
//! SSE, long-polling and [`Publisher`] speak HTTP/2 or HTTP/1.1: see [`Http`]. WebSocket speaks only HTTP/1.1, because
//! each subscription has its own connection, so HTTP/2 would save none, and few proxies pass on a WebSocket over HTTP/2.
//! WebTransport speaks HTTP/3.

mod certificate;
#[cfg(feature = "tls")]
mod certificate_check;
mod error;
mod follow;
mod frame;
mod goodbye;
mod http;
mod notice;
mod options;
#[cfg(feature = "tls")]
mod pinned;
mod position;
mod publish;
mod publish_many;
#[cfg(test)]
mod scripted;
mod silence;
mod socket;
#[cfg(feature = "tls")]
mod tls;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use tidings_core::{Gap, Headers, Id, Kind, Position};
use url::Url;

use crate::Message;

pub use certificate::CertificateProblem;
#[cfg(feature = "tls")]
pub use certificate_check::CertificateCheck;
pub use error::{ClientError, retry_after};
pub use follow::{Backoff, Followed, follow};
pub use frame::Frame;
pub use goodbye::Goodbye;
pub use http::{Body, Http, SendError, Upgraded, request};
pub use notice::{Notice, NoticeContent};
pub use options::{ConnectOptions, TimeLimits, shown};
pub use position::{last_event_id, url_after, url_with_wait};
pub use publish::Publisher;
pub use publish_many::PublishedMany;
pub use silence::Silence;
pub use socket::{Stream, connect, first_that_answers};
#[cfg(feature = "tls")]
pub use tls::{Tls, handshake_error};

/// The client half of one transport.
pub trait Client: fmt::Debug + Send + Sync + 'static {
    /// Returns the name of the transport, which is the same as that of its server half.
    fn transport(&self) -> &'static str;

    /// Connects. The future resolves when the server has accepted the subscription, so every later notification
    /// arrives. Dropping the stream disconnects.
    ///
    /// # Errors
    /// Fails if the server cannot be reached, rejects the request, or sends a malformed response. Both the future and
    /// the stream fail with [`ClientError::TimedOut`] if the server is silent for too long.
    fn connect(&self, target: Target) -> BoxFuture<'static, Result<Arrivals, ClientError>>;

    /// Waits until the end of each connection of this client that was dropped is sent, for at most one second. A program
    /// that exits right after it has disconnected should await this. By default it is ready at once, because the system
    /// sends the end of a TCP connection.
    fn closed(&self) -> BoxFuture<'static, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// The arrivals on one connection. The stream ends when the connection does.
pub type Arrivals = BoxStream<'static, Result<Arrival, ClientError>>;

/// The address to connect to, the position to read from, and options.
#[derive(Clone)]
#[non_exhaustive]
pub struct Target {
    /// The URL of the topics, such as `http://127.0.0.1:8080/topics/orders.*`. The scheme is `http` or `https` for all
    /// transports.
    pub url: Url,
    /// The position to read from.
    pub position: Position,
    /// Headers, time limits and certificates.
    pub options: Arc<ConnectOptions>,
}

impl Target {
    /// Creates a target with this URL, the position [`Position::Live`], and default options.
    pub fn new(url: Url) -> Self {
        Self { url, position: Position::Live, options: Arc::default() }
    }

    fn is_tls(&self) -> bool {
        matches!(self.url.scheme(), "https" | "wss")
    }

    /// Changes the position to read from.
    pub fn position(self, position: Position) -> Self {
        Self { position, ..self }
    }

    /// Changes headers, time limits and certificates.
    pub fn options(self, options: impl Into<Arc<ConnectOptions>>) -> Self {
        Self { options: options.into(), ..self }
    }
}

impl fmt::Debug for Target {
    /// Writes the address without its secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target")
            .field("url", &shown(&self.url))
            .field("position", &self.position)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// An item that arrived from a server.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Arrival {
    /// A notification.
    Notification(Received),
    /// Some notifications were missed and are no longer available.
    Gap(Gap),
    /// The server is alive. The position is that up to which the server has examined its log for this client. `None`
    /// from a transport that does not send it.
    Heartbeat(Option<Id>),
    /// The reply to a message that this client has sent. Over a WebSocket without a subprotocol, a reply arrives as a
    /// notification.
    Reply(Message),
    /// The server disconnects the client. This is the last item of the stream.
    Goodbye(Goodbye),
}

/// A notification that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Received {
    /// The id. `None` from a transport that does not send it.
    pub id: Option<Id>,
    /// The topic. `None` from a transport that does not send it.
    pub topic: Option<String>,
    /// Text or binary.
    pub kind: Kind,
    /// The payload, byte for byte as it was published.
    pub payload: Bytes,
    /// The headers. `None` if none is set, and from a transport that does not send them.
    pub headers: Option<Headers>,
}

impl Received {
    /// Creates a notification with this kind and payload. The other fields are `None` and can be set.
    pub fn new(kind: Kind, payload: impl Into<Bytes>) -> Self {
        Self { id: None, topic: None, kind, payload: payload.into(), headers: None }
    }
}
