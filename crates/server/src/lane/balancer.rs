//! Spreads connections over the lanes of a server. A lane that accepts one keeps it, unless another has many fewer.
//!
//! The thread that wakes first accepts, and in a rush that may be the same one again and again. Its lane would then
//! serve every client, while the others have nothing to do for as long as those clients stay.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Waker};

use tidings_transport::mount::Subscriber;

use crate::handover::{Admitted, HandOver};

/// The lanes of a server. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Balancer(Arc<[Entry]>);

/// One lane's place among them.
pub(crate) struct Inbox {
    lanes: Arc<[Entry]>,
    lane: usize,
}

/// A place for one connection on a lane. Dropping it gives it back.
pub(crate) struct Reserved {
    lanes: Arc<[Entry]>,
    lane: usize,
}

/// A connection for a lane, which has counted it already.
pub(super) enum Incoming {
    /// From another lane, to be read for its first request.
    Accepted(Admitted),
    /// From another HTTP server, which has upgraded it, with its client.
    Upgraded(HandOver, Box<Subscriber>),
}

#[derive(Default)]
struct Entry {
    connections: AtomicUsize,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    /// Bounded by the limit of connections: each has its place among them.
    connections: Vec<Incoming>,
    waker: Option<Waker>,
    /// Whether the lane has ended, and takes no more.
    is_closed: bool,
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

    /// Reserves a place on the lane that has the fewest connections. Returns `None` if it has ended.
    pub(crate) fn reserve(&self) -> Option<Reserved> {
        let (lane, entry) = self.0.iter().enumerate().min_by_key(|(_, lane)| lane.count())?;
        if entry.lock().is_closed {
            return None;
        }
        entry.connections.fetch_add(1, Relaxed);
        Some(Reserved { lanes: self.0.clone(), lane })
    }
}

impl Reserved {
    /// Hands a connection that was upgraded to the lane. Closes it if the lane has ended meanwhile.
    pub(crate) fn hand(self, connection: HandOver, subscriber: Box<Subscriber>) {
        self.lanes[self.lane].push(Incoming::Upgraded(connection, subscriber));
        // The lane gives its place back.
        std::mem::forget(self);
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.lanes[self.lane].connections.fetch_sub(1, Relaxed);
    }
}

impl Drop for Inbox {
    /// Takes no more. Connections that were not taken are closed.
    fn drop(&mut self) {
        let connections = {
            let mut queue = self.lanes[self.lane].lock();
            queue.is_closed = true;
            std::mem::take(&mut queue.connections)
        };
        drop(connections);
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
        self.lanes[lane].push(Incoming::Accepted(connection));
        None
    }

    /// Takes the connections that were handed to this lane, which are counted already. Wakes this task if more come.
    pub(super) fn take(&self, context: &Context<'_>) -> Vec<Incoming> {
        let mut queue = self.lanes[self.lane].lock();
        match &mut queue.waker {
            Some(waker) => waker.clone_from(context.waker()),
            none => *none = Some(context.waker().clone()),
        }
        std::mem::take(&mut queue.connections)
    }

    /// Returns the lane that is to have the next connection: this one, unless it has many more than another.
    fn next(&self) -> usize {
        let fewest = self.lanes.iter().enumerate().min_by_key(|(_, other)| other.count());
        match fewest {
            Some((index, other)) if self.lanes[self.lane].count() > other.count() + SLACK => index,
            _ => self.lane,
        }
    }
}

impl Entry {
    fn count(&self) -> usize {
        self.connections.load(Relaxed)
    }

    /// Hands a connection to the lane, and wakes it.
    fn push(&self, connection: Incoming) {
        let waker = {
            let mut queue = self.lock();
            if queue.is_closed {
                return;
            }
            queue.connections.push(connection);
            queue.waker.take()
        };
        // Not under the lock: wakers run foreign code.
        waker.into_iter().for_each(Waker::wake);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
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
