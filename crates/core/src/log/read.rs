//! Reading a log from a position on.

use std::sync::Arc;

use super::Log;
use super::ring::Ring;
use crate::{Budget, Entry, Filters, GapReason, Id, Interest, SeatId, Snapshot};

/// Why a position cannot be read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadError {
    /// The entries after the position are lost, or it is of another epoch. Reading can continue after `resume`.
    Gone { resume: Id, reason: GapReason },
    /// The entries after the position were evicted from the log. The broker may have them.
    InBroker,
}

/// The maximum number of entries that are looked at under one lock, so that a reader whose filters match few of them
/// does not block publishers for long. See [`scan_limit`] for readers with many filters.
const SCAN: u64 = 4096;

/// How many entries are looked at under one lock for a reader with these filters. To compare one entry with 64 filters
/// takes about as long as to compare eight entries with one filter.
fn scan_limit(filters: &Filters) -> u64 {
    SCAN / (1 + filters.count() as u64 / 8)
}

/// What one read has used of its budget.
struct UsedBudget {
    budget: Budget,
    entries: usize,
    bytes: usize,
}

impl Log {
    /// Calls `found` with the entries after `from`, up to and including `up_to`, that the seat is interested in, until
    /// the budget is used up. The result is the sequence number up to which all entries were looked at. It is less than
    /// `up_to` if the budget or the [`scan_limit`] was reached. Fails if the log does not have all entries after
    /// `from`.
    pub(crate) fn read(
        &self,
        from: Snapshot,
        up_to: u64,
        budget: Budget,
        interest: &Interest,
        seat: SeatId,
        mut found: impl FnMut(&Arc<Entry>),
    ) -> Result<u64, ReadError> {
        let ring = self.read_ring();
        ring.check(from.after)?;
        let after = from.after.seq;
        let head = up_to.min(ring.next() - 1);
        let mut used = UsedBudget { budget, entries: 0, bytes: 0 };
        if after < from.upto
            && let Some(newest) = ring.newest_of(interest.filters())
        {
            let end = head.min(from.upto);
            for seq in newest.into_iter().filter(|&seq| after < seq && seq <= end) {
                let Some(entry) = ring.get(seq).filter(|entry| interest.wants(entry, seat)) else {
                    continue;
                };
                if !used.add(entry) {
                    return Ok(seq - 1);
                }
                found(entry);
            }
            return Ok(end.max(after));
        }
        let end = head.min(after.saturating_add(scan_limit(interest.filters())));
        for seq in after.saturating_add(1)..=end {
            let Some(entry) = ring.get(seq) else { continue };
            if !interest.wants(entry, seat) || (seq <= from.upto && !ring.is_newest(entry)) {
                continue;
            }
            if !used.add(entry) {
                return Ok(seq - 1);
            }
            found(entry);
        }
        Ok(end.max(after))
    }

    /// The newest retained entry up to and including `up_to` that matches.
    pub(crate) fn newest_match(&self, filters: &Filters, up_to: u64) -> Option<u64> {
        let mut end = up_to;
        loop {
            let ring = self.read_ring();
            end = end.min(ring.next() - 1);
            if end < ring.first {
                return None;
            }
            let start = end.saturating_sub(scan_limit(filters) - 1).max(ring.first);
            let matches = |seq: &u64| {
                ring.get(*seq).is_some_and(|one| filters.matches(one.notification().topic()))
            };
            if let Some(found) = (start..=end).rev().find(matches) {
                return Some(found);
            }
            end = start - 1;
        }
    }
}

impl UsedBudget {
    /// Counts this entry if it is the first or the budget has room for it.
    fn add(&mut self, entry: &Entry) -> bool {
        let size = entry.notification().size();
        let fits = self.entries < self.budget.entries && self.bytes + size <= self.budget.bytes;
        let is_added = self.entries == 0 || fits;
        if is_added {
            self.entries += 1;
            self.bytes += size;
        }
        is_added
    }
}

impl Ring {
    /// The newest entry of each topic that matches, oldest first. `None` without an index, or if reading all entries is
    /// less work.
    fn newest_of(&self, filters: &Filters) -> Option<Vec<u64>> {
        self.newest.as_ref()?.matching(filters, scan_limit(filters))
    }

    /// Fails if the ring does not have all entries after this position.
    fn check(&self, after: Id) -> Result<(), ReadError> {
        let floor = self.epoch.id(self.broker_floor.unwrap_or(self.first - 1));
        if after.epoch != self.epoch {
            return Err(ReadError::Gone { resume: floor, reason: GapReason::Epoch });
        }
        if after.seq < floor.seq {
            return Err(ReadError::Gone { resume: floor, reason: GapReason::Evicted });
        }
        if after.seq < self.first - 1 { Err(ReadError::InBroker) } else { Ok(()) }
    }

    /// Also `true` without an index.
    fn is_newest(&self, entry: &Entry) -> bool {
        let topic = entry.notification().topic();
        self.newest.as_ref().is_none_or(|newest| newest.is_newest(entry.id().seq, topic))
    }
}
