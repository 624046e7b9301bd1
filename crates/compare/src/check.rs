//! Did everything arrive, once, and in order? Asked by each client for itself.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use tidings_core::Id;

use crate::stamp::Stamp;

/// What went wrong with deliveries, summed over clients. All zero, or the run is worth nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Integrity {
    /// Published and never received, for each client it should have reached.
    pub lost: u64,
    /// Received more than once.
    pub duplicated: u64,
    /// Received behind something that was published after it, by the same publisher or by the hub's ids.
    pub reordered: u64,
    /// Gaps that the hub told.
    pub gaps: u64,
    /// Clients whose connection ended before the run did.
    pub disconnected: u64,
}

impl Integrity {
    /// Whether everything arrived, once and in order.
    pub fn is_clean(&self) -> bool {
        self.lost == 0 && self.duplicated == 0 && self.reordered == 0
    }

    /// Adds another client's, or another round's.
    pub(crate) fn add(&mut self, other: Self) {
        self.lost += other.lost;
        self.duplicated += other.duplicated;
        self.reordered += other.reordered;
        self.gaps += other.gaps;
        self.disconnected += other.disconnected;
    }
}

/// One client's view of what arrived.
#[derive(Debug)]
pub(crate) struct Checker {
    lanes: Vec<Lane>,
    last: Option<Id>,
    found: Integrity,
}

#[derive(Clone, Debug, Default)]
struct Lane {
    next: u32,
    missing: BTreeSet<u32>,
}

impl Checker {
    pub(crate) fn new(lanes: usize) -> Self {
        Self { lanes: vec![Lane::default(); lanes], last: None, found: Integrity::default() }
    }

    /// Takes one arrival; `true` where it is the first time that this one arrives.
    pub(crate) fn take(&mut self, stamp: &Stamp, id: Option<Id>) -> bool {
        let Some(lane) = self.lanes.get_mut(usize::from(stamp.lane)) else { return false };
        let in_order = stamp.seq >= lane.next;
        if in_order {
            lane.missing.extend(lane.next..stamp.seq);
            lane.next = stamp.seq + 1;
        } else if lane.missing.remove(&stamp.seq) {
            self.found.reordered += 1;
        } else {
            self.found.duplicated += 1;
            return false;
        }
        // The lanes publish side by side, so only the hub's own ids say what the order between them is.
        if let Some(id) = id {
            let backwards =
                self.last.is_some_and(|last| last.epoch == id.epoch && last.seq >= id.seq);
            if backwards && in_order {
                self.found.reordered += 1;
            }
            self.last = Some(id);
        }
        true
    }

    pub(crate) fn gap(&mut self) {
        self.found.gaps += 1;
    }

    pub(crate) fn disconnected(&mut self) {
        self.found.disconnected += 1;
    }

    /// The verdict, once nothing more is to come: `sent` is how many each lane published.
    pub(crate) fn verdict(&self, sent: &[u32]) -> Integrity {
        let lost = |(lane, sent): (&Lane, &u32)| {
            lane.missing.len() as u64 + u64::from(sent.saturating_sub(lane.next))
        };
        Integrity { lost: self.lanes.iter().zip(sent).map(lost).sum(), ..self.found }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidings_core::Epoch;

    fn verdict(arrivals: &[(u16, u32)], sent: &[u32]) -> Integrity {
        let mut checker = Checker::new(sent.len());
        for &(lane, seq) in arrivals {
            checker.take(&stamp(lane, seq), None);
        }
        checker.verdict(sent)
    }

    fn stamp(lane: u16, seq: u32) -> Stamp {
        Stamp { run: 0, regime: 0, lane, seq, intended_ns: 0 }
    }

    #[test]
    fn lanes_may_interleave() {
        let found = verdict(&[(0, 0), (1, 0), (1, 1), (0, 1)], &[2, 2]);
        assert_eq!(found, Integrity::default());
        assert!(found.is_clean());
    }

    #[test]
    fn a_hole_and_a_missing_tail_are_lost() {
        let found = verdict(&[(0, 0), (0, 2)], &[5, 1]);
        assert_eq!(found, Integrity { lost: 1 + 2 + 1, ..Integrity::default() });
        assert!(!found.is_clean());
    }

    #[test]
    fn a_second_time_is_a_duplicate_and_does_not_count_as_delivered() {
        let mut checker = Checker::new(1);
        assert!(checker.take(&stamp(0, 0), None));
        assert!(!checker.take(&stamp(0, 0), None));
        assert_eq!(checker.verdict(&[1]), Integrity { duplicated: 1, ..Integrity::default() });
    }

    #[test]
    fn what_comes_late_is_reordered_and_not_lost() {
        let found = verdict(&[(0, 1), (0, 0), (0, 2)], &[3]);
        assert_eq!(found, Integrity { reordered: 1, ..Integrity::default() });
    }

    #[test]
    fn ids_tell_the_order_between_lanes() {
        let id = |seq| Some(Epoch::from_number(7).id(seq));
        let mut checker = Checker::new(2);
        checker.take(&stamp(0, 0), id(2));
        checker.take(&stamp(1, 0), id(1));
        assert_eq!(checker.verdict(&[1, 1]).reordered, 1);
    }
}
