//! What a lane must do for a connection next.

use std::io;

use bytes::Bytes;
use tidings_core::{Event, Id};
use tidings_transport::Message;

use crate::request::Whole;

/// What a lane must do for a connection next. The lane reports the outcome to the connection, which returns the next
/// one.
#[derive(Debug)]
#[must_use]
pub(super) enum Next {
    /// Wait for an event of the socket, the timer or the log.
    Idle,
    /// Write the unsent bytes.
    Write,
    /// Respond to this request.
    Respond(Box<Whole>),
    /// Handle a client's message.
    Handle(Message),
    /// Read the entries after the client's cursor.
    CatchUp,
    /// Encode this event for a client at this position. No event is the end of a poll's hold.
    Encode(Option<Event>, Id),
    /// Send the head of a poll's answer before its body is known.
    OpenAnswer,
    /// Free the client's seat.
    Release,
    /// Check the connection after each pass, until the lane has reached the position of its client.
    AwaitPass,
    /// Serve other connections first, and then this one again.
    Yield,
    /// Hand the connection over to the general path, with the bytes of a request that were read.
    HandOver(Bytes),
    /// Close this side of the connection.
    Close,
    /// End a connection whose peer read nothing for the write deadline.
    CutOff,
    /// End the connection.
    Remove,
}

impl Next {
    /// What follows an error of the socket. If the system has ended the connection for its timeout, the client is cut
    /// off as by the write deadline: see [`prepare`](crate::listener::prepare).
    pub(super) fn after(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::TimedOut => Self::CutOff,
            _ => Self::Remove,
        }
    }
}
