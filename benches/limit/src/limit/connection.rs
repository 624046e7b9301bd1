//! A connection: its socket, and what it is to us at the moment.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};

use crate::limit::encode::Format;
use crate::limit::websocket::{self, Discard};

/// This connection is over, and only this one. Why does not matter here: nobody is told.
#[derive(Debug)]
pub(crate) struct Closed;

impl From<io::Error> for Closed {
    fn from(_: io::Error) -> Self {
        Self
    }
}

/// What a connection is to us.
#[derive(Debug)]
pub(crate) enum Role {
    /// It asks, by HTTP; `input` is what came of a request that is not complete yet.
    Asking { input: Vec<u8> },
    /// It waits for the answer to a long-poll, which may be its last.
    Parked { last: bool },
    /// It reads an SSE stream.
    EventStream,
    /// It reads frames, bare or in envelopes.
    WebSocket { envelope: bool, frames: Discard },
}

impl Role {
    /// A connection between two requests.
    pub(crate) fn asking() -> Self {
        Self::Asking { input: Vec::new() }
    }
}

/// One client or publisher.
#[derive(Debug)]
pub(crate) struct Connection {
    socket: TcpStream,
    pub(crate) role: Role,
}

impl Connection {
    pub(crate) fn new(socket: TcpStream) -> Self {
        Self { socket, role: Role::asking() }
    }

    /// The socket, for whoever sends to many at once.
    pub(crate) fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// The format it is to be sent, or `None` where it waits for nothing.
    pub(crate) fn format(&self) -> Option<Format> {
        match self.role {
            Role::Asking { .. } => None,
            Role::Parked { .. } => Some(Format::Poll),
            Role::EventStream => Some(Format::EventStream),
            Role::WebSocket { envelope: true, .. } => Some(Format::Envelope),
            Role::WebSocket { envelope: false, .. } => Some(Format::Bare),
        }
    }

    /// Sends a wave in this connection's format. An answered long-poll asks again.
    pub(crate) fn deliver(&mut self, bytes: &[u8]) -> Result<(), Closed> {
        self.send(bytes)?;
        self.delivered()
    }

    /// Goes on behind a wave that has been sent whole.
    pub(crate) fn delivered(&mut self) -> Result<(), Closed> {
        match self.role {
            Role::Parked { last: true } => return Err(Closed),
            Role::Parked { last: false } => self.role = Role::asking(),
            _ => {}
        }
        Ok(())
    }

    /// Writes all of `bytes` or gives the connection up: to remember what a full socket refused would be the first
    /// feature.
    pub(crate) fn send(&self, bytes: &[u8]) -> Result<(), Closed> {
        if (&self.socket).write(bytes)? == bytes.len() { Ok(()) } else { Err(Closed) }
    }

    /// Reads what one call gives. The epoll is level-triggered, so what is left is told again in the next pass, and
    /// one busy publisher cannot hold up the pass.
    pub(crate) fn receive<'b>(&self, buffer: &'b mut [u8]) -> Result<&'b [u8], Closed> {
        match (&self.socket).read(buffer) {
            Ok(0) => Err(Closed),
            Ok(length) => Ok(&buffer[..length]),
            Err(error)
                if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) =>
            {
                Ok(&[])
            }
            Err(_) => Err(Closed),
        }
    }

    /// Takes in what the peer said. A peer that asks is listened to; one that reads a stream has nothing to say but
    /// that it ends.
    pub(crate) fn hear(&mut self, bytes: &[u8]) -> Result<(), Closed> {
        match &mut self.role {
            Role::Asking { input } => input.extend_from_slice(bytes),
            // Requests pipelined behind a held poll would have to be kept until it is answered.
            Role::Parked { .. } if !bytes.is_empty() => return Err(Closed),
            Role::Parked { .. } | Role::EventStream => {}
            Role::WebSocket { frames, .. } => {
                if frames.discard(bytes).is_break() {
                    self.send(&websocket::CLOSE)?;
                    return Err(Closed);
                }
            }
        }
        Ok(())
    }
}
