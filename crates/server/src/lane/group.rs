//! Clients that are sent the very same bytes.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bytes::Bytes;
use foldhash::fast::RandomState;
use http::Response;
use prometheus_client::metrics::counter::Counter;
use slab::Slab;
use tidings_core::{Event, FilterIndex, Id, Interest};
use tidings_transport::{Decoder, Encoder};

use crate::head;

/// All groups of a lane, and which of them an entry is for.
#[derive(Default)]
pub(super) struct Groups {
    /// The lines of a head that keep a connection open.
    keep_alive: Bytes,
    groups: Slab<Group>,
    by_key: HashMap<Key, usize, RandomState>,
    by_filter: FilterIndex<Named>,
    /// Groups whose last member has left, to be forgotten if nobody has come since.
    deserted: Vec<usize>,
}

/// Clients of the same words and interest.
pub(super) struct Group {
    key: Key,
    answer: Option<(AnswerHead, Bytes)>,
    pub(super) encoder: Arc<dyn Encoder>,
    /// Whether its members can say something, and so can answer.
    pub(super) can_speak: bool,
    /// Heard with by whoever speaks, where it has not been left in the middle of something.
    decoder: Option<Box<dyn Decoder>>,
    pub(super) interest: Interest,
    pub(super) members: Vec<usize>,
    /// What the present pass has for them.
    pub(super) pending: Vec<Event>,
    pub(super) delivered: Counter,
}

/// The groups that name one filter. Almost always it is one, so one takes no memory of its own; of many, each
/// can be taken out without a search.
#[expect(clippy::box_collection, reason = "an index for each filter is as small as a pointer")]
enum Named {
    One(usize),
    Several(Box<HashSet<usize, RandomState>>),
}

/// What makes clients equal. The words of one transport are one allocation, and so are heads, so the
/// address tells them: the group keeps both, so that no other can come to have it.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    encoder: usize,
    interest: Interest,
    answer: Option<(usize, Ending)>,
}

/// The head that every answer begins with, and how it ends.
#[derive(Clone)]
pub(super) struct AnswerHead {
    pub(super) head: Arc<Response<()>>,
    pub(super) ending: Ending,
}

/// How the head of an answer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Ending {
    /// The connection stays open.
    Open,
    /// The connection ends with the answer.
    Last,
    /// As `Last`, and the head has been sent already.
    Sent,
}

impl Groups {
    /// No groups. `keep_alive` is what [`head::keep_alive`] returns.
    pub(super) fn new(keep_alive: Bytes) -> Self {
        Self { keep_alive, ..Self::default() }
    }

    /// The group of such clients, made where it is the first.
    pub(super) fn find_or_make(
        &mut self,
        encoder: &Arc<dyn Encoder>,
        interest: Interest,
        answer: Option<AnswerHead>,
        delivered: impl FnOnce() -> Counter,
    ) -> usize {
        let told = |answer: &AnswerHead| (Arc::as_ptr(&answer.head).addr(), answer.ending);
        let encoder_address = Arc::as_ptr(encoder).addr();
        let key = Key { encoder: encoder_address, interest, answer: answer.as_ref().map(told) };
        if let Some(&group) = self.by_key.get(&key) {
            return group;
        }
        let opened = |answer: AnswerHead| {
            let bytes = match answer.ending {
                Ending::Open => head::open_answer(&answer.head, &self.keep_alive),
                Ending::Last => head::open_answer(&answer.head, head::CLOSE),
                Ending::Sent => Bytes::new(),
            };
            (answer, bytes)
        };
        let decoder = encoder.decoder();
        let group = Group {
            can_speak: decoder.is_some(),
            decoder,
            answer: answer.map(opened),
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

    /// Adds a member, and tells its place.
    pub(super) fn enter(&mut self, index: usize, client: usize) -> usize {
        let members = &mut self.groups[index].members;
        members.push(client);
        members.len() - 1
    }

    /// Takes the member at this place out, and tells which other one has moved there.
    pub(super) fn leave(&mut self, index: usize, place: usize) -> Option<usize> {
        let members = &mut self.groups[index].members;
        members.swap_remove(place);
        if members.is_empty() {
            self.deserted.push(index);
        }
        members.get(place).copied()
    }

    /// Forgets the groups that have no members.
    pub(super) fn sweep(&mut self) {
        while let Some(index) = self.deserted.pop() {
            if self.groups.get(index).is_some_and(|group| group.members.is_empty()) {
                self.remove(index);
            }
        }
    }

    fn remove(&mut self, index: usize) {
        let group = self.groups.remove(index);
        self.by_key.remove(&group.key);
        for filter in group.interest.filters().iter() {
            if let Some(named) = self.by_filter.get_mut(filter)
                && named.take_out(index)
            {
                self.by_filter.remove(filter);
            }
        }
    }

    /// Puts an entry before every group that wants it; those that had nothing before are added to
    /// `touched`.
    pub(super) fn offer(&mut self, event: &Event, touched: &mut Vec<usize>) {
        let Event::Deliver(entry) = event else { return };
        let groups = &mut self.groups;
        let mut put = |index: usize| {
            let group = &mut groups[index];
            // A group is found by each of its filters that matches.
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

    pub(super) fn get(&mut self, index: usize) -> &mut Group {
        &mut self.groups[index]
    }
}

impl Group {
    /// The head that its answers begin with, if it is one of polls.
    pub(super) fn answer_head(&self) -> Option<&AnswerHead> {
        self.answer.as_ref().map(|(head, _)| head)
    }

    /// Lends an ear, for as long as it takes to hear one client.
    pub(super) fn lend_decoder(&mut self) -> Option<Box<dyn Decoder>> {
        self.decoder.take().or_else(|| self.encoder.decoder())
    }

    /// Takes back an ear that is at rest.
    pub(super) fn take_back(&mut self, decoder: Box<dyn Decoder>) {
        self.decoder = Some(decoder);
    }

    /// These events on the wire, for one write to each member that stands there.
    pub(super) fn encode(&self, events: &[Event], position: Id) -> Bytes {
        let body = self.encoder.encode(events, position);
        match &self.answer {
            Some((_, head)) => head::answer(head, &body),
            None => body,
        }
    }
}

impl Named {
    fn add(&mut self, index: usize) {
        match self {
            // A group that names a filter twice.
            Self::One(only) if *only == index => {}
            Self::One(first) => {
                *self = Self::Several(Box::new(HashSet::from_iter([*first, index])));
            }
            Self::Several(indices) => drop(indices.insert(index)),
        }
    }

    /// Takes a group out, and returns `true` if none is left.
    fn take_out(&mut self, index: usize) -> bool {
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

    #[test]
    fn an_entry_goes_once_to_each_group_that_wants_it_and_to_no_other() {
        let encoder: Arc<dyn Encoder> = Arc::new(Silent);
        let mut groups = Groups::default();
        let mut make = |filters: &str| {
            let interest = Interest::new(filters.parse().unwrap());
            groups.find_or_make(&encoder, interest, None, Counter::default)
        };
        let (a, both, other, all) = (make("a"), make("a,*"), make("b"), make(">"));
        assert_eq!(make("a"), a, "equal clients share a group");

        let mut touched = Vec::new();
        groups.offer(&entry("a"), &mut touched);
        touched.sort_unstable();
        assert_eq!(touched, [a, both, all]);
        assert!(touched.iter().all(|&index| groups.get(index).pending.len() == 1));
        assert!(groups.get(other).pending.is_empty());

        for group in [a, both, other, all] {
            assert_eq!(groups.enter(group, 7), 0);
            assert_eq!(groups.leave(group, 0), None);
        }
        groups.sweep();
        let mut touched = Vec::new();
        groups.offer(&entry("a"), &mut touched);
        assert!(touched.is_empty() && groups.by_filter.is_empty());
    }

    #[test]
    fn groups_that_share_filters_come_and_go_one_by_one() {
        let encoder: Arc<dyn Encoder> = Arc::new(Silent);
        let mut groups = Groups::default();
        let made: Vec<usize> = (0..3)
            .map(|number| {
                let filters = format!("a.*,a.*,b,own.{number}");
                let interest = Interest::new(filters.parse().unwrap());
                let group = groups.find_or_make(&encoder, interest, None, Counter::default);
                groups.enter(group, number);
                group
            })
            .collect();
        for gone in 0..3 {
            for topic in ["a.x", "b"] {
                let mut touched = Vec::new();
                groups.offer(&entry(topic), &mut touched);
                touched.sort_unstable();
                assert_eq!(touched, made[gone..]);
                touched.iter().for_each(|&group| groups.get(group).pending.clear());
            }
            groups.leave(made[gone], 0);
            groups.sweep();
        }
        assert!(groups.by_filter.is_empty());
    }
}
