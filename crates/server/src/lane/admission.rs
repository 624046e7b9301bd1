//! Adds connections to a lane and removes them.

use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use tidings_core::Reason;

use super::Lane;
use super::accept::Accepted;
use super::balancer::Incoming;
use super::connection::Connection;
use super::drain::Drain;
use super::peer::{self, Peer};
use super::subscription::Head;
use crate::handover::{Admitted, HandOver};
use tidings_transport::ListenerKind;
use tidings_transport::mount::Subscriber;

/// The most connections that one call of `accept` accepts.
const ACCEPTS: usize = 256;

impl Lane {
    /// Accepts at most [`ACCEPTS`] connections.
    pub(super) fn accept(&mut self) {
        for _ in 0..ACCEPTS {
            match self.acceptor.accept() {
                Ok(Accepted::Connection(connection)) => drop(self.admit(connection)),
                // A client cannot be sent anything before the TLS handshake.
                Ok(Accepted::NoRoom(_, ListenerKind::Tls)) => {}
                Ok(Accepted::NoRoom(socket, _)) => {
                    // There are too many connections to wait for the request of this one. The response may be lost.
                    let _ = peer::write(&socket, &self.service.no_room());
                }
                Ok(Accepted::Elsewhere) => {}
                Ok(Accepted::Nothing) => return,
                Err(error) => return self.metrics.unserved.add(error),
            }
        }
        self.may_have_connections = true;
    }

    /// Adds a connection from this lane's inbox. Drops a connection without a client if the hub is closed.
    pub(super) fn admit_incoming(&mut self, incoming: Incoming) {
        match incoming {
            Incoming::Accepted(_) if self.status.is_closing => self.acceptor.inbox.left(),
            Incoming::Accepted(connection) => drop(self.admit(connection)),
            Incoming::Upgraded(connection, subscriber) => {
                self.go_on(connection, Some((subscriber, Head::Sent)), false);
            }
        }
    }

    /// Adds a connection that the inbox has counted. Returns its key, or `None` if epoll cannot watch its socket.
    fn admit(&mut self, connection: Admitted) -> Option<usize> {
        let Admitted { socket, tls, listener, permit } = connection;
        let entry = self.peers.vacant_entry();
        let key = entry.key();
        if let Err(error) = self.epoll.watch(&socket, key) {
            self.metrics.unserved.add(error);
            self.acceptor.inbox.left();
            return None;
        }
        let settings = &self.status.settings;
        let patience = match &tls {
            Some(session) if session.is_handshaking() => settings.head_deadline,
            _ => permit.idle_timeout(settings.idle_timeout),
        };
        self.timers.start(key, patience);
        let connection = Connection::new(permit.is_surplus());
        let (is_busy, watches_room) = (false, false);
        entry.insert(Peer { socket, tls, listener, connection, permit, is_busy, watches_room });
        Some(key)
    }

    /// Takes over a connection from the general path, for its next request or for this subscriber.
    pub(super) fn take_over(
        &mut self,
        connection: HandOver,
        subscriber: Option<Box<Subscriber>>,
        is_last: bool,
    ) {
        // Once the hub is closed, no further request is read.
        if self.status.is_closing && subscriber.is_none() {
            return;
        }
        self.set_now();
        self.acceptor.inbox.joined();
        self.go_on(connection, subscriber.map(|subscriber| (subscriber, Head::Unsent)), is_last);
        self.waker.iter().for_each(Waker::wake_by_ref);
    }

    /// Adds a connection that was served elsewhere before and that the inbox has counted. Serves this subscriber on it,
    /// or its next request if there is no subscriber.
    fn go_on(
        &mut self,
        connection: HandOver,
        subscriber: Option<(Box<Subscriber>, Head)>,
        is_last: bool,
    ) {
        let HandOver { connection, input } = connection;
        let Some(key) = self.admit(connection) else { return };
        self.peers[key].connection.on_taken_over(input, is_last);
        let next = match subscriber {
            Some((subscriber, head)) => self.subscribe(key, subscriber, head),
            None => self.peers[key].connection.advance(&self.status),
        };
        self.apply(key, next);
        // The drain has begun without this connection, so its client is sent the goodbye now.
        if let Some(Drain { reason, .. }) = self.drain {
            self.goodbye(key, reason);
        }
    }

    /// Hands a connection over to the general path, with the bytes of a request that were read.
    pub(super) fn hand_over(&mut self, key: usize, input: Bytes) {
        let Peer { socket, tls, listener, permit, .. } = self.remove(key);
        let connection = Admitted { socket, tls, listener, permit };
        self.handed_over.push(HandOver { connection, input });
    }

    /// Removes a connection. Dropping it closes its socket.
    pub(super) fn remove(&mut self, key: usize) -> Peer {
        let peer = self.peers.remove(key);
        self.acceptor.inbox.left();
        self.epoll.forget(&peer.socket);
        self.timers.stop(key);
        self.fan_out.groups.leave(key);
        peer
    }

    /// Sends a goodbye to every client, in steps, once the hub is closed. Ready once the last connection has ended.
    pub(super) fn poll_drain(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Some(reason) = self.status.hub.pool().closed() else { return Poll::Pending };
        if self.drain.is_none() {
            self.begin_drain(reason);
        }
        while let Some(drain) = &mut self.drain
            && let Poll::Ready(keys) = drain.poll_next(context)
        {
            // A key may belong to a later client by now. That client is sent a goodbye as well.
            keys.into_iter().for_each(|key| self.goodbye(key, reason));
        }
        if self.peers.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Closes the listeners, and starts to send the goodbyes.
    fn begin_drain(&mut self, reason: Reason) {
        self.status.is_closing = true;
        self.acceptor.close();
        let keys = self.peers.iter().map(|(key, _)| key).collect();
        self.drain = Some(Drain::new(reason, keys, self.status.settings.drain));
    }

    /// Sends the client of a connection a goodbye. Closes a connection without a client.
    pub(super) fn goodbye(&mut self, key: usize, reason: Reason) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        let next = peer.connection.on_goodbye(reason, &self.status);
        self.end_properly(key, next);
    }
}
