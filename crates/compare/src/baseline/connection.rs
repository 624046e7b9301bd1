//! A connection: its socket and its current role.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;

use crate::baseline::encode::Format;

/// The role of a connection.
#[derive(Debug)]
pub(crate) enum Role {
    /// It sends requests; `input` is the part of one that is not complete.
    Requesting { input: Vec<u8> },
    /// It waits for the response to a long-poll.
    Polling,
    /// It reads an SSE stream.
    EventStream,
    /// It reads frames.
    WebSocket,
}

impl Role {
    /// Returns the role between two requests.
    pub(crate) fn requesting() -> Self {
        Self::Requesting { input: Vec::new() }
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
        Self { socket, role: Role::requesting() }
    }

    /// Returns the format that the client receives, or `None` if it does not wait for notifications.
    pub(crate) fn format(&self) -> Option<Format> {
        match self.role {
            Role::Requesting { .. } => None,
            Role::Polling => Some(Format::Poll),
            Role::EventStream => Some(Format::EventStream),
            Role::WebSocket => Some(Format::WebSocket),
        }
    }

    /// Sends a wave in the format of this connection. After the response to a long-poll it sends requests again.
    pub(crate) fn deliver(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.send(bytes)?;
        if matches!(self.role, Role::Polling) {
            self.role = Role::requesting();
        }
        Ok(())
    }

    /// Writes all of `bytes`, or closes the connection if the socket is full. Keeping the rest would be a feature, and
    /// the baseline has none.
    pub(crate) fn send(&self, bytes: &[u8]) -> io::Result<()> {
        let is_all = (&self.socket).write(bytes)? == bytes.len();
        if is_all { Ok(()) } else { Err(ErrorKind::WriteZero.into()) }
    }

    /// Reads once. The epoll is level-triggered, so unread bytes are reported again in the next pass. A busy publisher
    /// cannot delay the pass.
    pub(crate) fn receive<'b>(&self, buffer: &'b mut [u8]) -> io::Result<&'b [u8]> {
        match (&self.socket).read(buffer) {
            Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
            Ok(length) => Ok(&buffer[..length]),
            // The key was stale.
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(&[]),
            Err(error) => Err(error),
        }
    }

    /// Accepts received bytes. Those of a client that reads a stream are ignored, because the load sends nothing then,
    /// not even a close frame.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.role {
            Role::Requesting { input } => input.extend_from_slice(bytes),
            // Requests that are pipelined after a held poll would have to be kept until it is answered.
            Role::Polling if !bytes.is_empty() => return Err(ErrorKind::Unsupported.into()),
            Role::Polling | Role::EventStream | Role::WebSocket => {}
        }
        Ok(())
    }
}
