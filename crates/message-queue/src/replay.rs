//! Collects the notifications of a replay within its budget, for both brokers.

use tidings_core::Filters;
use tidings_core::broker::{Replay, Stored};
use tidings_core::driver::Budget;

/// A replay in progress.
#[derive(Debug)]
pub(crate) struct Reading<'a> {
    filters: &'a Filters,
    upto: u64,
    budget: Budget,
    found: Vec<Stored>,
    bytes: usize,
    reached: u64,
    is_over: bool,
}

impl<'a> Reading<'a> {
    pub(crate) fn new(filters: &'a Filters, after: u64, upto: u64, budget: Budget) -> Self {
        let is_over = after >= upto;
        Self { filters, upto, budget, found: Vec::new(), bytes: 0, reached: after, is_over }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.is_over
    }

    /// Passes the next entry of the stream, in order. Collects it if it matches and the budget has room.
    pub(crate) fn look_at(&mut self, stored: Stored) {
        if self.is_over || stored.seq <= self.reached {
            return;
        }
        if stored.seq > self.upto {
            self.nothing_is_left();
            return;
        }
        let seq = stored.seq;
        let notification = stored.notification.as_ref();
        if let Some(found) = notification.filter(|one| self.filters.matches(one.topic())) {
            let bytes = self.bytes.saturating_add(found.size());
            let has_room = self.found.len() < self.budget.entries && bytes <= self.budget.bytes;
            if !has_room && !self.found.is_empty() {
                self.is_over = true;
                // The entry itself is left for the next replay.
                self.reached = self.reached.max(seq - 1);
                return;
            }
            self.bytes = bytes;
            self.found.push(stored);
        }
        self.reached = seq;
        self.is_over = seq >= self.upto;
    }

    /// The last sequence number that was requested.
    pub(crate) fn upto(&self) -> u64 {
        self.upto
    }

    /// The sequence number up to which everything was looked at.
    pub(crate) fn reached(&self) -> u64 {
        self.reached
    }

    /// Completes the replay: no further entry matches up to the requested end.
    pub(crate) fn nothing_is_left(&mut self) {
        if !self.is_over {
            self.is_over = true;
            self.reached = self.upto;
        }
    }

    pub(crate) fn finish(self) -> Replay {
        Replay::Read { found: self.found, reached: self.reached }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidings_core::Notification;

    fn read(filters: &str, upto: u64, budget: Budget, stream: &[(u64, &str)]) -> (Vec<u64>, u64) {
        let filters: Filters = filters.parse().unwrap();
        let mut reading = Reading::new(&filters, 0, upto, budget);
        for &(seq, topic) in stream {
            let notification = Some(Notification::text(topic.parse().unwrap(), "four"));
            reading.look_at(Stored { seq, notification });
        }
        reading.nothing_is_left();
        let Replay::Read { found, reached } = reading.finish() else { panic!("it was read") };
        (found.iter().map(|stored| stored.seq).collect(), reached)
    }

    #[test]
    fn a_replay_ends_at_its_budget_or_at_the_requested_end_or_when_nothing_is_left() {
        let stream = [(1, "a"), (2, "b"), (4, "a"), (5, "a"), (9, "b")];
        let wide = Budget::default();
        assert_eq!(read("a", 9, wide, &stream), (vec![1, 4, 5], 9));
        assert_eq!(read("a", 4, wide, &stream), (vec![1, 4], 4));
        assert_eq!(read("a", 3, wide, &stream), (vec![1], 3));
        assert_eq!(read("a", 20, wide, &stream), (vec![1, 4, 5], 20));
        assert_eq!(read(">", 9, Budget { entries: 2, ..wide }, &stream), (vec![1, 2], 3));
        assert_eq!(read("a", 9, Budget { bytes: 9, ..wide }, &stream), (vec![1, 4], 4));
        assert_eq!(read("a", 9, Budget { bytes: 1, entries: 0 }, &stream), (vec![1], 3));
    }
}
