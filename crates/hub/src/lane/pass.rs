//! The pass: what is new goes to everyone who stands where the lane stands.

use bytes::Bytes;
use tidings_core::{Budget, Cursor, Event, Reason, SeatId};
use tidings_transport::Shape;

use super::State;
use super::client::{Progress, Stage, Written};

/// What one rendering holds at the most, so that a client that stops in the middle keeps no more than
/// this alive.
const PASS: Budget = Budget { entries: 1024, bytes: 256 << 10 };

impl State {
    /// Serves everything up to the head of the log.
    pub(super) fn pass(&mut self) {
        let head = self.hub.log().head();
        self.pass_to(head.seq);
    }

    /// Serves until the lane stands at `seq` at least.
    pub(super) fn pass_to(&mut self, seq: u64) {
        let mut events = Vec::new();
        while self.seen.seq() < seq {
            let before = self.seen;
            let head = self.hub.log().head();
            events.clear();
            let nobody = SeatId::default();
            self.seen.read(self.hub.log(), &self.everything, nobody, head, PASS, &mut events);
            if matches!(events.first(), Some(Event::Gap(_))) {
                self.leave_everyone_at(before);
            } else {
                self.serve(&events, before);
            }
        }
    }

    fn serve(&mut self, events: &[Event], before: Cursor) {
        let mut touched = Vec::new();
        events.iter().for_each(|event| self.groups.offer(event, &mut touched));
        for index in touched {
            let position = self.position();
            let group = self.groups.get(index);
            let pending = std::mem::take(&mut group.pending);
            let bytes = group.render(&pending, position);
            let authors = authors(&pending);
            let mut served = 0;
            // Backwards, because a member that leaves is replaced by the last one, which has been served.
            for place in (0..self.groups.get(index).members.len()).rev() {
                let key = self.groups.get(index).members[place];
                served += usize::from(self.serve_one(key, &bytes, &authors, before));
            }
            self.groups.get(index).delivered.inc_by((served * pending.len()) as u64);
        }
    }

    /// Gives one client what its group gets, if it stands where the group stands.
    fn serve_one(&mut self, key: usize, bytes: &Bytes, authors: &[SeatId], before: Cursor) -> bool {
        let client = &mut self.clients[key];
        if client.progress != Progress::Current || client.stage != Stage::Open {
            return false;
        }
        // What goes out to all is not for a client that wrote a part of it and may not want that back.
        if !client.rest.is_empty() || authors.contains(&client.seat.id()) {
            client.progress = Progress::Behind(before);
            if client.rest.is_empty() {
                self.keep_busy(key);
            }
            return false;
        }
        let written = client.send(bytes);
        if matches!(client.shape, Shape::Answer { .. }) {
            client.stage = Stage::Answered;
        }
        match written {
            Written::All if client.stage == Stage::Answered => self.give_back(key),
            Written::All => {}
            Written::Some(_) => self.await_room(key),
            Written::Broken => self.remove(key),
        }
        written != Written::Broken
    }

    /// The log has moved on past the lane itself: each client is told by its own policy.
    fn leave_everyone_at(&mut self, before: Cursor) {
        let keys: Vec<usize> = self.clients.iter().map(|(key, _)| key).collect();
        for key in keys {
            let client = &mut self.clients[key];
            if client.progress == Progress::Current {
                client.progress = Progress::Behind(before);
                self.keep_busy(key);
            }
        }
    }

    /// Gives a client that is behind its next portion from the log: whether there may be more.
    pub(super) fn serve_from_log(&mut self, key: usize) -> bool {
        let position = self.position();
        let client = &mut self.clients[key];
        let Progress::Behind(mut cursor) = client.progress else { return false };
        let group = self.groups.get(client.group);
        let mut events = Vec::new();
        let (log, seat) = (self.hub.log(), client.seat.id());
        cursor.read(log, &group.interest, seat, position, PASS, &mut events);
        client.progress = Progress::Behind(cursor);
        // The log has moved on past the lane itself, and a gap has led this client ahead: it would be told
        // that gap once more with all the others.
        self.pass_to(cursor.seq());
        let position = self.position();
        let is_current = cursor.seq() == position.seq;
        let client = &mut self.clients[key];
        if is_current {
            client.progress = Progress::Current;
        }
        if events.is_empty() {
            return !is_current;
        }
        let group = self.groups.get(client.group);
        let bytes = group.render(&events, position.epoch.id(cursor.seq()));
        let number = events.iter().filter(|event| matches!(event, Event::Deliver(_))).count();
        group.delivered.inc_by(number as u64);
        let goodbye = match events.last() {
            Some(Event::Goodbye(reason)) => Some(*reason),
            _ => None,
        };
        client.stage = match (client.shape, goodbye) {
            (Shape::Answer { .. }, _) => Stage::Answered,
            (Shape::Upgrade | Shape::Stream, Some(_)) => Stage::Leaving,
            (Shape::Upgrade | Shape::Stream, None) => client.stage,
        };
        goodbye.into_iter().for_each(|reason| self.metrics.let_go(reason));
        client.rest = bytes;
        true
    }

    /// Says goodbye to a client, behind whatever is half written.
    pub(super) fn goodbye(&mut self, key: usize, reason: Reason) {
        let position = self.position();
        let client = &mut self.clients[key];
        if client.stage != Stage::Open {
            return;
        }
        let position = match client.progress {
            Progress::Current => position,
            Progress::Behind(cursor) => position.epoch.id(cursor.seq()),
        };
        let goodbye = self.groups.get(client.group).render(&[Event::Goodbye(reason)], position);
        client.stage = match client.shape {
            Shape::Answer { .. } => Stage::Answered,
            Shape::Upgrade | Shape::Stream => Stage::Leaving,
        };
        self.metrics.let_go(reason);
        self.append(key, goodbye);
    }

    /// Sends bytes behind whatever is half written.
    pub(super) fn append(&mut self, key: usize, bytes: Bytes) {
        let rest = &mut self.clients[key].rest;
        *rest = if rest.is_empty() { bytes } else { [&rest[..], &bytes[..]].concat().into() };
        self.write(key);
    }
}

/// The seats that published some of these events.
fn authors(events: &[Event]) -> Vec<SeatId> {
    let author = |event: &Event| match event {
        Event::Deliver(entry) => entry.notification().origin(),
        _ => None,
    };
    events.iter().filter_map(author).collect()
}
