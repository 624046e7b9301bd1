//! The bounded log that every cursor reads.

mod newest;
mod read;
mod ring;
mod snapshot;

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

pub(crate) use read::ReadError;

use crate::copies::Copies;
use crate::{Entry, Epoch, Id, IdempotencyKey, Notification, Retention, Stored, Tail, WakerSet};
use ring::Ring;

/// The notifications of one hub, oldest first, each with its place in one hub-wide sequence.
///
/// Without a broker, only the log retains notifications. With a broker, the log is the newest part of the broker's
/// stream, which many hubs share, and the broker may still have notifications that the log has evicted.
///
/// ```
/// use tidings_core::{Epoch, Log, Notification, Retention, driver::WakerSet};
///
/// let log = Log::new(Epoch::random(), Retention::default(), WakerSet::default());
/// let id = log.append(Notification::text("t".parse()?, "first"), None).expect("the log is not sealed");
/// assert_eq!(id.seq, 1);
/// assert_eq!(log.head(), id);
/// # Ok::<(), tidings_core::ParseTopicError>(())
/// ```
#[derive(Debug)]
pub struct Log {
    retention: Retention,
    wakers: WakerSet,
    copies: Arc<Copies>,
    ring: RwLock<Ring>,
}

/// One part in `COPIES_SHARE` of the retained bytes is for encoded copies.
const COPIES_SHARE: usize = 4;

impl Log {
    /// Creates an empty log that wakes all waiters of `wakers` when it grows.
    pub fn new(epoch: Epoch, retention: Retention, wakers: WakerSet) -> Self {
        let for_copies = retention.bytes / COPIES_SHARE;
        let retention = Retention { bytes: retention.bytes - for_copies, ..retention };
        let copies = Arc::new(Copies::new(for_copies));
        Self { retention, wakers, copies, ring: RwLock::new(Ring::new(epoch)) }
    }

    /// Adds a notification, evicts the oldest ones that exceed the retention, and wakes the readers. The result is the
    /// id of the notification, or `None` if the log is sealed.
    ///
    /// If a notification with the same key was added within the last two minutes, adds nothing and returns its id.
    pub fn append(&self, notification: Notification, key: Option<IdempotencyKey>) -> Option<Id> {
        let id = {
            let mut ring = self.write_ring();
            if ring.is_sealed {
                return None;
            }
            let id = ring.epoch.id(ring.next());
            if let Some(key) = key
                && let Some(seq) = ring.dedup.get_or_insert(key, id.seq)
            {
                return Some(ring.epoch.id(seq));
            }
            ring.push(Some(Arc::new(Entry::counted(id, notification, &self.copies))));
            ring.evict(&self.retention, &self.copies);
            id
        };
        self.wakers.wake_all();
        Some(id)
    }

    /// Continues with a broker's tail. Keeps the entries that it has if the tail begins right after them, and removes
    /// them otherwise.
    pub(crate) fn follow(&self, tail: &Tail) {
        {
            let mut ring = self.write_ring();
            if ring.epoch != tail.epoch || ring.next() != tail.after + 1 {
                ring.restart(tail.epoch, tail.after + 1);
            }
            ring.broker_floor = Some(tail.floor);
        }
        self.wakers.wake_all();
    }

    /// Adds messages of the broker's stream, in order. Returns `false` and adds nothing if the log is sealed.
    pub(crate) fn store(&self, arrived: impl IntoIterator<Item = Stored>) -> bool {
        {
            let mut ring = self.write_ring();
            if ring.is_sealed {
                return false;
            }
            for Stored { seq, notification } in arrived {
                // The messages in between were removed from the stream before the hub received them.
                if seq > ring.next() {
                    let epoch = ring.epoch;
                    ring.restart(epoch, seq);
                    ring.broker_floor = Some(seq - 1);
                }
                if seq == ring.next() {
                    let id = ring.epoch.id(seq);
                    let entry = |one| Arc::new(Entry::counted(id, one, &self.copies));
                    ring.push(notification.map(entry));
                    ring.evict(&self.retention, &self.copies);
                }
            }
        }
        self.wakers.wake_all();
        true
    }

    /// Makes the head final: from now on no notification is added.
    pub fn seal(&self) {
        self.write_ring().is_sealed = true;
    }

    /// Returns the epoch of the log's sequence numbers.
    pub fn epoch(&self) -> Epoch {
        self.read_ring().epoch
    }

    /// Returns the position of the newest notification. Its sequence number is 0 before the first one.
    pub fn head(&self) -> Id {
        let ring = self.read_ring();
        ring.epoch.id(ring.next() - 1)
    }

    /// Returns the position before the oldest notification that the log or its broker still has. Reading from here
    /// misses nothing that is retained.
    pub fn floor(&self) -> Id {
        let ring = self.read_ring();
        ring.epoch.id(ring.broker_floor.unwrap_or(ring.first - 1))
    }

    /// Returns the position before the oldest notification in the log itself.
    pub fn own_floor(&self) -> Id {
        let ring = self.read_ring();
        ring.epoch.id(ring.first - 1)
    }

    /// Other hubs may be ahead of a log that follows a broker.
    pub(crate) fn has_broker(&self) -> bool {
        self.read_ring().broker_floor.is_some()
    }

    /// Returns the number of retained notifications and their bytes, as [`Retention::bytes`] counts them: with their
    /// encoded copies.
    pub fn size(&self) -> (usize, usize) {
        let ring = self.read_ring();
        (ring.entries.len(), ring.bytes + self.copies.bytes())
    }

    // Only a failed allocation can panic under this lock, and the ring is consistent even then.
    fn read_ring(&self) -> RwLockReadGuard<'_, Ring> {
        self.ring.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_ring(&self) -> RwLockWriteGuard<'_, Ring> {
        self.ring.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
