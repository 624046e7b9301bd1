//! What this hub has seen of the stream, to detect a sequence that went back, as after a restore of a backup.

use std::sync::{Mutex, PoisonError};

use tidings_core::{Epoch, Id};

/// The newest entries that this hub has seen in one epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) epoch: Epoch,
    /// The newest sequence number of all messages that arrived or were acknowledged.
    pub(crate) head: u64,
    /// The newest message that arrived: its sequence number, and the broker's time at which it was stored.
    pub(crate) stamp: Option<(u64, i64)>,
}

/// What this hub has seen, shared by its tail and its publishes.
#[derive(Debug)]
pub(crate) struct Witness(Mutex<Seen>);

impl Seen {
    pub(crate) fn nothing_of(epoch: Epoch) -> Self {
        Self { epoch, head: 0, stamp: None }
    }
}

impl Witness {
    pub(crate) fn new(epoch: Epoch) -> Self {
        Self(Mutex::new(Seen::nothing_of(epoch)))
    }

    pub(crate) fn seen(&self) -> Seen {
        *self.lock()
    }

    /// Notes that this message exists. Ignored if its epoch is not the current one.
    pub(crate) fn saw(&self, id: Id) {
        let mut seen = self.lock();
        if seen.epoch == id.epoch {
            seen.head = seen.head.max(id.seq);
        }
    }

    /// Notes that this message arrived, and when the broker stored it. Ignored if its epoch is not the current one.
    pub(crate) fn saw_stamp(&self, id: Id, time: i64) {
        let mut seen = self.lock();
        if seen.epoch == id.epoch && seen.stamp.is_none_or(|(seq, _)| seq < id.seq) {
            seen.head = seen.head.max(id.seq);
            seen.stamp = Some((id.seq, time));
        }
    }

    /// Sets the epoch of the stream. Forgets what was seen if the epoch is another one.
    pub(crate) fn follow(&self, epoch: Epoch) {
        let mut seen = self.lock();
        if seen.epoch != epoch {
            *seen = Seen::nothing_of(epoch);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
