//! The score: what all clients received, and how late.

use std::ops::Range;

use hdrhistogram::Histogram;

use crate::clients::order::{Arrival, Order};

/// A latency is told to three digits, up to an hour.
const DIGITS: u8 = 3;
const LONGEST: u64 = 3_600_000_000_000;

/// What all clients together received in the present part of the run.
#[derive(Debug)]
pub(crate) struct Score {
    /// The intended send time of every publish, by sequence number.
    intended: Vec<u64>,
    latency: Histogram<u64>,
    /// Notifications that a client which was due them got for the first time.
    pub(crate) deliveries: u64,
    /// Further copies, and what was not for the client that got it.
    pub(crate) duplicated: u64,
    /// Those among the deliveries that came behind a later one.
    pub(crate) reordered: u64,
    /// What is still due to clients that are there to get it.
    pub(crate) due: u64,
}

impl Score {
    /// For a run of so many publishes.
    pub(crate) fn new(publishes: u64) -> Self {
        let latency = Histogram::new_with_bounds(1, LONGEST, DIGITS);
        Self {
            intended: Vec::with_capacity(publishes as usize),
            latency: latency.expect("constant bounds that fit"),
            deliveries: 0,
            duplicated: 0,
            reordered: 0,
            due: 0,
        }
    }

    /// Begins a part of the run in which so much is due.
    pub(crate) fn begin(&mut self, due: u64) {
        self.latency.reset();
        (self.deliveries, self.duplicated, self.reordered, self.due) = (0, 0, 0, due);
    }

    /// Notes the next publish, and when it should be sent. Returns its sequence number.
    pub(crate) fn publish(&mut self, intended: u64) -> u64 {
        self.intended.push(intended);
        self.intended.len() as u64 - 1
    }

    /// The sequence numbers of the next `count` publishes.
    pub(crate) fn upcoming(&self, count: u64) -> Range<u64> {
        let first = self.intended.len() as u64;
        first..first + count
    }

    /// Counts what a client with this order received at `now`.
    pub(crate) fn receive(&mut self, order: &mut Order, sequence: u64, now: u64) {
        let Some(&intended) = self.intended.get(sequence as usize) else {
            self.duplicated += 1;
            return;
        };
        match order.take(sequence) {
            Arrival::Extra => {
                self.duplicated += 1;
                return;
            }
            Arrival::Late => self.reordered += 1,
            Arrival::InOrder => {}
        }
        self.deliveries += 1;
        self.due -= 1;
        self.latency.saturating_record(now.saturating_sub(intended));
    }

    /// The latency that this share of the deliveries did not exceed, or `None` without any.
    pub(crate) fn quantile(&self, share: f64) -> Option<u64> {
        (!self.latency.is_empty()).then(|| self.latency.value_at_quantile(share))
    }
}
