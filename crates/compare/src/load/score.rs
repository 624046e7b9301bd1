//! Counts what all clients together have received in the current stage, and how late it was.

use super::order::{Arrival, Order};
use crate::latency::Times;

/// A published notification.
#[derive(Clone, Copy, Debug)]
struct Publish {
    /// The time for which it was scheduled.
    intended: u64,
    /// The number of clients that have not received it yet.
    missing: u32,
    publisher: u16,
}

/// The counters of a stage. A stage lasts from [`begin`](Self::begin) to [`end`](Self::end).
#[derive(Debug, Default)]
pub(crate) struct Score {
    /// All publishes of the load, by their sequence number.
    publishes: Vec<Publish>,
    /// The first publish of the stage.
    first: u64,
    /// The first publish of the log that clients resume.
    log: u64,
    /// `true` if the stage has a schedule from which latency is counted.
    is_timed: bool,
    pub(crate) latency: Times,
    pub(crate) late: Times,
    pub(crate) answered: Times,
    /// The number of deliveries that the stage should make.
    expected: u64,
    /// The number of deliveries that can still be made.
    pub(crate) outstanding: u64,
    pub(crate) deliveries: u64,
    pub(crate) duplicated: u64,
    pub(crate) reordered: u64,
    pub(crate) requests: u64,
    /// The time of the last delivery.
    pub(crate) last: u64,
    /// The publishers whose notification every client has received.
    pub(crate) complete: Vec<u16>,
}

impl Score {
    /// Begins a stage. Duplicates and reordered notifications since the end of the previous stage count for this one.
    pub(crate) fn begin(&mut self, is_timed: bool) {
        self.first = self.next();
        self.is_timed = is_timed;
        [&mut self.latency, &mut self.late, &mut self.answered].into_iter().for_each(Times::reset);
        (self.expected, self.outstanding, self.last) = (0, 0, 0);
        (self.deliveries, self.requests) = (0, 0);
    }

    /// Ends the stage. Its notifications that arrive later are deliveries of no stage.
    pub(crate) fn end(&mut self) {
        self.first = self.next();
        (self.duplicated, self.reordered) = (0, 0);
    }

    /// Begins the log for [`begin_resume`](Self::begin_resume).
    pub(crate) fn begin_log(&mut self) {
        self.log = self.next();
    }

    /// Makes this a stage in which `clients` clients receive the log.
    pub(crate) fn begin_resume(&mut self, clients: usize) {
        self.first = self.log;
        self.expected = self.published() * clients as u64;
        self.outstanding = self.expected;
    }

    /// The sequence number of the first publish of the log.
    pub(crate) fn log(&self) -> u64 {
        self.log
    }

    /// The sequence number of the next publish.
    pub(crate) fn next(&self) -> u64 {
        self.publishes.len() as u64
    }

    /// The number of publishes of the stage.
    pub(crate) fn published(&self) -> u64 {
        self.next() - self.first
    }

    /// The number of missing deliveries of the stage.
    pub(crate) fn lost(&self) -> u64 {
        self.expected.saturating_sub(self.deliveries)
    }

    /// Records a publish that is meant for `expected` clients, of which `live` are connected. Returns its sequence
    /// number.
    pub(crate) fn publish(
        &mut self,
        intended: u64,
        publisher: u16,
        expected: u64,
        live: u64,
    ) -> u64 {
        self.publishes.push(Publish { intended, missing: live as u32, publisher });
        self.expected += expected;
        self.outstanding += live;
        if live == 0 {
            self.complete.push(publisher);
        }
        self.next() - 1
    }

    /// The time for which a publish was scheduled.
    pub(crate) fn intended(&self, sequence: u64) -> u64 {
        self.publishes[sequence as usize].intended
    }

    /// Records that a client has received a notification at `now`.
    pub(crate) fn receive(&mut self, order: &mut Order, sequence: u64, now: u64) {
        let publishes = &self.publishes;
        let Some(publish) = publishes.get(sequence as usize) else {
            self.duplicated += 1;
            return;
        };
        let Publish { intended, .. } = *publish;
        match order.take(sequence, |other| publishes[other as usize].publisher) {
            Arrival::Extra => {
                self.duplicated += 1;
                return;
            }
            Arrival::Late => self.reordered += 1,
            Arrival::InOrder => {}
        }
        self.settle(sequence);
        if sequence < self.first {
            // The stage that published it has counted it as lost.
            return;
        }
        self.deliveries += 1;
        self.last = now;
        if self.is_timed {
            self.latency.record(now.saturating_sub(intended));
        }
    }

    /// Counts a delivery that was made or can no longer be made.
    pub(crate) fn settle(&mut self, sequence: u64) {
        if sequence >= self.first {
            self.outstanding = self.outstanding.saturating_sub(1);
        }
        let publish = &mut self.publishes[sequence as usize];
        if publish.missing > 0 {
            publish.missing -= 1;
            if publish.missing == 0 {
                self.complete.push(publish.publisher);
            }
        }
    }
}
