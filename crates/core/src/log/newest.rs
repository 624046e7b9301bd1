//! An index of the newest retained notification of each topic.

use std::collections::HashMap;

use crate::{Filter, Filters, Topic};

/// An index of a log: each topic that has a retained notification, with the sequence number of the newest.
///
/// It is built from the retained notifications, newest first and in portions. Notifications that are added meanwhile
/// are newer than those that are not indexed yet.
#[derive(Debug)]
pub(crate) struct NewestByTopic {
    by_topic: HashMap<Topic, u64>,
    /// Entries before this sequence number are not indexed yet.
    not_indexed_before: u64,
    /// The last entry that was evicted while it was the newest of its topic. Includes entries for which that is
    /// unknown, because they were evicted before the index existed or before a later entry of the topic was indexed.
    last_lost: u64,
}

impl NewestByTopic {
    /// An empty index of a log whose entries are `first..next`.
    pub(crate) fn new(first: u64, next: u64) -> Self {
        let last_lost = first.saturating_sub(1);
        Self { by_topic: HashMap::new(), not_indexed_before: next, last_lost }
    }

    /// The sequence numbers to pass to [`index`](Self::index) next, newest first, at most `most` of them. None if all
    /// entries from `first` on are indexed.
    pub(crate) fn not_indexed(&self, first: u64, most: u64) -> impl Iterator<Item = u64> + use<> {
        (self.not_indexed_before.saturating_sub(most).max(first)..self.not_indexed_before).rev()
    }

    pub(crate) fn is_complete(&self, first: u64) -> bool {
        self.not_indexed_before <= first
    }

    /// Indexes an entry that [`not_indexed`](Self::not_indexed) has returned. `topic` is `None` for an unreadable
    /// entry.
    pub(crate) fn index(&mut self, seq: u64, topic: Option<&Topic>) {
        self.not_indexed_before = seq;
        if let Some(topic) = topic
            && !self.by_topic.contains_key(topic)
        {
            self.by_topic.insert(topic.clone(), seq);
        }
    }

    /// Records that a notification was added to the log. Not inlined, so that logs without an index do not pay for it.
    #[inline(never)]
    pub(crate) fn on_append(&mut self, seq: u64, topic: &Topic) {
        match self.by_topic.get_mut(topic) {
            Some(newest) => *newest = seq,
            None => drop(self.by_topic.insert(topic.clone(), seq)),
        }
    }

    /// Records that a notification was evicted from the log. Not inlined, so that logs without an index do not pay
    /// for it.
    #[inline(never)]
    pub(crate) fn on_evict(&mut self, seq: u64, topic: &Topic) {
        let is_not_indexed = seq < self.not_indexed_before && !self.by_topic.contains_key(topic);
        if is_not_indexed || self.is_newest(seq, topic) {
            self.by_topic.remove(topic);
            self.last_lost = seq;
        }
    }

    /// Records that all entries before `first` were evicted at once.
    pub(crate) fn clear(&mut self, first: u64) {
        *self = Self::new(first, first);
    }

    pub(crate) fn is_newest(&self, seq: u64, topic: &Topic) -> bool {
        self.by_topic.get(topic) == Some(&seq)
    }

    pub(crate) fn has_topic(&self, topic: &Topic) -> bool {
        self.by_topic.contains_key(topic)
    }

    /// The newest entry of each topic that matches, oldest first. `None` if that would take a look at more than `most`
    /// topics.
    pub(crate) fn matching(&self, filters: &Filters, most: u64) -> Option<Vec<u64>> {
        let are_topics = filters.iter().all(|filter| filter.as_topic().is_some());
        let mut found: Vec<u64> = if are_topics {
            let topics = filters.iter().filter_map(Filter::as_topic);
            topics.filter_map(|topic| self.by_topic.get(&topic).copied()).collect()
        } else if self.by_topic.len() as u64 <= most {
            let rows = self.by_topic.iter().filter(|(topic, _)| filters.matches(topic));
            rows.map(|(_, &seq)| seq).collect()
        } else {
            return None;
        };
        found.sort_unstable();
        found.dedup();
        Some(found)
    }

    /// Whether no entry after `after` was evicted while it was the newest of its topic.
    pub(crate) fn has_lost_none_after(&self, after: u64) -> bool {
        self.last_lost <= after
    }
}

#[cfg(test)]
mod tests;
