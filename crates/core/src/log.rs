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
/// By itself it is the whole of the stream. Over a broker that many hubs share it is the newest part of
/// the broker's, and what it has evicted the broker may still have.
///
/// ```
/// use tidings_core::{Epoch, Log, Notification, Retention, driver::WakerSet};
///
/// let log = Log::new(Epoch::random(), Retention::default(), WakerSet::default());
/// let id = log.append(Notification::text("t".parse()?, "first"), None).expect("it is not sealed");
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

/// One part in so many of the retained bytes is for encoded copies.
const COPIES_SHARE: usize = 4;

impl Log {
    /// An empty log that wakes the waiters whenever it grows.
    pub fn new(epoch: Epoch, retention: Retention, wakers: WakerSet) -> Self {
        // The bytes for copies are not available to notifications.
        let for_copies = retention.bytes / COPIES_SHARE;
        let retention = Retention { bytes: retention.bytes - for_copies, ..retention };
        let copies = Arc::new(Copies::new(for_copies));
        Self { retention, wakers, copies, ring: RwLock::new(Ring::new(epoch)) }
    }

    /// Adds a notification, evicts what the retention no longer holds, and wakes the readers. Where one with
    /// the same key was added lately, nothing is done, and its id returned. `None` where the log is sealed.
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

    /// Goes on with a broker's stream, behind `after`. What the log has stays where that is its end.
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

    /// Adds what has arrived from the broker, in order; false where the log is sealed.
    pub(crate) fn store(&self, arrived: impl IntoIterator<Item = Stored>) -> bool {
        {
            let mut ring = self.write_ring();
            if ring.is_sealed {
                return false;
            }
            for Stored { seq, notification } in arrived {
                // What lies between was taken out of the stream before it could be read.
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

    /// Takes no more notifications: whoever reads up to the head from now on has read everything there
    /// will ever be.
    pub fn seal(&self) {
        self.write_ring().is_sealed = true;
    }

    /// The history that this log counts.
    pub fn epoch(&self) -> Epoch {
        self.read_ring().epoch
    }

    /// The position of the newest notification; sequence number 0 before the first.
    pub fn head(&self) -> Id {
        let ring = self.read_ring();
        ring.epoch.id(ring.next() - 1)
    }

    /// The position before the oldest notification that can be had: reading from here loses nothing.
    pub fn tail(&self) -> Id {
        let ring = self.read_ring();
        ring.epoch.id(ring.broker_floor.unwrap_or(ring.first - 1))
    }

    /// The position before the oldest notification that is here, and not only in the broker.
    pub fn own_tail(&self) -> Id {
        let ring = self.read_ring();
        ring.epoch.id(ring.first - 1)
    }

    /// Whether there is a broker below, so that others may be ahead of this log.
    pub(crate) fn has_broker(&self) -> bool {
        self.read_ring().broker_floor.is_some()
    }

    /// The number of retained notifications and their bytes, as the retention counts them: their encoded copies
    /// included.
    pub fn size(&self) -> (usize, usize) {
        let ring = self.read_ring();
        (ring.entries.len(), ring.bytes + self.copies.bytes())
    }

    // A panic under this lock could only come from an allocation that fails; the ring is whole even then.
    fn read_ring(&self) -> RwLockReadGuard<'_, Ring> {
        self.ring.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_ring(&self) -> RwLockWriteGuard<'_, Ring> {
        self.ring.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
