//! One history of the broker's stream, including the messages that the broker no longer has.

use tidings_core::broker::Stored;
use tidings_core::driver::Budget;
use tidings_core::{Epoch, Filters, Id, Notification};

/// All messages that were ever stored in one epoch. Messages that the broker no longer has are kept to check the
/// events of clients.
#[derive(Debug)]
pub(crate) struct History {
    pub(crate) epoch: Epoch,
    /// The broker no longer has messages up to this sequence number.
    pub(crate) floor: u64,
    /// `None` is a message of another program.
    messages: Vec<Option<Notification>>,
}

impl History {
    pub(crate) fn new(epoch: Epoch) -> Self {
        Self { epoch, floor: 0, messages: Vec::new() }
    }

    /// A new history without the newest messages of this one.
    pub(crate) fn gone_back(&self, newest: u64, epoch: Epoch) -> Self {
        let head = self.head().saturating_sub(newest);
        let messages = self.messages[..head as usize].to_vec();
        Self { epoch, floor: self.floor.min(head), messages }
    }

    pub(crate) fn head(&self) -> u64 {
        self.messages.len() as u64
    }

    pub(crate) fn store(&mut self, message: Option<Notification>, keep: u64) -> u64 {
        self.messages.push(message);
        self.floor = self.floor.max(self.head().saturating_sub(keep));
        self.head()
    }

    pub(crate) fn purge(&mut self) {
        self.floor = self.head();
    }

    /// The notification with this number, even if the broker no longer has it.
    pub(crate) fn at(&self, seq: u64) -> Option<&Notification> {
        self.messages.get(seq.checked_sub(1)? as usize)?.as_ref()
    }

    pub(crate) fn stored(&self, seq: u64) -> Stored {
        Stored { seq, notification: self.at(seq).cloned() }
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Notification> {
        self.messages.iter().flatten()
    }

    /// The first in `(after, before)` that matches the filters.
    pub(crate) fn first_match(&self, filters: &Filters, after: u64, before: u64) -> Option<Id> {
        let matches =
            |seq: &u64| self.at(*seq).is_some_and(|stored| filters.matches(stored.topic()));
        (after + 1..before).find(matches).map(|seq| self.epoch.id(seq))
    }

    /// The messages in `(after, up_to]` that match, within the budget, and the sequence number up to which all were
    /// read.
    pub(crate) fn read(
        &self,
        filters: &Filters,
        after: u64,
        up_to: u64,
        budget: Budget,
    ) -> (Vec<Stored>, u64) {
        let (mut found, mut bytes) = (Vec::new(), 0);
        let up_to = up_to.min(self.head()).max(after);
        for seq in after + 1..=up_to {
            let Some(notification) = self.at(seq) else { continue };
            if !filters.matches(notification.topic()) {
                continue;
            }
            bytes += notification.payload().len();
            if found.len() >= budget.entries || (!found.is_empty() && bytes > budget.bytes) {
                return (found, seq - 1);
            }
            found.push(self.stored(seq));
        }
        (found, up_to)
    }
}
