//! Performs the [`Next`] that a connection returns, and reports the outcome to the connection, which returns the one
//! after.

use std::net::Shutdown;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;

use tidings_core::{Event, Id, Reason};
use tidings_transport::mount::Subscriber;
use tidings_transport::{Handled, Message};
use tokio::task::unconstrained;

use super::catch_up::Portion;
use super::next::Next;
use super::peer::{self, Peer};
use super::pending::Outcome;
use super::subscription::Head;
use super::{Lane, catch_up, subscription};
use crate::request::Whole;
use crate::response::Routed;

/// The most portions from the log that one call of `apply` sends.
const PORTIONS: usize = 8;

/// The most messages of a client that one call of `apply` handles.
const MESSAGES: usize = 256;

impl Lane {
    /// Performs what a connection returned, and what follows from that, until the connection is idle. If it has more
    /// work than the limits of one call, it becomes busy.
    pub(super) fn apply(&mut self, key: usize, mut next: Next) {
        let (mut portions, mut messages) = (0, 0);
        loop {
            next = match next {
                Next::Idle => break,
                Next::Write => self.write(key),
                Next::Respond(whole) => self.respond(key, whole),
                Next::Handle(message) if messages < MESSAGES => {
                    messages += 1;
                    self.handle(key, message)
                }
                Next::Handle(message) => {
                    self.peers[key].connection.put_back(message);
                    self.keep_busy(key);
                    break;
                }
                Next::CatchUp if portions < PORTIONS => {
                    portions += 1;
                    self.catch_up(key)
                }
                Next::CatchUp | Next::Yield => {
                    self.keep_busy(key);
                    break;
                }
                Next::Encode(event, position) => self.encode(key, event.as_slice(), position),
                Next::OpenAnswer => {
                    let head = self.fan_out.groups.open_answer(key).unwrap_or_default();
                    self.peers[key].connection.on_encoded(head, &self.status)
                }
                Next::Release => {
                    self.fan_out.groups.leave(key);
                    let connection = &mut self.peers[key].connection;
                    drop(connection.release());
                    connection.advance(&self.status)
                }
                Next::AwaitPass => {
                    self.ahead.insert(key);
                    break;
                }
                Next::Close => {
                    self.notify_close(key);
                    match self.peers[key].socket.shutdown(Shutdown::Write) {
                        Ok(()) => self.peers[key].connection.advance(&self.status),
                        Err(_) => Next::Remove,
                    }
                }
                Next::CutOff => {
                    // A client that was sent a goodbye was counted then.
                    if !self.peers[key].connection.was_sent_goodbye() {
                        self.metrics.cut_off();
                    }
                    // Otherwise the system would keep the unsent bytes, and send them for as long as the peer reads
                    // some of them now and then. An error means that the connection is gone.
                    let _ = self.peers[key].socket.set_linger(Some(Duration::ZERO));
                    Next::Remove
                }
                Next::HandOver(input) => return self.hand_over(key, input),
                Next::Remove => return drop(self.remove(key)),
            };
        }
        if let Some(patience) = self.peers[key].connection.take_timeout(&self.status) {
            self.timers.restart(key, patience);
        }
    }

    /// Writes the unsent bytes.
    fn write(&mut self, key: usize) -> Next {
        let Peer { socket, tls, connection, watches_room, .. } = &mut self.peers[key];
        if let Some(session) = tls
            && let Err(error) = connection.seal(session)
        {
            tracing::debug!(%error, "a TLS session cannot seal");
            return Next::Remove;
        }
        let count = match peer::write(socket, connection.unsent()) {
            Ok(count) => count,
            Err(error) => return Next::after(&error.into()),
        };
        let next = connection.on_written(count, &self.status);
        if connection.awaits_room()
            && !std::mem::replace(watches_room, true)
            && let Err(error) = self.epoll.watch_room(socket, key)
        {
            self.metrics.unserved.add(error);
            return Next::Remove;
        }
        next
    }

    /// Responds to a request.
    fn respond(&mut self, key: usize, whole: Box<Whole>) -> Next {
        let mut routing = self.service.call(whole, self.peers[key].listener);
        // Nearly all are ready at once. The others are polled with the waker of the lane later.
        let mut context = Context::from_waker(Waker::noop());
        match unconstrained(routing.as_mut()).poll_unpin(&mut context) {
            Poll::Ready(routed) => self.on_routed(key, routed),
            Poll::Pending => {
                let outcome = async { Outcome::Routed(routing.await) };
                let pending = self.pending.add(key, outcome);
                self.peers[key].connection.on_response_pending(pending, &self.status)
            }
        }
    }

    /// Sends the response to a request, or serves the subscriber that was accepted.
    pub(super) fn on_routed(&mut self, key: usize, routed: Routed) -> Next {
        match routed {
            Routed::Response(response) => {
                self.peers[key].connection.on_response(&response, &self.status)
            }
            Routed::Subscription(subscriber) => self.subscribe(key, subscriber, Head::Unsent),
        }
    }

    /// Serves a subscriber on this connection. Its session may have ended since it was accepted, and this lane may have
    /// checked the sessions already. So `Connection::serve` checks it again before the client is sent anything from the
    /// log.
    pub(super) fn subscribe(
        &mut self,
        key: usize,
        subscriber: Box<Subscriber>,
        head: Head,
    ) -> Next {
        let connection = &mut self.peers[key].connection;
        let (groups, metrics, is_last) =
            (&mut self.fan_out.groups, &self.metrics, connection.is_last());
        let opened =
            subscription::open(key, subscriber, head, is_last, groups, metrics, &self.status);
        connection.on_subscribed(opened, &self.status)
    }

    /// Handles a client's message.
    fn handle(&mut self, key: usize, message: Message) -> Next {
        let client = self.peers[key].connection.client();
        let (Some(client), Some(group)) = (client, self.fan_out.groups.of(key)) else {
            return Next::Idle;
        };
        let (hub, filters) = (&self.status.hub, group.interest().filters());
        let mut handling = client.on_message.handle(hub, &client.seat, filters, message);
        match unconstrained(&mut handling).now_or_never() {
            Some(handled) => self.on_handled(key, handled),
            None => {
                let outcome = async { Outcome::Handled(handling.await) };
                let pending = self.pending.add(key, outcome);
                self.peers[key].connection.on_handling(pending, &self.status)
            }
        }
    }

    /// Sends the reply to a client's message, if there is one.
    pub(super) fn on_handled(&mut self, key: usize, handled: Handled) -> Next {
        let group = self.fan_out.groups.of(key);
        let encode = |reply| group.map(|group| group.reply(&reply)).unwrap_or_default();
        let outcome = handled.outcome.map(|reply| reply.map(encode).unwrap_or_default());
        self.peers[key].connection.on_handled(handled.published, outcome, &self.status)
    }

    /// Reads the entries after a client's cursor, from the log or from the broker.
    fn catch_up(&mut self, key: usize) -> Next {
        let connection = &mut self.peers[key].connection;
        let (Some(client), Some(group)) = (connection.client(), self.fan_out.groups.of(key)) else {
            return Next::Idle;
        };
        if let Some(portion) = catch_up::read(client, group, connection.sync, &self.status) {
            // After the read, so that a client that was disconnected before a publish is not sent it.
            if client.seat.is_expired() {
                return connection.on_goodbye(Reason::NotAllowed, &self.status);
            }
            self.count(key, &portion);
            return self.peers[key].connection.on_caught_up(portion, &self.status);
        }
        let hub = &self.status.hub;
        if hub.pool().closed().is_some() {
            return connection.on_unavailable(&self.status);
        }
        let (interest, budget) = (group.interest().clone(), client.budget());
        let cursor = client.cursor(self.status.position);
        let fetching = hub.fetch(cursor, interest, client.seat.id(), budget);
        let pending = self.pending.add(key, async { Outcome::Fetched(fetching.await) });
        connection.on_fetching(pending, &self.status)
    }

    /// Counts what one client is sent from the log or the broker. `Lane::send` counts what a pass sends.
    pub(super) fn count(&self, key: usize, portion: &Portion) {
        if let Some(group) = self.fan_out.groups.of(key) {
            group.delivered.inc_by(portion.notifications);
        }
        if let Some(reason) = portion.goodbye {
            self.metrics.disconnected(reason);
        }
    }

    /// Encodes one event for one client. No event is the end of a poll's hold.
    fn encode(&mut self, key: usize, event: &[Event], position: Id) -> Next {
        if let [Event::Goodbye(reason)] = event {
            self.metrics.disconnected(*reason);
        }
        let Some(group) = self.fan_out.groups.of(key) else { return Next::Remove };
        let connection = &mut self.peers[key].connection;
        let is_heartbeat = matches!(event, [Event::Heartbeat { .. }]);
        // The heartbeat to a peer that has closed its side shows whether the peer still reads.
        if is_heartbeat
            && !connection.is_half_closed()
            && connection.sync.is_in_sync
            && group.needs_no_heartbeat(&self.status)
        {
            return connection.on_encoded(Bytes::new(), &self.status);
        }
        let bytes = group.encode_alone(event, position, &mut connection.sync);
        connection.on_encoded(bytes, &self.status)
    }
}
