//! How connections come to a lane and leave it.

use bytes::Bytes;
use mio::net::TcpStream;

use super::Lane;
use super::accept::Accepted;
use super::connection::Connection;
use super::peer::{self, Peer};
use crate::connected::Connected;
use crate::handover::HandOver;

/// How many connections one turn accepts.
const ACCEPTS: usize = 256;

impl Lane {
    /// Accepts connections, in a bounded number.
    pub(super) fn accept(&mut self) {
        for _ in 0..ACCEPTS {
            match self.acceptor.accept() {
                Ok(Accepted::Connection(socket, connected)) => drop(self.admit(socket, connected)),
                Ok(Accepted::NoRoom(socket)) => {
                    // There are too many to wait for their requests. The response may not arrive.
                    let _ = peer::write(&socket, &self.service.no_room());
                }
                Ok(Accepted::Elsewhere) => {}
                Ok(Accepted::Nothing) => return,
                Err(error) => return self.metrics.unserved.add(error),
            }
        }
        self.has_callers = true;
    }

    /// Adds a connection that another lane has handed over. Once the hub is closed, it is dropped.
    pub(super) fn admit_handed(&mut self, socket: TcpStream, connected: Connected) {
        if self.status.is_closing {
            self.acceptor.inbox.left();
        } else {
            self.admit(socket, connected);
        }
    }

    /// Adds a connection that is counted already, to be read for its first request. Returns its key, or `None` if the
    /// system refuses to watch it.
    pub(super) fn admit(&mut self, mut socket: TcpStream, connected: Connected) -> Option<usize> {
        let entry = self.peers.vacant_entry();
        let key = entry.key();
        if let Err(error) = self.epoll.watch(&mut socket, key) {
            self.metrics.unserved.add(error);
            self.acceptor.inbox.left();
            return None;
        }
        self.timers.start(key, connected.idle_timeout(self.status.settings.idle_timeout));
        let connection = Connection::new(connected.is_surplus());
        entry.insert(Peer { socket, connection, connected, is_busy: false, watches_room: false });
        Some(key)
    }

    /// Hands a connection over to hyper, with these bytes of a request.
    pub(super) fn hand_over(&mut self, key: usize, input: Bytes) {
        let Peer { socket, connected, .. } = self.remove(key);
        self.handed_over.push(HandOver { socket: socket.into(), connected, input });
    }

    /// Removes a connection. Without its handover, the socket closes when it is dropped.
    pub(super) fn remove(&mut self, key: usize) -> Peer {
        let mut peer = self.peers.remove(key);
        self.acceptor.inbox.left();
        self.epoll.forget(&mut peer.socket);
        self.timers.stop(key);
        self.fan_out.groups.leave(key);
        peer
    }
}
