//! A client that has been accepted, and stays.

use std::net::TcpStream;

use bytes::Bytes;
use tidings_core::{Interest, Position, Seat, Topic};
use tidings_transport::Accepted;

use crate::connected::Connected;

/// A client that has been accepted, with the connection that was taken over from hyper.
pub(crate) struct Newcomer {
    pub(crate) socket: TcpStream,
    pub(crate) connected: Connected,
    /// What came after the request.
    pub(crate) early: Bytes,
    pub(crate) visitor: Box<Visitor>,
}

/// A client that has been accepted, before it is served.
pub(crate) struct Visitor {
    pub(crate) accepted: Accepted,
    pub(crate) seat: Seat,
    pub(crate) interest: Interest,
    pub(crate) position: Position,
    /// Where its messages are published; `None` if it may send none.
    pub(crate) publishes_to: Option<Topic>,
    /// Whether the connection ends with the answer, as the client asked or its HTTP/1.0 has it.
    pub(crate) is_last: bool,
}
