//! Heartbeats, the end of a hold, write deadlines, and the drain. One timer a client serves for all:
//! which of them it is follows from the client's state when it fires.

use std::task::{Context, Poll};
use std::time::Duration;

use tidings_core::{Beat, Event, Reason};
use tidings_transport::Shape;
use tokio::time::{Interval, interval};

use super::State;
use super::client::{Progress, Stage};

/// How long a client has to close its side once it has been told goodbye.
const LINGER: Duration = Duration::from_secs(2);

/// In how many steps the goodbyes of a drain are spread.
const DRAIN_STEPS: u32 = 20;

/// Few enough that nobody would notice them coming back together.
const DRAIN_AT_ONCE: usize = 100;

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
        let client = &mut self.clients[key];
        client.is_waiting = true;
        self.timers.reset(&client.timer, self.manners.write_deadline);
    }

    /// Its socket has taken everything.
    pub(super) fn room(&mut self, key: usize) {
        let client = &mut self.clients[key];
        if std::mem::take(&mut client.is_waiting) && !matches!(client.shape, Shape::Answer { .. }) {
            self.timers.reset(&client.timer, self.hub.heartbeat().interval);
        }
    }

    /// It has been told goodbye.
    pub(super) fn linger(&mut self, key: usize) {
        self.timers.reset(&self.clients[key].timer, LINGER);
    }

    /// Does what is due.
    pub(super) fn expired(&mut self, context: &mut Context<'_>) {
        while let Poll::Ready(Some(expired)) = self.timers.poll_expired(context) {
            let key = expired.into_inner();
            // A fired timer's key may be another's soon: the client gets a new one before anything else.
            let timer = self.timers.insert(key, self.hub.heartbeat().interval);
            let client = &mut self.clients[key];
            client.timer = timer;
            match (client.stage, client.shape) {
                (Stage::Left, _) => self.remove(key),
                _ if client.is_waiting => {
                    self.metrics.let_go(Reason::TooSlow);
                    self.remove(key);
                }
                (Stage::Open, Shape::Answer { .. }) => {
                    client.stage = Stage::Answered;
                    self.tell(key, &[]);
                }
                (Stage::Open, Shape::Upgrade | Shape::Stream) => self.beat(key),
                (Stage::Answered | Stage::Leaving, _) => self.write(key),
            }
        }
    }

    fn beat(&mut self, key: usize) {
        let policy = self.hub.heartbeat();
        let position = self.position();
        let client = &mut self.clients[key];
        // Who has no ear cannot answer: there a write that is not taken is the sign.
        if client.ear.is_some() && client.pulse.beat(&policy) == Beat::GiveUp {
            return self.goodbye(key, Reason::Silent);
        }
        // Who is behind has other news.
        if client.progress == Progress::Current {
            self.tell(key, &[Event::Heartbeat(position)]);
        }
    }

    fn tell(&mut self, key: usize, events: &[Event]) {
        let position = self.position();
        let bytes = self.groups.get(self.clients[key].group).render(events, position);
        self.append(key, bytes);
    }

    /// Says goodbye to everyone, in steps, once the hub is closed; true when the last one is gone.
    pub(super) fn drained(&mut self, context: &mut Context<'_>) -> bool {
        let Some(reason) = self.hub.pool().closed() else { return false };
        let mut drain = self.drain.take().unwrap_or_else(|| {
            let left: Vec<usize> = self.clients.iter().map(|(key, _)| key).collect();
            let step = left.len().div_ceil(DRAIN_STEPS as usize).max(DRAIN_AT_ONCE);
            let between = (self.manners.drain / DRAIN_STEPS).max(Duration::from_millis(1));
            Drain { reason, left, step, ticks: interval(between) }
        });
        while !drain.left.is_empty() && drain.ticks.poll_tick(context).is_ready() {
            for key in drain.left.split_off(drain.left.len().saturating_sub(drain.step)) {
                // A client that came since then, into a place that was left, is told as well.
                if self.clients.contains(key) {
                    self.goodbye(key, reason);
                }
            }
        }
        self.drain = Some(drain);
        self.clients.is_empty()
    }
}
