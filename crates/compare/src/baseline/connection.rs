//! A connection: its socket and its current role.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;

use rustls::server::UnbufferedServerConnection;

use crate::baseline::encode::Format;
use crate::tls::Session;

/// The most bytes of one read.
const READ: usize = 64 * 1024;

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
    pub(crate) fn requesting() -> Self {
        Self::Requesting { input: Vec::new() }
    }
}

/// One client or publisher.
#[derive(Debug)]
pub(crate) struct Connection {
    socket: TcpStream,
    pub(crate) role: Role,
    tls: Option<Box<Session<UnbufferedServerConnection>>>,
}

/// The buffers that all connections share.
#[derive(Debug)]
pub(crate) struct Buffers {
    read: Box<[u8]>,
    /// The content of the records that were read.
    opened: Vec<u8>,
    /// The records to send.
    records: Vec<u8>,
}

impl Default for Buffers {
    fn default() -> Self {
        Self { read: vec![0; READ].into(), opened: Vec::new(), records: Vec::new() }
    }
}

impl Connection {
    pub(crate) fn new(
        socket: TcpStream,
        session: Option<Session<UnbufferedServerConnection>>,
    ) -> Self {
        Self { socket, role: Role::requesting(), tls: session.map(Box::new) }
    }

    /// The format that the client receives, or `None` if it does not wait for notifications.
    pub(crate) fn format(&self) -> Option<Format> {
        match self.role {
            Role::Requesting { .. } => None,
            Role::Polling => Some(Format::Poll),
            Role::EventStream => Some(Format::EventStream),
            Role::WebSocket => Some(Format::WebSocket),
        }
    }

    /// Sends a wave in the format of this connection. After the response to a long-poll it sends requests again.
    pub(crate) fn deliver(&mut self, bytes: &[u8], buffers: &mut Buffers) -> io::Result<()> {
        self.send(bytes, buffers)?;
        if matches!(self.role, Role::Polling) {
            self.role = Role::requesting();
        }
        Ok(())
    }

    /// Writes all of `bytes`. Fails if the socket is full, which closes the connection. Keeping the rest would be a
    /// feature, and the baseline has none.
    pub(crate) fn send(&mut self, bytes: &[u8], buffers: &mut Buffers) -> io::Result<()> {
        let Some(session) = &mut self.tls else { return self.write(bytes) };
        buffers.records.clear();
        match session.seal(bytes, &mut buffers.records)? {
            true => self.write(&buffers.records),
            false => Err(ErrorKind::NotConnected.into()),
        }
    }

    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let is_all = (&self.socket).write(bytes)? == bytes.len();
        if is_all { Ok(()) } else { Err(ErrorKind::WriteZero.into()) }
    }

    /// Reads once. The epoll is level-triggered, so unread bytes are reported again in the next pass. A busy publisher
    /// cannot delay the pass. With TLS, opens the records and continues the handshake.
    pub(crate) fn receive<'b>(&mut self, buffers: &'b mut Buffers) -> io::Result<&'b [u8]> {
        let Buffers { read, opened, records } = buffers;
        let received = match (&self.socket).read(read) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(length) => &mut read[..length],
            // The key was stale.
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(&[]),
            Err(error) => return Err(error),
        };
        let Some(session) = &mut self.tls else { return Ok(received) };
        opened.clear();
        records.clear();
        session.open(received, opened, records)?;
        if !records.is_empty() {
            self.write(records)?;
        }
        Ok(opened)
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
