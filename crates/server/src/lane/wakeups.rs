//! Serves connections that are woken by something other than their sockets: the pass, pending futures, timers, and work
//! that was left.

use std::task::{Context, Poll};

use tidings_core::Reason;

use super::Lane;
use super::catch_up;
use super::peer::Peer;
use super::pending::Outcome;

/// The most busy connections that one call of `serve_busy` serves.
const BUSY: usize = 256;

/// The most outcomes of pending futures that one turn takes.
const OUTCOMES: usize = 256;

impl Lane {
    /// Serves the clients that were ahead of the lane again, if the lane has reached their positions.
    pub(super) fn wake_those_ahead(&mut self) {
        if self.ahead.is_empty() {
            return;
        }
        let mut ahead = std::mem::take(&mut self.ahead);
        ahead.retain(|&key| {
            let peer = self.peers.get(key);
            let waits = peer.is_some_and(|peer| peer.connection.waits_for_lane(&self.status));
            if !waits {
                self.keep_busy(key);
            }
            waits
        });
        self.ahead = ahead;
    }

    /// Sends a goodbye to the clients whose sessions the application has ended.
    pub(super) fn end_disconnected(&mut self) {
        let disconnects = self.status.hub.pool().disconnects();
        if std::mem::replace(&mut self.disconnects, disconnects) == disconnects {
            return;
        }
        let is_ended =
            |peer: &Peer| peer.connection.client().is_some_and(|client| client.seat.is_expired());
        let keys: Vec<_> =
            self.peers.iter().filter(|(_, peer)| is_ended(peer)).map(|(key, _)| key).collect();
        for key in keys {
            self.goodbye(key, Reason::NotAllowed);
        }
    }

    /// Passes at most [`OUTCOMES`] outcomes of pending futures to their connections.
    pub(super) fn poll_outcomes(&mut self, context: &mut Context<'_>) {
        for _ in 0..OUTCOMES {
            let Poll::Ready((key, outcome)) = self.pending.poll_next(context) else { return };
            if !self.peers.contains(key) {
                continue;
            }
            let next = match outcome {
                Outcome::Routed(routed) => self.on_routed(key, routed),
                Outcome::Handled(handled) => self.on_handled(key, handled),
                Outcome::Fetched(fetched) => {
                    let connection = &self.peers[key].connection;
                    let (client, group) = (connection.client(), self.fan_out.groups.of(key));
                    let (Some(client), Some(group)) = (client, group) else { continue };
                    let sync = connection.sync;
                    let portion = catch_up::fetched(client, group, sync, fetched, &self.status);
                    self.count(key, &portion);
                    self.peers[key].connection.on_fetched(portion, &self.status)
                }
            };
            self.apply(key, next);
        }
        context.waker().wake_by_ref();
    }

    /// Serves at most [`BUSY`] busy connections.
    pub(super) fn serve_busy(&mut self) {
        for _ in 0..self.busy.len().min(BUSY) {
            let Some(key) = self.busy.pop_front() else { return };
            let Some(peer) = self.peers.get_mut(key) else { continue };
            peer.is_busy = false;
            // The peer may have closed its side, which epoll reports only once. So the socket is read until it is
            // empty.
            self.read(key, true);
            if let Some(peer) = self.peers.get_mut(key) {
                let next = peer.connection.advance(&self.status);
                self.apply(key, next);
            }
        }
    }

    /// Adds a connection to the busy ones, because it has more work than it may do at once. `serve_busy` serves it
    /// again, in this turn or in the next one.
    pub(super) fn keep_busy(&mut self, key: usize) {
        if let Some(peer) = self.peers.get_mut(key)
            && !std::mem::replace(&mut peer.is_busy, true)
        {
            self.busy.push_back(key);
        }
    }

    /// Serves the connections whose timers have expired, and the listeners after the pause that follows a failure.
    pub(super) fn poll_timers(&mut self, context: &mut Context<'_>) {
        // A failure starts a new pause, which must be polled to wake the lane.
        while self.acceptor.poll_pause(context).is_ready() {
            self.accept();
        }
        let again = self.status.hub.heartbeat().interval;
        while let Poll::Ready(key) = self.timers.poll_due(context, again) {
            let Some(peer) = self.peers.get_mut(key) else { continue };
            let next = peer.connection.on_timer(&self.status);
            self.end_properly(key, next);
        }
    }
}
