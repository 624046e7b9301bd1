//! A socket of a lane with its connection.

use rustix::io::Errno;
use rustix::net::{RecvFlags, recv, send};
use socket2::Socket;

use super::connection::Connection;
use super::sender::FLAGS;
use crate::connection_limit::ConnectionPermit;
use crate::listener::ListenerRef;
use crate::tls::Session;

/// A socket with its connection.
pub(super) struct Peer {
    pub(super) socket: Socket,
    pub(super) tls: Option<Session>,
    pub(super) listener: ListenerRef,
    pub(super) connection: Connection,
    pub(super) permit: ConnectionPermit,
    /// Whether its key is in `Lane::busy`.
    pub(super) is_busy: bool,
    /// Whether epoll watches it for writability, because it was full once.
    pub(super) watches_room: bool,
}

impl Peer {
    /// Whether the connection is not read now, and the end of its stream would not be found by a peek: while a message
    /// of the client is handled, or because a `close_notify` comes before it.
    pub(super) fn is_end_unread(&self) -> bool {
        self.connection.is_handling() || (self.tls.is_some() && self.connection.is_paused())
    }
}

/// Reads once, or peeks. The number of bytes is 0 at the end of the stream, and `None` if the socket is empty.
///
/// # Errors
/// Fails if the connection is broken.
pub(super) fn receive(
    socket: &Socket,
    buffer: &mut [u8],
    peeks: bool,
) -> Result<Option<usize>, Errno> {
    let flags = if peeks { RecvFlags::PEEK } else { RecvFlags::empty() };
    loop {
        match recv(socket, &mut *buffer, flags) {
            Ok((count, _)) => return Ok(Some(count)),
            Err(Errno::AGAIN) => return Ok(None),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Writes until everything is written or the socket is full. Returns the number of bytes that were written.
///
/// # Errors
/// Fails if the connection is broken.
pub(super) fn write(socket: &Socket, bytes: &[u8]) -> Result<usize, Errno> {
    let mut written = 0;
    while written < bytes.len() {
        match send(socket, &bytes[written..], FLAGS) {
            Ok(count) => written += count,
            Err(Errno::AGAIN) => break,
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Most clients of a server are quiet, and each costs this, a timer and a membership in a group. What only some
    /// connections have should be boxed.
    #[test]
    fn a_peer_is_small() {
        assert!(size_of::<Peer>() <= 216, "{}", size_of::<Peer>());
    }
}
