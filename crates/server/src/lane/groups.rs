//! Which clients are sent the same bytes.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use foldhash::fast::RandomState;
use prometheus_client::metrics::counter::Counter;
use slab::Slab;
use tidings_core::driver::FilterIndex;
use tidings_core::{Event, Interest};
use tidings_transport::Encoder;
use tidings_transport::compression::Compressor;

use super::client::SpareDecoder;
use super::group::{AnswerHead, Ending, Group, Key};
use super::short::{self, Short};
use crate::response;

/// The groups of a lane, an index of their filters, and the membership of each client.
#[derive(Default)]
pub(super) struct Groups {
    /// The lines of a head that keep a connection open.
    keep_alive: Bytes,
    groups: Slab<Group>,
    by_key: HashMap<Key, usize, RandomState>,
    by_filter: FilterIndex<Named>,
    /// Indexed by the keys of connections.
    memberships: Vec<Option<Membership>>,
    /// Groups whose last member has left. They are removed if no client has joined since.
    deserted: Vec<usize>,
}

/// The group of a client, and the index of the client in its members.
#[derive(Clone, Copy, Debug)]
struct Membership {
    group: Short,
    place: Short,
}

/// The groups that have one filter. It is nearly always one group, which is stored without an allocation. One of
/// several groups is removed without a search.
#[expect(clippy::box_collection, reason = "an index for each filter is as small as a pointer")]
enum Named {
    One(usize),
    Several(Box<HashSet<usize, RandomState>>),
}

impl Groups {
    /// `keep_alive` has the header lines of [`response::keep_alive`].
    pub(super) fn new(keep_alive: Bytes) -> Self {
        Self { keep_alive, ..Self::default() }
    }

    /// Adds a client to its group, which is created for its first client.
    pub(super) fn join(
        &mut self,
        client: usize,
        encoder: &Arc<dyn Encoder>,
        interest: Interest,
        answer: Option<AnswerHead>,
        compressor: Option<Compressor>,
        delivered: impl FnOnce() -> Counter,
    ) -> &Group {
        let index = self.find_or_make(encoder, interest, answer, compressor, delivered);
        let members = &mut self.groups[index].members;
        let membership =
            Membership { group: Short::index(index), place: Short::index(members.len()) };
        members.push(short::key(client));
        if self.memberships.len() <= client {
            self.memberships.resize(client + 1, None);
        }
        self.memberships[client] = Some(membership);
        &self.groups[index]
    }

    /// Removes a client from its group, if it is in one.
    pub(super) fn leave(&mut self, client: usize) {
        let Some(membership) = self.memberships.get_mut(client).and_then(Option::take) else {
            return;
        };
        let (group, place) = (membership.group.to_index(), membership.place.to_index());
        let members = &mut self.groups[group].members;
        members.swap_remove(place);
        if members.is_empty() {
            self.deserted.push(group);
        }
        // `swap_remove` has moved the last member to this place.
        if let Some(&moved) = members.get(place) {
            self.memberships[moved as usize] = Some(membership);
        }
    }

    /// Moves a poll to the group of polls whose head has been sent. Returns the head to send, or `None` if the client
    /// is not a poll.
    pub(super) fn open_answer(&mut self, client: usize) -> Option<Bytes> {
        let group = self.of(client)?;
        let head = group.answer.as_ref()?.0.head.clone();
        let bytes = response::poll_head(&head, response::CLOSE);
        let (encoder, interest) = (group.encoder.clone(), group.interest().clone());
        let delivered = group.delivered.clone();
        self.leave(client);
        let sent = AnswerHead { head, ending: Ending::Sent };
        // The head that was sent has no `Content-Encoding`.
        self.join(client, &encoder, interest, Some(sent), None, || delivered);
        Some(bytes)
    }

    pub(super) fn of(&self, client: usize) -> Option<&Group> {
        let membership = self.memberships.get(client).copied().flatten()?;
        self.groups.get(membership.group.to_index())
    }

    /// The decoder that a client may borrow, `None` if it is in no group.
    pub(super) fn decoder(&mut self, client: usize) -> Option<&mut SpareDecoder> {
        let membership = self.memberships.get(client).copied().flatten()?;
        let group = self.groups.get_mut(membership.group.to_index())?;
        if group.decoder.is_none() {
            group.decoder = group.encoder.decoder();
        }
        Some(&mut group.decoder)
    }

    /// Removes the groups that have no members.
    pub(super) fn sweep(&mut self) {
        while let Some(index) = self.deserted.pop() {
            if self.groups.get(index).is_some_and(|group| group.members.is_empty()) {
                self.remove(index);
            }
        }
    }

    /// Adds an entry to the pending events of each group that wants it. Appends the indices of groups that had none
    /// before to `touched`.
    pub(super) fn offer(&mut self, event: &Event, touched: &mut Vec<usize>) {
        let Event::Deliver(entry) = event else { return };
        let groups = &mut self.groups;
        let mut put = |index: usize| {
            let group = &mut groups[index];
            // A group is visited once for each of its filters that matches.
            let has_it = matches!(group.pending.last(),
                Some(Event::Deliver(last)) if Arc::ptr_eq(last, entry));
            if !has_it {
                if group.pending.is_empty() {
                    touched.push(index);
                }
                group.pending.push(event.clone());
            }
        };
        self.by_filter.visit_matches(entry.notification().topic(), |named| match named {
            Named::One(index) => put(*index),
            Named::Several(indices) => indices.iter().for_each(|&index| put(index)),
        });
    }

    pub(super) fn get_mut(&mut self, index: usize) -> &mut Group {
        &mut self.groups[index]
    }

    fn find_or_make(
        &mut self,
        encoder: &Arc<dyn Encoder>,
        interest: Interest,
        answer: Option<AnswerHead>,
        compressor: Option<Compressor>,
        delivered: impl FnOnce() -> Counter,
    ) -> usize {
        let key = Key::new(encoder, interest, answer.as_ref(), compressor);
        if let Some(&group) = self.by_key.get(&key) {
            return group;
        }
        let group = Group::new(key.clone(), encoder, answer, delivered(), &self.keep_alive);
        let index = self.groups.insert(group);
        for filter in key.interest().filters().iter() {
            match self.by_filter.get_mut(filter) {
                Some(named) => named.add(index),
                None => drop(self.by_filter.insert(filter.clone(), Named::One(index))),
            }
        }
        self.by_key.insert(key, index);
        index
    }

    fn remove(&mut self, index: usize) {
        let group = self.groups.remove(index);
        self.by_key.remove(&group.key);
        for filter in group.interest().filters().iter() {
            if let Some(named) = self.by_filter.get_mut(filter)
                && named.remove(index)
            {
                self.by_filter.remove(filter);
            }
        }
    }
}

impl Named {
    fn add(&mut self, index: usize) {
        match self {
            // The group has the same filter twice.
            Self::One(only) if *only == index => {}
            Self::One(first) => {
                *self = Self::Several(Box::new(HashSet::from_iter([*first, index])));
            }
            Self::Several(indices) => drop(indices.insert(index)),
        }
    }

    /// Removes a group. Returns `true` if no group is left.
    fn remove(&mut self, index: usize) -> bool {
        match self {
            Self::One(only) => *only == index,
            Self::Several(indices) => {
                indices.remove(&index);
                indices.is_empty()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidings_core::{Entry, Epoch, Id, Notification};
    use tidings_transport::Compression;
    use tidings_transport::compression::CompressionConfig;

    /// Encodes nothing.
    #[derive(Debug)]
    struct Silent;

    impl Encoder for Silent {
        fn encode(&self, _: &[Event], _: Id) -> Bytes {
            Bytes::new()
        }
    }

    /// Encodes nothing, as messages that can be compressed.
    #[derive(Debug)]
    struct Deflated;

    impl Encoder for Deflated {
        fn encode(&self, _: &[Event], _: Id) -> Bytes {
            Bytes::new()
        }

        fn compression(&self) -> Option<Compression> {
            Some(Compression::Messages)
        }
    }

    fn entry(topic: &str) -> Event {
        let notification = Notification::text(topic.parse().unwrap(), "");
        Event::Deliver(Arc::new(Entry::new(Epoch::from_number(1).id(1), notification)))
    }

    fn join(
        groups: &mut Groups,
        encoder: &Arc<dyn Encoder>,
        client: usize,
        filters: &str,
    ) -> usize {
        let interest = Interest::new(filters.parse().unwrap());
        groups.join(client, encoder, interest, None, None, Counter::default);
        groups.memberships[client].unwrap().group.to_index()
    }

    fn touched(groups: &mut Groups, topic: &str) -> Vec<usize> {
        let mut touched = Vec::new();
        groups.offer(&entry(topic), &mut touched);
        touched.sort_unstable();
        touched
    }

    #[test]
    fn a_membership_is_small() {
        assert_eq!(size_of::<Option<Membership>>(), 8, "each client has one");
    }

    #[test]
    fn an_entry_goes_once_to_each_group_that_wants_it_and_to_no_other() {
        let encoder: Arc<dyn Encoder> = Arc::new(Silent);
        let mut groups = Groups::default();
        let made = ["a", "a,*", "b", ">"]
            .into_iter()
            .enumerate()
            .map(|(client, filters)| join(&mut groups, &encoder, client, filters))
            .collect::<Vec<_>>();
        assert_eq!(join(&mut groups, &encoder, 4, "a"), made[0], "equal clients share a group");

        let [a, both, other, all] = made[..] else { panic!("four groups") };
        let found = touched(&mut groups, "a");
        assert_eq!(found, [a, both, all]);
        assert!(found.iter().all(|&index| groups.get_mut(index).pending.len() == 1));
        assert!(groups.get_mut(other).pending.is_empty());

        (0..5).for_each(|client| groups.leave(client));
        groups.sweep();
        assert!(touched(&mut groups, "a").is_empty() && groups.by_filter.is_empty());
    }

    #[test]
    fn clients_of_two_compressors_share_a_group_only_if_nothing_is_compressed() {
        let compressors = [(); 2].map(|()| Compressor::new(CompressionConfig::default()));
        let silent: Arc<dyn Encoder> = Arc::new(Silent);
        let deflated: Arc<dyn Encoder> = Arc::new(Deflated);
        for (encoder, expected) in [(silent, 1), (deflated, 3)] {
            let mut groups = Groups::default();
            let [first, second] = compressors.clone().map(Some);
            for (client, compressor) in [first.clone(), second, None, first].into_iter().enumerate()
            {
                let interest = Interest::new("a".parse().unwrap());
                groups.join(client, &encoder, interest, None, compressor, Counter::default);
            }
            assert_eq!(touched(&mut groups, "a").len(), expected);
        }
    }

    #[test]
    fn groups_with_the_same_filters_are_removed_one_by_one() {
        let encoder: Arc<dyn Encoder> = Arc::new(Silent);
        let mut groups = Groups::default();
        let made: Vec<usize> = (0..3)
            .map(|client| join(&mut groups, &encoder, client, &format!("a.*,a.*,b,own.{client}")))
            .collect();
        for gone in 0..3 {
            for topic in ["a.x", "b"] {
                let found = touched(&mut groups, topic);
                assert_eq!(found, made[gone..]);
                found.iter().for_each(|&group| groups.get_mut(group).pending.clear());
            }
            groups.leave(gone);
            groups.sweep();
        }
        assert!(groups.by_filter.is_empty());
    }

    #[test]
    fn a_member_that_leaves_gives_its_place_to_the_last_one() {
        let encoder: Arc<dyn Encoder> = Arc::new(Silent);
        let mut groups = Groups::default();
        for client in 0..4 {
            join(&mut groups, &encoder, client, "a");
        }
        for (leaves, left) in [(1, &[0, 3, 2][..]), (3, &[0, 2]), (0, &[2])] {
            groups.leave(leaves);
            assert_eq!(groups.of(2).unwrap().members, left);
        }
        assert!(groups.of(0).is_none());
    }
}
