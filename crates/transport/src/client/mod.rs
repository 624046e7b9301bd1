//! The client half's contract: connect, and what arrives as a stream.
//!
//! Each transport crate has one [`Client`]. It opens one connection, from one position, and says what
//! arrived; it never reconnects by itself. [`follow`] does that, for all of them alike.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use http::StatusCode;
use thiserror::Error;
use tidings_core::{Gap, Id, Kind, Position};
use url::Url;

/// The client half of one transport.
pub trait Client: fmt::Debug + Send + Sync + 'static {
    /// The name of the transport, as the server half has it.
    fn transport(&self) -> &'static str;

    /// Connects; resolves once the subscription stands, so that whatever is published from then on
    /// arrives. Dropping the stream disconnects.
    fn connect(&self, target: Target) -> BoxFuture<'static, Result<Arrivals, ClientError>>;
}

/// What arrives on one connection; the end of the stream is the end of the connection.
pub type Arrivals = BoxStream<'static, Result<Arrival, ClientError>>;

/// Where to connect, and from which position.
#[derive(Clone, Debug)]
pub struct Target {
    /// The resource, such as `http://127.0.0.1:8080/topics/orders.*`; `http` for every transport.
    pub url: Url,
    /// From where to read.
    pub position: Position,
    /// Counts what this client costs on the wire.
    pub meter: Arc<Meter>,
    /// The local address to connect from; `None` leaves it to the system. A load of many thousand
    /// connections from one machine needs several.
    pub local: Option<IpAddr>,
}

/// One thing that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// A notification.
    Notification(Received),
    /// Some can no longer be had.
    Gap(Gap),
    /// The hub is still there. The position is how far it has looked, where the transport tells it.
    Heartbeat(Option<Id>),
    /// The hub says goodbye; the stream ends behind it.
    Goodbye(Goodbye),
}

/// A notification as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// Its id, where the wire carries it.
    pub id: Option<Id>,
    /// Its topic, where the wire carries it.
    pub topic: Option<String>,
    /// Text or binary.
    pub kind: Kind,
    /// The payload, byte for byte as it was published.
    pub payload: Bytes,
}

/// How the hub ended the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Goodbye {
    /// The WebSocket close code, where there is one.
    pub code: Option<u16>,
    /// The hub's words.
    pub reason: String,
}

/// What a client costs on the wire, counted at the socket.
#[derive(Debug, Default)]
pub struct Meter {
    /// Bytes received.
    pub received: std::sync::atomic::AtomicU64,
    /// Bytes sent.
    pub sent: std::sync::atomic::AtomicU64,
    /// Requests made, a handshake included.
    pub requests: std::sync::atomic::AtomicU64,
}

/// Why a connection could not be made, or broke.
#[derive(Debug, Error)]
pub enum ClientError {
    /// The address is not one to connect to.
    #[error("{url}: {problem}")]
    BadUrl {
        /// What was given.
        url: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// No connection.
    #[error("no connection to {address}")]
    Connect {
        /// Host and port.
        address: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The hub answered, and refused.
    #[error("the hub answered {status}: {message}")]
    Refused {
        /// The status.
        status: StatusCode,
        /// The hub's own words, or the body.
        message: String,
        /// After how long to try again, where the hub says so.
        retry_after: Option<Duration>,
    },
    /// What arrived is not what the transport's standard says.
    #[error("the hub sent what is no {transport}: {problem}")]
    Protocol {
        /// The transport.
        transport: &'static str,
        /// What was wrong.
        problem: String,
    },
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(String),
}
