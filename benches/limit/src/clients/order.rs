//! The order in which one client receives.

use std::ops::Range;

/// What a received notification is to its client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// It came when it was due, or behind a gap that may still be filled.
    InOrder,
    /// It fills a gap: a later one was faster.
    Late,
    /// It came before, or was not for this client at all.
    Extra,
}

/// What one client is due, every `step`th notification of a range, and what it has had.
///
/// Exact, however the notifications come: each gap is remembered until it is filled. A client that gets everything
/// in order has none, and so no memory to pay for; the worst peer can make one gap for every second notification
/// that it was sent.
#[derive(Debug)]
pub(crate) struct Order {
    next: u64,
    end: u64,
    step: u64,
    gaps: Vec<Range<u64>>,
}

impl Order {
    /// Due are the sequence numbers of `range` that are its start, or any number of steps behind it.
    pub(crate) fn new(range: Range<u64>, step: u64) -> Self {
        Self { next: range.start, end: range.end, step, gaps: Vec::new() }
    }

    /// How many are still due.
    pub(crate) fn due(&self) -> u64 {
        let ahead = self.end.saturating_sub(self.next).div_ceil(self.step);
        let skipped: u64 = self.gaps.iter().map(|gap| (gap.end - gap.start) / self.step).sum();
        ahead + skipped
    }

    /// Takes in what came.
    pub(crate) fn take(&mut self, sequence: u64) -> Arrival {
        if sequence == self.next && sequence < self.end {
            self.next += self.step;
            return Arrival::InOrder;
        }
        self.surprise(sequence)
    }

    #[cold]
    fn surprise(&mut self, sequence: u64) -> Arrival {
        let on_step = self.next.abs_diff(sequence).is_multiple_of(self.step);
        if !on_step || sequence >= self.end {
            return Arrival::Extra;
        }
        if sequence > self.next {
            self.gaps.push(self.next..sequence);
            self.next = sequence + self.step;
            return Arrival::InOrder;
        }
        let Some(index) = self.gaps.iter().position(|gap| gap.contains(&sequence)) else {
            return Arrival::Extra;
        };
        let gap = self.gaps.swap_remove(index);
        let parts = [gap.start..sequence, sequence + self.step..gap.end];
        self.gaps.extend(parts.into_iter().filter(|part| !part.is_empty()));
        Arrival::Late
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_skipped_is_due_until_it_comes_and_extra_when_it_comes_again() {
        let mut order = Order::new(3..9, 1);
        let came = [4, 4, 8, 6, 3, 5, 6, 7, 8, 9, 2];
        let is = came.map(|sequence| order.take(sequence));
        use Arrival::{Extra, InOrder, Late};
        let expected =
            [InOrder, Extra, InOrder, Late, Late, Late, Extra, Late, Extra, Extra, Extra];
        assert_eq!(is, expected);
        assert_eq!(order.due(), 0);
    }

    #[test]
    fn only_every_step_is_due() {
        let mut order = Order::new(2..12, 4);
        assert_eq!(order.due(), 3);
        assert_eq!(order.take(3), Arrival::Extra, "another topic's");
        assert_eq!(order.take(10), Arrival::InOrder);
        assert_eq!(order.due(), 2);
        assert_eq!(order.take(6), Arrival::Late);
        assert_eq!(order.due(), 1);
    }
}
