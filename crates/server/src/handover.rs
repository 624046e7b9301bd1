//! A connection on its way between a lane and the general path.

use std::net::TcpStream;

use bytes::Bytes;

use crate::connection_limit::ConnectionPermit;

/// A connection that a lane hands over to the general path, or the other way round.
pub(crate) struct HandOver {
    pub(crate) socket: TcpStream,
    pub(crate) permit: ConnectionPermit,
    /// Bytes that were read from it and not used.
    pub(crate) input: Bytes,
}
