//! What a connection returns: what its lane does for it next.

use std::io;

use bytes::Bytes;
use tidings_core::{Event, Id};
use tidings_transport::Message;

use crate::request::Whole;

/// What a lane does next for a connection. Only the lane does it. It reports the outcome to the connection, which
/// returns what comes after that.
#[derive(Debug)]
#[must_use]
pub(super) enum Next {
    /// Wait for news of the socket, the timer or the log.
    Idle,
    /// Write the unsent bytes.
    Write,
    /// Answer this request.
    Answer(Box<Whole>),
    /// Handle a client's message.
    Handle(Message),
    /// Read what follows the client's own cursor.
    CatchUp,
    /// Encode this event for a client at this position. `None` is the end of a poll's hold.
    Encode(Option<Event>, Id),
    /// Send the head of a poll's answer, before the answer is known.
    OpenAnswer,
    /// Give the client's seat back.
    Release,
    /// Look at the connection again after each pass, until the lane has come to where its client is.
    AwaitPass,
    /// Serve the others first, and then this connection again.
    Yield,
    /// Hand the connection over to the general path, with these bytes of a request.
    HandOver(Bytes),
    /// Close this side of the connection.
    Close,
    /// End a connection whose peer took nothing for the write deadline.
    CutOff,
    /// End the connection.
    Remove,
}

impl Next {
    /// What follows a failure of the socket. If the system gave up on the peer, that is the write deadline as well: see
    /// [`prepare`](crate::listener::prepare).
    pub(super) fn after(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::TimedOut => Self::CutOff,
            _ => Self::Remove,
        }
    }
}
