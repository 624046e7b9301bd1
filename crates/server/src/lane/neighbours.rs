//! The lanes of a hub, side by side: a connection goes to the one that has the fewest.
//!
//! Whoever of several threads wakes first accepts, and in a rush that may be the same one again and again.
//! Its lane would then serve everyone, while the others have nothing to do for as long as those clients stay.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Waker};

use mio::net::TcpStream;

use crate::connected::Connected;

/// All lanes of a hub. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Neighbours(Arc<[Lane]>);

#[derive(Default)]
struct Lane {
    connections: AtomicUsize,
    incoming: Mutex<Incoming>,
}

#[derive(Default)]
struct Incoming {
    /// As many as there may be connections, for each has its place among them.
    connections: Vec<(TcpStream, Connected)>,
    waker: Option<Waker>,
}

/// How many more connections than another a lane may have: to hand one over costs the other thread a wake-up.
const SLACK: usize = 8;

impl Neighbours {
    pub(crate) fn new(lanes: usize) -> Self {
        Self((0..lanes).map(|_| Lane::default()).collect())
    }

    /// The lane has one more.
    pub(super) fn came(&self, lane: usize) {
        self.0[lane].connections.fetch_add(1, Relaxed);
    }

    /// The lane has one less.
    pub(super) fn left(&self, lane: usize) {
        self.0[lane].connections.fetch_sub(1, Relaxed);
    }

    /// The lane that is to have the next connection this one accepts: itself, unless it has many more than
    /// another.
    pub(super) fn next(&self, lane: usize) -> usize {
        let count = |lane: &Lane| lane.connections.load(Relaxed);
        let fewest = self.0.iter().enumerate().min_by_key(|(_, other)| count(other));
        match fewest {
            Some((index, other)) if count(&self.0[lane]) > count(other) + SLACK => index,
            _ => lane,
        }
    }

    /// Hands a connection to another lane, which counts as its own from now on.
    pub(super) fn hand(&self, lane: usize, socket: TcpStream, connected: Connected) {
        self.came(lane);
        let waker = {
            let mut incoming = self.0[lane].lock();
            incoming.connections.push((socket, connected));
            incoming.waker.take()
        };
        // Not under the lock: wakers run foreign code.
        waker.into_iter().for_each(Waker::wake);
    }

    /// What was handed to this lane; wakes this task when there is more.
    pub(super) fn take(&self, lane: usize, context: &Context<'_>) -> Vec<(TcpStream, Connected)> {
        let mut incoming = self.0[lane].lock();
        match &mut incoming.waker {
            Some(waker) => waker.clone_from(context.waker()),
            none => *none = Some(context.waker().clone()),
        }
        std::mem::take(&mut incoming.connections)
    }
}

impl Lane {
    fn lock(&self) -> std::sync::MutexGuard<'_, Incoming> {
        self.incoming.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rush_that_one_lane_accepts_is_spread_over_all() {
        let neighbours = Neighbours::new(3);
        let counts =
            || neighbours.0.iter().map(|lane| lane.connections.load(Relaxed)).collect::<Vec<_>>();
        for _ in 0..300 {
            neighbours.came(neighbours.next(0));
        }
        assert!(counts().iter().all(|&count| (90..=110).contains(&count)), "{:?}", counts());
        (0..50).for_each(|_| neighbours.left(2));
        assert_eq!(neighbours.next(1), 2, "who has lost many is next");
    }
}
