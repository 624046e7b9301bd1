//! A request to subscribe that was accepted.

use tidings_core::{Interest, Position, Seat, Topic};
use tidings_transport::Accepted;

/// An accepted subscriber, before it is served.
pub(crate) struct Subscriber {
    pub(crate) accepted: Accepted,
    pub(crate) seat: Seat,
    pub(crate) interest: Interest,
    pub(crate) position: Position,
    /// Where its messages are published; `None` if it may send none.
    pub(crate) publishes_to: Option<Topic>,
    /// Whether the connection ends with the answer, because the client asked for that or uses HTTP/1.0.
    pub(crate) is_last: bool,
}
