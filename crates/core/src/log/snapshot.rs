//! What readers need that begin with the newest entry of each topic ([`Position::Latest`](crate::Position::Latest)).

use std::collections::HashMap;
use std::sync::Arc;

use super::Log;
use super::newest::NewestByTopic;
use super::ring::Ring;
use crate::{Entry, Id, Snapshot, Topic};

/// The maximum number of entries that are indexed under one lock while the index is built. Publishers wait for that
/// long at most.
const MAX_INDEXED_AT_ONCE: u64 = 1024;

impl Log {
    /// Returns the position from which a new reader gets the newest retained notification of each topic.
    pub fn snapshot(&self) -> Snapshot {
        let head = self.head();
        Snapshot { after: head.epoch.id(0), upto: head.seq }
    }

    /// Builds the index of the newest entry of each topic, unless it is complete. After that the log keeps it up to
    /// date.
    ///
    /// Takes the lock once for each portion, so publishers wait for one portion at most. Concurrent callers share the
    /// work.
    pub(crate) fn index_newest(&self) {
        let is_complete =
            |ring: &Ring| ring.newest.as_ref().is_some_and(|newest| newest.is_complete(ring.first));
        if is_complete(&self.read_ring()) {
            return;
        }
        while !self.index_portion(MAX_INDEXED_AT_ONCE) {
            // Otherwise this thread might take the lock again before the threads that wait for it.
            std::thread::yield_now();
        }
    }

    /// Adds at most `most` entries to the index, and returns `true` once it is complete.
    pub(crate) fn index_portion(&self, most: u64) -> bool {
        let ring = &mut *self.write_ring();
        let (first, next) = (ring.first, ring.next());
        let newest = ring.newest.get_or_insert_with(|| Box::new(NewestByTopic::new(first, next)));
        for seq in newest.not_indexed(ring.first, most) {
            let entry = ring.entries[(seq - ring.first) as usize].as_ref();
            newest.index(seq, entry.map(|entry| entry.notification().topic()));
        }
        newest.is_complete(ring.first)
    }

    #[cfg(test)]
    pub(crate) fn inspect_index<T>(&self, inspect: impl FnOnce(&NewestByTopic) -> T) -> Option<T> {
        self.read_ring().newest.as_deref().map(inspect)
    }

    /// The position at which a reader of a snapshot can continue although the entries after `from` were evicted. `None`
    /// if it would miss the newest entry of a topic, or the entries are retained.
    pub(crate) fn after_superseded(&self, from: Snapshot) -> Option<Id> {
        let ring = self.read_ring();
        let Snapshot { after, upto } = from;
        let reached = upto.min(ring.first - 1);
        let newest = ring.newest.as_ref()?;
        // A reader that has read nothing yet begins with what is retained now.
        let loses_none = after.seq == 0 || newest.has_lost_none_after(after.seq);
        let moves = after.epoch == ring.epoch && after.seq < reached;
        (moves && loses_none).then(|| ring.epoch.id(reached))
    }

    /// Removes the entries up to and including `up_to` that are not the newest of their topic. `found` are entries
    /// that the broker has and the log has evicted.
    pub(crate) fn remove_superseded(&self, found: &mut Vec<Arc<Entry>>, up_to: u64) {
        let place = |entry: &Arc<Entry>| (entry.notification().topic().clone(), entry.id().seq);
        // The last entry of each topic wins.
        let last: HashMap<Topic, u64> = found.iter().map(place).collect();
        let ring = self.read_ring();
        found.retain(|entry| {
            let (topic, Id { epoch, seq }) = (entry.notification().topic(), entry.id());
            let is_in_log = epoch == ring.epoch
                && ring.newest.as_ref().is_some_and(|newest| newest.has_topic(topic));
            seq > up_to || (!is_in_log && last.get(topic) == Some(&seq))
        });
    }
}
