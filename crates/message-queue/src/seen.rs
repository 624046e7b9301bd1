//! What this node has seen of the stream, so that it notices when the sequence goes back.

use std::sync::{Mutex, PoisonError};

use tidings_core::{Epoch, Id};

/// The newest that this node has seen in a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) epoch: Epoch,
    /// The newest sequence number: of a message that arrived or that was acknowledged.
    pub(crate) head: u64,
    /// The newest message that arrived, with the time at which the broker says it stored it.
    pub(crate) stamp: Option<(u64, i64)>,
}

/// The same, shared.
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

    /// A message of this history exists.
    pub(crate) fn saw(&self, id: Id) {
        let mut seen = self.lock();
        if seen.epoch == id.epoch {
            seen.head = seen.head.max(id.seq);
        }
    }

    /// A message of this history arrived.
    pub(crate) fn saw_stamp(&self, id: Id, time: i64) {
        let mut seen = self.lock();
        if seen.epoch == id.epoch && seen.stamp.is_none_or(|(seq, _)| seq < id.seq) {
            seen.head = seen.head.max(id.seq);
            seen.stamp = Some((id.seq, time));
        }
    }

    /// The broker's history is this one.
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
