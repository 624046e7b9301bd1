//! The client half's contract: connect, and what arrives as a stream.
//!
//! ```text
//! client.connect(target) ─► Arrivals: Notification | Gap | Heartbeat | Reply | Goodbye
//! follow(client, target, backoff) ─► the same for ever, reconnecting with its position
//! Publisher::publish(kind, payload) ─► Id
//! Publisher::publish_many(lines) ─► PublishedMany
//! ```
//!
//! Each transport crate has one [`Client`]. It opens one connection from one position and returns what
//! arrives. It never reconnects by itself: [`follow`] does that for all of them. [`Publisher`] publishes, which
//! is the same for every transport.
//!
//! The transports' clients are built on [`Http`] and [`connect`].

mod error;
mod follow;
mod goodbye;
mod http;
mod line;
mod notice;
mod options;
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

pub use error::{ClientError, retry_after};
pub use follow::{Backoff, Followed, follow};
pub use goodbye::Goodbye;
pub use http::{Body, Http, SendError, Upgraded, request};
pub use notice::{Notice, NoticeContent};
pub use options::{ConnectOptions, TimeLimits, shown};
pub use position::{last_event_id, url_after, url_with_wait};
pub use publish::Publisher;
pub use publish_many::PublishedMany;
pub use silence::Silence;
pub use socket::{Stream, connect};
#[cfg(feature = "tls")]
pub use tls::Tls;

/// The client half of one transport.
pub trait Client: fmt::Debug + Send + Sync + 'static {
    /// The name of the transport, as the server half has it.
    fn transport(&self) -> &'static str;

    /// Connects; resolves once the subscription stands, so that whatever is published from then on
    /// arrives. Dropping the stream disconnects.
    ///
    /// Both the future and the stream bound each wait for the server, and fail with
    /// [`ClientError::TimedOut`] if it is silent for too long.
    fn connect(&self, target: Target) -> BoxFuture<'static, Result<Arrivals, ClientError>>;
}

/// What arrives on one connection; the end of the stream is the end of the connection.
pub type Arrivals = BoxStream<'static, Result<Arrival, ClientError>>;

/// Where to connect, how, and from which position.
#[derive(Clone)]
#[non_exhaustive]
pub struct Target {
    /// The resource, such as `http://127.0.0.1:8080/topics/orders.*`; `http` or `https` for every transport.
    pub url: Url,
    /// From where to read.
    pub position: Position,
    /// Headers, time limits and certificates.
    pub options: Arc<ConnectOptions>,
}

impl Target {
    /// Reads from now on at this address, with default options.
    pub fn new(url: Url) -> Self {
        Self { url, position: Position::Live, options: Arc::default() }
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

/// One thing that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Arrival {
    /// A notification.
    Notification(Received),
    /// Some can no longer be had.
    Gap(Gap),
    /// The hub is still there. The position is how far it has looked, where the transport tells it.
    Heartbeat(Option<Id>),
    /// The reply to a message that this client has sent. Over a WebSocket without a subprotocol, a reply arrives as a
    /// notification.
    Reply(Message),
    /// The hub says goodbye; the stream ends behind it.
    Goodbye(Goodbye),
}

/// A notification as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Received {
    /// Its id, where the wire carries it.
    pub id: Option<Id>,
    /// Its topic, where the wire carries it.
    pub topic: Option<String>,
    /// Text or binary.
    pub kind: Kind,
    /// The payload, byte for byte as it was published.
    pub payload: Bytes,
    /// The headers. `None` if none is set, or if the wire does not carry them.
    pub headers: Option<Headers>,
}

impl Received {
    /// Returns a notification of which the wire carries no more than this. The other fields can be set.
    pub fn new(kind: Kind, payload: impl Into<Bytes>) -> Self {
        Self { id: None, topic: None, kind, payload: payload.into(), headers: None }
    }
}
