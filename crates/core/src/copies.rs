//! The encoded copies that the entries of a log keep, counted.

use std::sync::atomic::{AtomicUsize, Ordering};

/// The bytes of all encoded copies that the entries of one log keep, and how many these may be. Lanes count what
/// they encode without a lock.
#[derive(Debug)]
pub(crate) struct Copies {
    limit: usize,
    bytes: AtomicUsize,
}

/// What a copy takes besides its bytes: the shared part of [`Bytes`](bytes::Bytes), the allocator's two headers,
/// and the few bytes by which a buffer may be longer than its content.
const FIXED: usize = 128;

impl Copies {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, bytes: AtomicUsize::new(0) }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// What a copy of this length counts.
    pub(crate) fn cost(length: usize) -> usize {
        length.saturating_add(FIXED)
    }

    /// Whether there is room for one more that counts so much.
    pub(crate) fn has_room(&self, cost: usize) -> bool {
        self.bytes().saturating_add(cost) <= self.limit
    }

    /// Counts one more, and returns `true`, if there is room for it.
    pub(crate) fn count(&self, cost: usize) -> bool {
        let before = self.bytes.fetch_add(cost, Ordering::Relaxed);
        let has_room = before.saturating_add(cost) <= self.limit;
        if !has_room {
            self.give_back(cost);
        }
        has_room
    }

    pub(crate) fn give_back(&self, cost: usize) {
        self.bytes.fetch_sub(cost, Ordering::Relaxed);
    }

    /// Whether so little room is left that old copies should make room for new ones.
    pub(crate) fn are_many(&self) -> bool {
        self.bytes() > self.limit / 2
    }
}
