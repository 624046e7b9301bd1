//! Spreads connections over the lanes of a server. A lane that accepts one keeps it, unless another has many fewer.
//!
//! The thread that wakes first accepts, and in a rush that may be the same one again and again. Its lane would then
//! serve every client, while the others have nothing to do for as long as those clients stay.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Waker};

use crate::handover::Admitted;

/// The lanes of a server.
pub(crate) struct Balancer(Arc<[Entry]>);

/// One lane's place among them.
pub(crate) struct Inbox {
    lanes: Arc<[Entry]>,
    lane: usize,
}

#[derive(Default)]
struct Entry {
    connections: AtomicUsize,
    incoming: Mutex<Incoming>,
}

#[derive(Default)]
struct Incoming {
    /// Bounded by the limit of connections: each has its place among them.
    connections: Vec<Admitted>,
    waker: Option<Waker>,
}

/// How many more connections than another a lane may have. To hand one over costs the other thread a wake-up.
const SLACK: usize = 8;

impl Balancer {
    pub(crate) fn new(lanes: usize) -> Self {
        Self((0..lanes).map(|_| Entry::default()).collect())
    }

    /// Returns the place of the lane with this number.
    pub(crate) fn inbox(&self, lane: usize) -> Inbox {
        Inbox { lanes: self.0.clone(), lane }
    }
}

impl Inbox {
    /// Counts one more connection of this lane.
    pub(super) fn joined(&self) {
        self.lanes[self.lane].connections.fetch_add(1, Relaxed);
    }

    /// Counts one connection less of this lane.
    pub(super) fn left(&self) {
        self.lanes[self.lane].connections.fetch_sub(1, Relaxed);
    }

    /// Returns the connection if this lane is to serve it, and counts it. Otherwise hands it to the lane that has the
    /// fewest, and returns `None`.
    pub(super) fn balance(&self, connection: Admitted) -> Option<Admitted> {
        let lane = self.next();
        self.lanes[lane].connections.fetch_add(1, Relaxed);
        if lane == self.lane {
            return Some(connection);
        }
        let waker = {
            let mut incoming = self.lanes[lane].lock();
            incoming.connections.push(connection);
            incoming.waker.take()
        };
        // Not under the lock: wakers run foreign code.
        waker.into_iter().for_each(Waker::wake);
        None
    }

    /// Takes the connections that other lanes have handed to this one, which are counted already. Wakes this task if
    /// more come.
    pub(super) fn take(&self, context: &Context<'_>) -> Vec<Admitted> {
        let mut incoming = self.lanes[self.lane].lock();
        match &mut incoming.waker {
            Some(waker) => waker.clone_from(context.waker()),
            none => *none = Some(context.waker().clone()),
        }
        std::mem::take(&mut incoming.connections)
    }

    /// Returns the lane that is to have the next connection: this one, unless it has many more than another.
    fn next(&self) -> usize {
        let count = |lane: &Entry| lane.connections.load(Relaxed);
        let fewest = self.lanes.iter().enumerate().min_by_key(|(_, other)| count(other));
        match fewest {
            Some((index, other)) if count(&self.lanes[self.lane]) > count(other) + SLACK => index,
            _ => self.lane,
        }
    }
}

impl Entry {
    fn lock(&self) -> std::sync::MutexGuard<'_, Incoming> {
        self.incoming.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rush_that_one_lane_accepts_is_spread_over_all() {
        let balancer = Balancer::new(3);
        let [first, second, third] = [0, 1, 2].map(|lane| balancer.inbox(lane));
        let counts =
            || balancer.0.iter().map(|lane| lane.connections.load(Relaxed)).collect::<Vec<_>>();
        for _ in 0..300 {
            balancer.inbox(first.next()).joined();
        }
        assert!(counts().iter().all(|&count| (90..=110).contains(&count)), "{:?}", counts());
        (0..50).for_each(|_| third.left());
        assert_eq!(second.next(), 2, "the lane that has lost many is next");
    }
}
