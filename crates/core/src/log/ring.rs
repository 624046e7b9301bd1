//! The retained entries of a log, and their eviction.

use std::collections::VecDeque;
use std::sync::Arc;

use super::newest::NewestByTopic;
use crate::copies::Copies;
use crate::dedup_window::DedupWindow;
use crate::{Entry, Epoch, Retention};

/// The retained entries. Their sequence numbers are contiguous, so finding one by its number is a subtraction.
#[derive(Debug)]
pub(super) struct Ring {
    pub(super) epoch: Epoch,
    /// The sequence number of `entries[0]`, or of the next entry in an empty ring.
    pub(super) first: u64,
    /// `None` is a message of a broker's stream that no hub can read.
    pub(super) entries: VecDeque<Option<Arc<Entry>>>,
    /// The bytes of the entries without their encoded copies.
    pub(super) bytes: usize,
    /// Entries before this sequence number keep no encoded copies.
    pub(super) copies_from: u64,
    /// The last sequence number that the broker no longer has. `None` without a broker.
    pub(super) broker_floor: Option<u64>,
    pub(super) dedup: DedupWindow,
    /// The index of the newest entry of each topic. `None` until the first reader begins with those.
    pub(super) newest: Option<Box<NewestByTopic>>,
    /// Once `true`, nothing more is added.
    pub(super) is_sealed: bool,
}

/// The bytes that a notification takes besides its topic, payload and headers: the entry, its place in the ring, the
/// counters of three shared allocations, and the allocator's headers.
pub(super) const ENTRY_OVERHEAD: usize = size_of::<Entry>() + 128;

/// The maximum number of entries that drop their encoded copies when one entry is added.
const MAX_STRIPPED_AT_ONCE: usize = 64;

impl Ring {
    /// An empty ring whose first entry will have the sequence number 1.
    pub(super) fn new(epoch: Epoch) -> Self {
        Self {
            epoch,
            first: 1,
            entries: VecDeque::new(),
            bytes: 0,
            copies_from: 1,
            broker_floor: None,
            dedup: DedupWindow::default(),
            newest: None,
            is_sealed: false,
        }
    }

    /// The sequence number of the next entry.
    pub(super) fn next(&self) -> u64 {
        self.first + self.entries.len() as u64
    }

    /// A retained entry, `None` if it is unreadable.
    ///
    /// # Panics
    /// Panics if the sequence number is not retained.
    pub(super) fn get(&self, seq: u64) -> Option<&Arc<Entry>> {
        self.entries[(seq - self.first) as usize].as_ref()
    }

    #[inline]
    pub(super) fn push(&mut self, entry: Option<Arc<Entry>>) {
        if let Some(entry) = &entry {
            self.bytes += weight(entry);
            if let Some(newest) = &mut self.newest {
                newest.on_append(entry.id().seq, entry.notification().topic());
            }
        }
        self.entries.push_back(entry);
    }

    /// Removes the oldest entries until the others are within the retention, and encoded copies if they are many.
    #[inline]
    pub(super) fn evict(&mut self, retention: &Retention, copies: &Copies) {
        // The newest entry stays whatever its size, because live readers have not read it yet.
        while self.entries.len() > 1
            && (self.entries.len() > retention.entries || self.bytes > retention.bytes)
        {
            self.first += 1;
            if let Some(oldest) = self.entries.pop_front().flatten() {
                self.bytes -= weight(&oldest);
                if let Some(newest) = &mut self.newest {
                    newest.on_evict(oldest.id().seq, oldest.notification().topic());
                }
            }
        }
        if copies.are_many() {
            self.strip_oldest(copies);
        }
    }

    /// Drops the encoded copies of the oldest entries that have any, so that there is room for those of the newest. A
    /// reader that holds such an entry keeps its copies until it drops the entry.
    ///
    /// Not inlined, because most publishes do not call it.
    #[inline(never)]
    fn strip_oldest(&mut self, copies: &Copies) {
        for _ in 0..MAX_STRIPPED_AT_ONCE {
            self.copies_from = self.copies_from.max(self.first);
            // The newest entry is about to be encoded.
            if self.copies_from + 1 >= self.next() || !copies.are_many() {
                return;
            }
            let index = (self.copies_from - self.first) as usize;
            if let Some(entry) = &mut self.entries[index]
                && let Some(without_copies) = entry.retire_copies()
            {
                *entry = Arc::new(without_copies);
            }
            self.copies_from += 1;
        }
    }

    /// Removes all entries. The next one has the sequence number `first`.
    pub(super) fn restart(&mut self, epoch: Epoch, first: u64) {
        self.entries.clear();
        (self.epoch, self.first, self.bytes) = (epoch, first, 0);
        self.copies_from = first;
        if let Some(newest) = &mut self.newest {
            newest.clear(first);
        }
    }
}

/// The bytes that an entry counts for [`Retention::bytes`].
fn weight(entry: &Entry) -> usize {
    let notification = entry.notification();
    let plain = ENTRY_OVERHEAD + notification.topic().as_str().len() + notification.payload().len();
    match notification.headers() {
        None => plain,
        Some(headers) => plain + headers.weight(),
    }
}
