//! Heartbeats, the end of a hold, write deadlines, and the drain. One timer a connection serves for all:
//! which of them it is follows from the client's state when it fires.

use std::task::{Context, Poll};
use std::time::Duration;

use tidings_core::{Beat, Event, Id, Reason};
use tidings_transport::Shape;
use tokio::time::{Interval, interval};

use super::State;
use super::client::{Progress, Stage};
use super::door::LISTENER;

/// How long a client has to close its side once it has been told goodbye.
const LINGER: Duration = Duration::from_secs(2);

/// How often to look at a poll whose time is over while the broker is asked for it.
const FETCHING: Duration = Duration::from_millis(20);

/// For how long at the most.
const PATIENCE: Duration = Duration::from_secs(5);

/// The least time between two steps of a drain.
const DRAIN_STEP: Duration = Duration::from_millis(50);

/// A lane sends this many goodbyes at once: so few clients that come back together do not overload a server.
const DRAIN_AT_ONCE: usize = 10;

/// A lane whose hub is closed.
pub(super) struct Drain {
    pub(super) reason: Reason,
    left: Vec<usize>,
    step: usize,
    ticks: Interval,
}

impl State {
    /// Its socket is full: from now on the write deadline runs.
    pub(super) fn await_room(&mut self, key: usize) {
        let connection = &mut self.connections[key];
        connection.is_waiting = true;
        self.wait(key, self.manners.write_deadline);
    }

    /// Its socket has taken everything.
    pub(super) fn room(&mut self, key: usize) {
        let connection = &mut self.connections[key];
        if !std::mem::take(&mut connection.is_waiting) {
            return;
        }
        let patience = match &self.connections[key].client {
            None => self.manners.idle_timeout,
            Some(client) => self.patience_with(client.shape),
        };
        self.wait(key, patience);
    }

    /// How long such a client has nothing said to it before it is told that.
    pub(super) fn patience_with(&self, shape: Shape) -> Duration {
        match shape {
            Shape::Answer { hold } => hold,
            Shape::Upgrade | Shape::Stream => self.hub.heartbeat().interval,
        }
    }

    /// It may idle for so long before its next request.
    pub(super) fn await_request(&mut self, key: usize) {
        self.wait(key, self.manners.idle_timeout);
    }

    /// It has been told goodbye.
    pub(super) fn linger(&mut self, key: usize) {
        self.wait(key, LINGER);
    }

    /// From now on its timer is for something that ends after this time.
    pub(super) fn wait(&mut self, key: usize, patience: Duration) {
        let timer = &mut self.connections[key].timer;
        let place = timer.place;
        let moved = self.timers.restart(key, timer, patience);
        self.has_moved(moved, place);
    }

    /// The timer of this connection is at another place among those that fire together.
    pub(super) fn has_moved(&mut self, moved: Option<usize>, place: usize) {
        if let Some(connection) = moved.and_then(|key| self.connections.get_mut(key)) {
            connection.timer.place = place;
        }
    }

    /// Does what is due.
    pub(super) fn expired(&mut self, context: &mut Context<'_>) {
        while let Poll::Ready(key) = self.timers.poll_fired(context) {
            if key == LISTENER {
                self.is_out_of_descriptors = false;
                self.accept();
                continue;
            }
            let Some(connection) = self.connections.get_mut(key) else { continue };
            if !self.timers.has_fired(&connection.timer) {
                continue;
            }
            if !self.timers.is_due(key, &mut connection.timer, self.hub.heartbeat().interval) {
                continue;
            }
            match connection.stage {
                Stage::Asking if connection.publishing.is_some() => self.await_request(key),
                _ if connection.is_waiting => self.cut_off(key),
                Stage::Left | Stage::Asking => self.remove(key),
                Stage::Open if connection.is_held() => self.end_hold(key),
                // The broker did not deliver what its end waits for.
                Stage::Open if connection.is_ending() => self.end_now(key),
                Stage::Open => self.beat(key),
                Stage::Answered | Stage::Leaving => self.write(key),
            }
        }
    }

    /// Its poll is not held any longer: where it has nothing coming, it is told so.
    pub(super) fn end_hold(&mut self, key: usize) {
        let position = self.position();
        let Some(client) = &self.connections[key].client else { return };
        let position = match client.progress {
            Progress::Current => position,
            // It asks for what a broker has that is away, or that does not say.
            Progress::Behind(cursor) if self.hub.is_connected() == Some(false) => cursor.position(),
            Progress::Behind(cursor)
                if client.fetching.as_ref().is_some_and(|hold| hold.age() > PATIENCE) =>
            {
                cursor.position()
            }
            // It stands further on than the lane, and the broker has said that it may.
            Progress::Behind(cursor)
                if cursor.is_ahead_of(position) && client.fetching.is_none() =>
            {
                cursor.position()
            }
            // What lies behind its cursor has not all been looked at: it may be what it waits for.
            // Once the hub is closed it is about to be told goodbye.
            Progress::Behind(_)
                if client.fetching.is_some() || self.hub.pool().closed().is_some() =>
            {
                return self.wait(key, FETCHING);
            }
            Progress::Behind(_) => return self.wait(key, Duration::ZERO),
        };
        self.connections[key].stage = Stage::Answered;
        self.tell(key, &[], position);
    }

    pub(super) fn beat(&mut self, key: usize) {
        let policy = self.hub.heartbeat();
        let position = self.position();
        let Some(client) = &mut self.connections[key].client else { return };
        // Who cannot speak cannot answer: there a write that is not taken is the sign.
        if self.groups.get(client.group).can_speak && client.pulse.beat(&policy) == Beat::GiveUp {
            return self.goodbye(key, Reason::Silent);
        }
        let position = match client.progress {
            Progress::Current => position,
            Progress::Behind(cursor)
                if client.fetching.is_some() || cursor.is_ahead_of(position) =>
            {
                cursor.position()
            }
            // Who is behind has other news.
            Progress::Behind(_) => return,
        };
        self.tell(key, &[Event::Heartbeat(position)], position);
    }

    /// Renders these events for one client alone, which stands here.
    fn tell(&mut self, key: usize, events: &[Event], position: Id) {
        let Some(client) = &self.connections[key].client else { return };
        let bytes = self.groups.get(client.group).encode(events, position);
        self.append(key, bytes);
    }

    /// Says goodbye to everyone, in steps, once the hub is closed; true when the last one is gone.
    pub(super) fn drained(&mut self, context: &mut Context<'_>) -> bool {
        let Some(reason) = self.hub.pool().closed() else { return false };
        let mut drain = self.drain.take().unwrap_or_else(|| {
            self.reception.listener = None;
            let left: Vec<usize> = self.connections.iter().map(|(key, _)| key).collect();
            let drain = self.manners.drain;
            let most = drain.as_millis() / DRAIN_STEP.as_millis();
            let steps = left.len().div_ceil(DRAIN_AT_ONCE).min(most as usize).max(1);
            let between = (drain / steps as u32).max(Duration::from_millis(1));
            Drain { reason, step: left.len().div_ceil(steps), left, ticks: interval(between) }
        });
        while !drain.left.is_empty() && drain.ticks.poll_tick(context).is_ready() {
            for key in drain.left.split_off(drain.left.len().saturating_sub(drain.step)) {
                // A client that came since then, into a place that was left, is told as well.
                if self.connections.contains(key) {
                    self.goodbye(key, reason);
                }
            }
        }
        self.drain = Some(drain);
        self.connections.is_empty()
    }
}
