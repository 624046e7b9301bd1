//! Checks what one client has received for loss, duplicates and order.

use std::ops::Range;

/// The result of checking a received notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// It is the next one, or it was overtaken only by notifications of other publishers.
    InOrder,
    /// It arrived after a later one of the same publisher.
    Late,
    /// The client has already received it, or it was not meant for this client.
    Extra,
}

/// The sequence numbers that a client is meant to receive (every `step`th), and those it has received.
///
/// The check is exact: each gap is kept until it is filled. A client that receives everything in order has no gap
/// and allocates nothing.
#[derive(Debug)]
pub(crate) struct Order {
    next: u64,
    step: u64,
    /// The number that was received last.
    last: Option<u64>,
    gaps: Vec<Range<u64>>,
}

impl Order {
    /// The first number that is meant for the client, and the distance to the following one.
    pub(crate) fn new(first: u64, step: u64) -> Self {
        Self { next: first, step, last: None, gaps: Vec::new() }
    }

    /// Records a received number. `publisher` returns the publisher of a number.
    pub(crate) fn take(&mut self, sequence: u64, publisher: impl Fn(u64) -> u16) -> Arrival {
        self.last = Some(sequence);
        if sequence == self.next {
            self.next += self.step;
            return Arrival::InOrder;
        }
        self.take_out_of_order(sequence, publisher)
    }

    #[cold]
    fn take_out_of_order(&mut self, sequence: u64, publisher: impl Fn(u64) -> u16) -> Arrival {
        if !self.next.abs_diff(sequence).is_multiple_of(self.step) {
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
        let is_received = |other: &u64| !self.gaps.iter().any(|gap| gap.contains(other));
        let mut later = (sequence + self.step..self.next).step_by(self.step as usize);
        let overtaken =
            later.any(|other| publisher(other) == publisher(sequence) && is_received(&other));
        if overtaken { Arrival::Late } else { Arrival::InOrder }
    }

    /// The number that was received last.
    pub(crate) fn last(&self) -> Option<u64> {
        self.last
    }

    /// The numbers below `end` that have not been received.
    pub(crate) fn missing(&self, end: u64) -> impl Iterator<Item = u64> {
        let ranges = self.gaps.iter().cloned().chain(std::iter::once(self.next..end));
        ranges.flat_map(|range| range.step_by(self.step as usize))
    }
}

#[cfg(test)]
mod tests {
    use super::Arrival::{Extra, InOrder, Late};
    use super::*;

    #[test]
    fn a_gap_is_missing_until_it_is_filled_and_extra_after_that() {
        let mut order = Order::new(3, 1);
        let came = [4, 4, 8, 6, 3, 5, 6, 7, 8, 2];
        let found = came.map(|sequence| order.take(sequence, |_| 0));
        assert_eq!(found, [InOrder, Extra, InOrder, Late, Late, Late, Extra, Late, Extra, Extra]);
        assert_eq!(order.missing(11).collect::<Vec<_>>(), [9, 10]);
        assert_eq!(order.last(), Some(2));
    }

    #[test]
    fn only_every_step_is_meant_for_the_client() {
        let mut order = Order::new(2, 4);
        assert_eq!(order.take(3, |_| 0), Extra, "of another topic");
        assert_eq!(order.take(10, |_| 0), InOrder);
        assert_eq!(order.missing(12).collect::<Vec<_>>(), [2, 6]);
        assert_eq!(order.take(6, |_| 0), Late);
        assert_eq!(order.missing(12).collect::<Vec<_>>(), [2]);
    }

    #[test]
    fn only_notifications_of_the_same_publisher_must_arrive_in_order() {
        let publisher = |sequence: u64| (sequence % 2) as u16;
        let mut order = Order::new(0, 1);
        let came = [1, 0, 3, 5, 4, 2].map(|sequence| order.take(sequence, publisher));
        assert_eq!(came, [InOrder, InOrder, InOrder, InOrder, InOrder, Late]);
    }
}
