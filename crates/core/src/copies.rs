//! Counts the encoded copies that the entries of a log keep.

use std::sync::atomic::{AtomicUsize, Ordering};

/// The bytes of all encoded copies that the entries of one log keep, and their limit. Counting takes no lock.
#[derive(Debug)]
pub(crate) struct Copies {
    limit: usize,
    bytes: AtomicUsize,
}

/// The bytes that a copy takes besides its content: the shared part of [`Bytes`](bytes::Bytes), two headers of the
/// allocator, and the unused end of the buffer.
const FIXED: usize = 128;

impl Copies {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, bytes: AtomicUsize::new(0) }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// The bytes that a copy of this length counts.
    pub(crate) fn cost(length: usize) -> usize {
        length.saturating_add(FIXED)
    }

    pub(crate) fn has_room(&self, cost: usize) -> bool {
        self.bytes().saturating_add(cost) <= self.limit
    }

    /// Counts a copy of this cost if there is room for it.
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

    /// More than half of the limit is used, so old copies should be dropped.
    pub(crate) fn are_many(&self) -> bool {
        self.bytes() > self.limit / 2
    }
}
