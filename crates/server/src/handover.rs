//! A connection that is handed over between a lane and the general path.

use bytes::Bytes;
use socket2::Socket;

use crate::connection_limit::ConnectionPermit;
use crate::listener::ListenerRef;
use crate::tls::Session;

/// Why a lane returns to its worker.
pub(crate) enum Turn {
    /// The general path must serve these connections.
    HandOver(Vec<HandOver>),
    /// The hub is closed, and the last connection has ended.
    Ended,
}

/// An accepted connection, which is counted by its permit.
pub(crate) struct Admitted {
    /// A stream socket of TCP, or a Unix socket if `listener` is one.
    pub(crate) socket: Socket,
    pub(crate) tls: Option<Session>,
    pub(crate) listener: ListenerRef,
    pub(crate) permit: ConnectionPermit,
}

/// A connection that a lane hands over to the general path, or that is handed over to a lane.
pub(crate) struct HandOver {
    pub(crate) connection: Admitted,
    /// Bytes that were read from it and not used.
    pub(crate) input: Bytes,
}
