//! Groups of clients that are sent the same bytes.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use foldhash::fast::RandomState;
use http::Response;
use prometheus_client::metrics::counter::Counter;
use slab::Slab;
use tidings_core::driver::FilterIndex;
use tidings_core::{Event, Id, Interest};
use tidings_transport::compression::{Compressor, is_alive};
use tidings_transport::{Encoder, Message};

use super::client::SpareDecoder;
use super::compressed::{Compressed, Sync, Takers};
use super::fan_out::Deliveries;
use super::peer::Peer;
use super::short::{self, Short};
use super::status::Status;
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

/// Clients with the same encoder and interest.
pub(super) struct Group {
    key: Key,
    answer: Option<(AnswerHead, Bytes)>,
    encoder: Arc<dyn Encoder>,
    /// Whether its members can send messages, and so can answer a heartbeat.
    pub(super) can_answer: bool,
    /// The decoder that members borrow. `None` if a member that has sent a part of a message keeps it.
    decoder: SpareDecoder,
    pub(super) interest: Interest,
    /// The compressed stream that its members read, if they are sent compressed bytes.
    pub(super) compressed: Option<Compressed>,
    /// Compresses the answers to its polls, if they accept that.
    compressor: Option<Compressor>,
    /// The keys of its members.
    pub(super) members: Vec<u32>,
    /// The events of the current pass for its members.
    pub(super) pending: Vec<Event>,
    /// Counts the notifications that were delivered to its members.
    pub(super) delivered: Counter,
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

/// The key of a group. Clients with equal keys are sent the same bytes. Encoders and heads are compared by their
/// addresses. The group keeps both, so no other encoder or head can have the same address.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    encoder: usize,
    interest: Interest,
    answer: Option<(usize, Ending)>,
}

/// The head of the answers of a group of polls, and how it ends.
#[derive(Clone)]
pub(super) struct AnswerHead {
    pub(super) head: Arc<Response<()>>,
    pub(super) ending: Ending,
}

/// How the head of a response ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Ending {
    /// The connection stays open.
    Open,
    /// The connection ends with the answer.
    Last,
    /// The connection ends with the answer, and the head has already been sent.
    Sent,
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
        let (encoder, interest) = (group.encoder.clone(), group.interest.clone());
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
        let identity = |answer: &AnswerHead| (Arc::as_ptr(&answer.head).addr(), answer.ending);
        let key = Key {
            encoder: Arc::as_ptr(encoder).addr(),
            interest,
            answer: answer.as_ref().map(identity),
        };
        if let Some(&group) = self.by_key.get(&key) {
            return group;
        }
        let with_bytes = |answer: AnswerHead| {
            let bytes = match answer.ending {
                Ending::Open => response::poll_head(&answer.head, &self.keep_alive),
                Ending::Last => response::poll_head(&answer.head, response::CLOSE),
                Ending::Sent => Bytes::new(),
            };
            (answer, bytes)
        };
        let decoder = encoder.decoder();
        let compressor = compressor.filter(|_| encoder.compression().is_some());
        let stream = |compressor: &Compressor| compressor.stream(encoder, &key.interest);
        let (compressed, compressor) = match &answer {
            None => (compressor.as_ref().and_then(stream).map(Compressed::new), None),
            Some(_) => (None, compressor),
        };
        let group = Group {
            compressed,
            compressor,
            can_answer: decoder.is_some(),
            decoder,
            answer: answer.map(with_bytes),
            encoder: encoder.clone(),
            interest: key.interest.clone(),
            members: Vec::new(),
            pending: Vec::new(),
            delivered: delivered(),
            key: key.clone(),
        };
        let index = self.groups.insert(group);
        for filter in key.interest.filters().iter() {
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
        for filter in group.interest.filters().iter() {
            if let Some(named) = self.by_filter.get_mut(filter)
                && named.remove(index)
            {
                self.by_filter.remove(filter);
            }
        }
    }
}

impl Group {
    /// Encodes these events for one write to each member. `position` is the position of the members after them.
    pub(super) fn encode(&self, events: &[Event], position: Id) -> Bytes {
        let body = self.encoder.encode(events, position);
        match &self.answer {
            Some((_, head)) => {
                let compressor = self.compressor.as_ref();
                match compressor.and_then(|compressor| compressor.answer(events, &body)) {
                    Some(gzip) => response::gzip_poll(head, &gzip),
                    None => response::poll(head, &body),
                }
            }
            None => body,
        }
    }

    /// Encodes these events for one member only, whose state of compression is `sync`.
    pub(super) fn encode_alone(&self, events: &[Event], position: Id, sync: &mut Sync) -> Bytes {
        let plain = self.encode(events, position);
        if !self.is_gzip() {
            return plain;
        }
        sync.encode_alone(&plain, matches!(events.last(), Some(Event::Goodbye(_))))
    }

    /// Encodes the events of a pass for the takers.
    pub(super) fn encode_compressed(
        &mut self,
        events: &[Event],
        position: Id,
        takers: &Takers,
        peers: &mut Slab<Peer>,
        deliveries: &mut Deliveries,
    ) {
        let plain = if self.is_gzip() { self.encode(events, position) } else { Bytes::new() };
        if let Some(compressed) = &mut self.compressed {
            compressed.encode(events, &plain, position, takers, peers, deliveries);
        }
    }

    /// Whether a member that is in sync needs no heartbeat: see [`is_alive`].
    pub(super) fn makes_heartbeat_needless(&self, status: &Status) -> bool {
        let interval = status.hub.heartbeat().interval;
        let is_recent = |compressed: &Compressed| {
            is_alive(status.now.saturating_duration_since(compressed.delivered_at()), interval)
        };
        self.is_gzip() && self.compressed.as_ref().is_some_and(is_recent)
    }

    /// Whether the body of each member is gzip.
    pub(super) fn is_gzip(&self) -> bool {
        self.compressed.as_ref().is_some_and(Compressed::is_body)
    }

    /// Encodes the reply to a message of one member. Returns no bytes if the format has no replies.
    pub(super) fn reply(&self, reply: &Message) -> Bytes {
        self.encoder.reply(reply).unwrap_or_default()
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
    use tidings_core::{Entry, Epoch, Notification};

    /// Encodes nothing.
    #[derive(Debug)]
    struct Silent;

    impl Encoder for Silent {
        fn encode(&self, _: &[Event], _: Id) -> Bytes {
            Bytes::new()
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
