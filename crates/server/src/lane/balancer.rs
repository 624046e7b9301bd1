//! Spreads connections over the lanes of a server. A lane keeps a connection that it accepts, unless another lane has
//! many fewer.
//!
//! The thread that wakes first accepts, and that may be the same thread many times in a row. Without the balancer, its
//! lane would serve all of these clients, and the other lanes would be idle for as long as they stay.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Waker};

use tidings_transport::mount::Subscriber;

use crate::handover::{Admitted, HandOver};

/// The lanes of a server. Cloning is cheap.
#[derive(Clone)]
pub(crate) struct Balancer(Arc<[Entry]>);

/// One of the lanes, which takes the connections that others hand to it.
pub(crate) struct Inbox {
    lanes: Arc<[Entry]>,
    lane: usize,
}

/// A place for one connection on a lane. Dropping it frees the place.
pub(crate) struct Reserved {
    lanes: Arc<[Entry]>,
    lane: usize,
    /// Whether the lane has the connection. Then the lane frees the place.
    is_handed_over: bool,
}

/// A connection for a lane, which is counted already.
pub(super) enum Incoming {
    /// A connection that another lane has accepted. Its first request is not read yet.
    Accepted(Admitted),
    /// A connection that another HTTP server has upgraded, with its client.
    Upgraded(HandOver, Box<Subscriber>),
}

#[derive(Default)]
struct Entry {
    connections: AtomicUsize,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    /// Bounded by the limit of connections, because each has a permit.
    connections: VecDeque<Incoming>,
    waker: Option<Waker>,
    /// Whether the lane has ended. Then it takes no more connections.
    is_closed: bool,
}

/// The most connections that a lane takes in one turn.
const TAKES: usize = 256;

/// How many more connections than another lane one lane may have. A connection that is handed to another lane wakes its
/// thread.
const SLACK: usize = 8;

impl Balancer {
    pub(crate) fn new(lanes: usize) -> Self {
        Self((0..lanes).map(|_| Entry::default()).collect())
    }

    pub(crate) fn inbox(&self, lane: usize) -> Inbox {
        Inbox { lanes: self.0.clone(), lane }
    }

    /// Reserves a place on the lane that has the fewest connections. `None` if that lane has ended.
    pub(crate) fn reserve(&self) -> Option<Reserved> {
        let (lane, entry) = self.0.iter().enumerate().min_by_key(|(_, lane)| lane.count())?;
        {
            let queue = entry.lock();
            if queue.is_closed {
                return None;
            }
            // Counted under the lock, so that the lane cannot end between the check and the count.
            entry.connections.fetch_add(1, Relaxed);
        }
        Some(Reserved { lanes: self.0.clone(), lane, is_handed_over: false })
    }
}

impl Reserved {
    /// Hands an upgraded connection over to the lane. Closes it if the lane has ended, which happens only if the server
    /// has waited too long for its reserved places.
    pub(crate) fn hand_over(mut self, connection: HandOver, subscriber: Box<Subscriber>) {
        self.is_handed_over = true;
        self.lanes[self.lane].push(Incoming::Upgraded(connection, subscriber));
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        if !self.is_handed_over {
            let entry = &self.lanes[self.lane];
            entry.connections.fetch_sub(1, Relaxed);
            // The lane may have waited for this place before it ends.
            let waker = entry.lock().waker.take();
            waker.into_iter().for_each(Waker::wake);
        }
    }
}

impl Drop for Inbox {
    /// Ends the queue. Connections that the lane has not taken are closed.
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
    /// Adds one to the connections of this lane.
    pub(super) fn joined(&self) {
        self.lanes[self.lane].connections.fetch_add(1, Relaxed);
    }

    /// Subtracts one from the connections of this lane.
    pub(super) fn left(&self) {
        self.lanes[self.lane].connections.fetch_sub(1, Relaxed);
    }

    /// Counts the connection, and returns it if this lane should serve it. Otherwise hands it to the lane that has the
    /// fewest connections.
    pub(super) fn balance(&self, connection: Admitted) -> Option<Admitted> {
        let lane = self.next();
        self.lanes[lane].connections.fetch_add(1, Relaxed);
        if lane == self.lane {
            return Some(connection);
        }
        self.lanes[lane].push(Incoming::Accepted(connection));
        None
    }

    /// Takes at most [`TAKES`] of the connections that were handed to this lane. They are counted already. Wakes this
    /// task if there are more, or if more come.
    pub(super) fn take(&self, context: &Context<'_>) -> Vec<Incoming> {
        let mut queue = self.lanes[self.lane].lock();
        match &mut queue.waker {
            Some(waker) => waker.clone_from(context.waker()),
            none => *none = Some(context.waker().clone()),
        }
        // Nearly always there is none.
        if queue.connections.is_empty() {
            return Vec::new();
        }
        let count = queue.connections.len().min(TAKES);
        let taken = queue.connections.drain(..count).collect();
        if !queue.connections.is_empty() {
            context.waker().wake_by_ref();
        }
        taken
    }

    /// Closes the queue and returns `true` if this lane has no connection and no reserved place.
    pub(super) fn close_if_empty(&self) -> bool {
        let entry = &self.lanes[self.lane];
        let mut queue = entry.lock();
        queue.is_closed = entry.count() == 0;
        queue.is_closed
    }

    /// The lane that should serve the next connection: this one, unless it has many more connections than another.
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

    /// Hands a connection to the lane, and wakes it. Closes the connection if the lane has ended.
    fn push(&self, connection: Incoming) {
        let waker = {
            let mut queue = self.lock();
            if queue.is_closed {
                return;
            }
            queue.connections.push_back(connection);
            queue.waker.take()
        };
        // Not under the lock, because a waker may run any code.
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
    fn a_lane_does_not_end_while_it_has_a_reserved_place() {
        let balancer = Balancer::new(1);
        let inbox = balancer.inbox(0);
        let reserved = balancer.reserve().unwrap();
        assert!(!inbox.close_if_empty());
        drop(reserved);
        assert!(inbox.close_if_empty());
        assert!(balancer.reserve().is_none(), "it has ended");
        drop(inbox);
        assert_eq!(Arc::strong_count(&balancer.0), 1, "nothing is left of the places");
    }

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
