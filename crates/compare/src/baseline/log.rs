//! The log: the newest payloads, which a long-poll can still request.

use std::collections::VecDeque;
use std::fmt;

/// The number of payloads that are kept.
pub(crate) const KEPT: usize = 4096;

/// The epoch. It is a constant, because nothing is resumed after the process ends.
const EPOCH: &str = "aaaaaa-";

/// A position, on the wire `aaaaaa-SEQ`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Id(pub(crate) u64);

impl Id {
    /// Parses a position of this log.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        text.strip_prefix(EPOCH)?.parse().ok().map(Self)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{EPOCH}{}", self.0)
    }
}

/// One published payload and its position.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Notification<'a> {
    pub(crate) id: Id,
    pub(crate) payload: &'a str,
}

/// The newest [`KEPT`] payloads, counted from 1.
#[derive(Debug, Default)]
pub(crate) struct Log {
    payloads: VecDeque<Box<str>>,
    newest: u64,
}

impl Log {
    /// The position of the newest payload, 0 for an empty log.
    pub(crate) fn newest(&self) -> u64 {
        self.newest
    }

    /// Appends a payload. Evicts the oldest one if the log is full.
    pub(crate) fn push(&mut self, payload: &str) -> Id {
        if self.payloads.len() == KEPT {
            self.payloads.pop_front();
        }
        self.payloads.push_back(payload.into());
        self.newest += 1;
        Id(self.newest)
    }

    /// The payloads after a position, oldest first.
    pub(crate) fn after(&self, position: u64) -> impl Iterator<Item = Notification<'_>> {
        let evicted = self.newest - self.payloads.len() as u64;
        let from = position.clamp(evicted, self.newest);
        let payloads = self.payloads.range((from - evicted) as usize..);
        (from + 1..).zip(payloads).map(|(seq, payload)| Notification { id: Id(seq), payload })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sequence(log: &Log, after: u64) -> Vec<u64> {
        log.after(after).map(|n| n.id.0).collect()
    }

    #[test]
    fn reading_starts_after_the_position() {
        let mut log = Log::default();
        assert!(sequence(&log, 0).is_empty());
        log.push("a");
        log.push("b");
        assert_eq!(sequence(&log, 0), [1, 2]);
        assert_eq!(sequence(&log, 1), [2]);
        assert!(sequence(&log, 2).is_empty());
        assert!(sequence(&log, u64::MAX).is_empty());
    }

    #[test]
    fn a_full_log_forgets_the_oldest() {
        let mut log = Log::default();
        for _ in 0..KEPT + 2 {
            log.push("x");
        }
        assert_eq!(log.after(0).count(), KEPT);
        assert_eq!(log.after(0).next().map(|n| n.id.0), Some(3));
    }
}
