//! A connection on its way between a lane and the general path.

use std::net::TcpStream;

use bytes::Bytes;

use crate::connection_limit::ConnectionPermit;

/// Why a lane returns to its worker.
pub(crate) enum Turn {
    /// These connections are for the general path.
    HandOver(Vec<HandOver>),
    /// The hub is closed, and the last connection has ended.
    Ended,
}

/// A connection that a lane hands over to the general path, or the other way round.
pub(crate) struct HandOver {
    pub(crate) socket: TcpStream,
    pub(crate) permit: ConnectionPermit,
    /// Bytes that were read from it and not used.
    pub(crate) input: Bytes,
}
