//! Clients that are sent the very same bytes.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use foldhash::fast::RandomState;
use http::Response;
use prometheus_client::metrics::counter::Counter;
use slab::Slab;
use tidings_core::{Event, Filter, Id, Interest, Topic};
use tidings_transport::{Ear, Words};

use crate::head;

/// All groups of a lane, and which of them an entry is for.
#[derive(Default)]
pub(super) struct Groups {
    /// The lines of a head that keep a connection open.
    keep_alive: Bytes,
    groups: Slab<Group>,
    by_key: HashMap<Key, usize, RandomState>,
    /// Groups that ask for exactly this topic, among others.
    by_topic: HashMap<Topic, Vec<usize>, RandomState>,
    /// Groups with a wildcard.
    wild: Vec<usize>,
    /// Groups whose last member has left, to be forgotten if nobody has come since.
    deserted: Vec<usize>,
}

/// Clients of the same words and interest.
pub(super) struct Group {
    key: Key,
    answer: Option<(AnswerHead, Bytes)>,
    pub(super) words: Arc<dyn Words>,
    /// Whether its members can say something, and so can answer.
    pub(super) can_speak: bool,
    /// Heard with by whoever speaks, where it has not been left in the middle of something.
    ear: Option<Box<dyn Ear>>,
    pub(super) interest: Interest,
    pub(super) members: Vec<usize>,
    /// What the present pass has for them.
    pub(super) pending: Vec<Event>,
    pub(super) delivered: Counter,
}

/// What makes clients equal. The words of one transport are one allocation, and so are heads, so the
/// address tells them: the group keeps both, so that no other can come to have it.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    words: usize,
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
        words: &Arc<dyn Words>,
        interest: Interest,
        answer: Option<AnswerHead>,
        delivered: impl FnOnce() -> Counter,
    ) -> usize {
        let told = |answer: &AnswerHead| (Arc::as_ptr(&answer.head).addr(), answer.ending);
        let words_told = Arc::as_ptr(words).addr();
        let key = Key { words: words_told, interest, answer: answer.as_ref().map(told) };
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
        let ear = words.ear();
        let group = Group {
            can_speak: ear.is_some(),
            ear,
            answer: answer.map(opened),
            words: words.clone(),
            interest: key.interest.clone(),
            members: Vec::new(),
            pending: Vec::new(),
            delivered: delivered(),
            key: key.clone(),
        };
        let index = self.groups.insert(group);
        for place in places(&key.interest) {
            match place {
                Some(topic) => self.by_topic.entry(topic).or_default().push(index),
                None => self.wild.push(index),
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
        for place in places(&group.interest) {
            let Some(topic) = place else {
                self.wild.retain(|&one| one != index);
                continue;
            };
            if let Some(groups) = self.by_topic.get_mut(&topic) {
                groups.retain(|&one| one != index);
                if groups.is_empty() {
                    self.by_topic.remove(&topic);
                }
            }
        }
    }

    /// Puts an entry before every group that wants it; those that had nothing before are added to
    /// `touched`.
    pub(super) fn offer(&mut self, event: &Event, touched: &mut Vec<usize>) {
        let Event::Deliver(entry) = event else { return };
        let topic = entry.notification().topic();
        let exact = self.by_topic.get(topic).into_iter().flatten();
        for &index in exact.chain(&self.wild) {
            let group = &mut self.groups[index];
            // A group can be found twice, by a topic and by a wildcard that matches it.
            let has_it = matches!(group.pending.last(),
                Some(Event::Deliver(last)) if Arc::ptr_eq(last, entry));
            if !has_it && group.interest.filters().matches(topic) {
                if group.pending.is_empty() {
                    touched.push(index);
                }
                group.pending.push(event.clone());
            }
        }
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
    pub(super) fn lend_ear(&mut self) -> Option<Box<dyn Ear>> {
        self.ear.take().or_else(|| self.words.ear())
    }

    /// Takes back an ear that is at rest.
    pub(super) fn take_back(&mut self, ear: Box<dyn Ear>) {
        self.ear = Some(ear);
    }

    /// These events on the wire, for one write to each member that stands there.
    pub(super) fn render(&self, events: &[Event], position: Id) -> Bytes {
        let body = self.words.render(events, position);
        match &self.answer {
            Some((_, head)) => head::answer(head, &body),
            None => body,
        }
    }
}

/// Under which topics an interest is found; `None` for being asked about every entry.
fn places(interest: &Interest) -> Vec<Option<Topic>> {
    let topics: Vec<Option<Topic>> = interest.filters().iter().map(Filter::as_topic).collect();
    let mut places: Vec<Option<Topic>> = Vec::new();
    for topic in topics {
        if !places.contains(&topic) {
            places.push(topic);
        }
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidings_core::{Entry, Epoch, Notification};

    #[derive(Debug)]
    struct Silent;

    impl Words for Silent {
        fn render(&self, _: &[Event], _: Id) -> Bytes {
            Bytes::new()
        }
    }

    fn entry(topic: &str) -> Event {
        let notification = Notification::text(topic.parse().unwrap(), "");
        Event::Deliver(Arc::new(Entry::new(Epoch::from_number(1).id(1), notification)))
    }

    #[test]
    fn an_entry_goes_once_to_each_group_that_wants_it_and_to_no_other() {
        let words: Arc<dyn Words> = Arc::new(Silent);
        let mut groups = Groups::default();
        let mut make = |filters: &str| {
            let interest = Interest::new(filters.parse().unwrap());
            groups.find_or_make(&words, interest, None, Counter::default)
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
        assert!(touched.is_empty() && groups.by_topic.is_empty() && groups.wild.is_empty());
    }
}
