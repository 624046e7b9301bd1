//! The pass: what is new goes to everyone who stands where the lane stands.
//!
//! ```text
//! new entries ─► groups ─► one rendering each ─► one list of (client, rendering) ─► Sender ─► settled
//! ```

use std::io;
use std::os::fd::AsFd;

use bytes::Bytes;
use tidings_core::{Budget, Cursor, Event, Id, Kept, SeatId};
use tidings_transport::Shape;

use super::State;
use super::client::{Progress, Stage};

/// What one rendering holds at the most, so that a client that stops in the middle keeps no more than
/// this alive.
pub(super) const PASS: Budget = Budget { entries: 1024, bytes: 256 << 10 };

/// What one pass sends to whom. Kept between passes for its room.
#[derive(Default)]
pub(super) struct Outgoing {
    renderings: Vec<Rendering>,
    /// The client, and which of the renderings is for it.
    sends: Vec<(usize, usize)>,
    sent: Vec<io::Result<usize>>,
}

/// What one group is sent.
struct Rendering {
    bytes: Bytes,
    group: usize,
    notifications: u64,
}

impl State {
    /// Serves everything up to the head of the log.
    pub(super) fn pass(&mut self) {
        let head = self.hub.log().head();
        self.pass_to(head);
    }

    /// Serves until the lane stands at `target` at least, or the log has no more.
    pub(super) fn pass_to(&mut self, target: Id) {
        let mut events = Vec::new();
        while self.seen.position() != target && !self.seen.is_ahead_of(target) {
            let (before, head) = (self.seen, self.hub.log().head());
            if before.position() == head {
                return;
            }
            events.clear();
            let nobody = SeatId::default();
            let log = self.hub.log();
            let kept = self.seen.read(log, &self.everything, nobody, head, PASS, &mut events);
            if kept == Kept::Broker {
                // What the lane has missed each of its clients asks for itself.
                self.seen = Cursor::at(log.own_tail());
            }
            if kept == Kept::Broker || matches!(events.first(), Some(Event::Gap(_))) {
                self.leave_everyone_at(before);
            } else {
                self.serve(&events, before);
            }
        }
    }

    /// Serves those who stood ahead of the lane, or waited for what it had not come to, and no longer do.
    pub(super) fn come_to_those_ahead(&mut self) {
        if self.ahead.is_empty() {
            return;
        }
        let mut ahead = std::mem::take(&mut self.ahead);
        ahead.retain(|&key| {
            let is_ahead = self.is_ahead(key) || self.is_short_of_its_end(key);
            if !is_ahead {
                self.keep_busy(key);
            }
            is_ahead
        });
        self.ahead = ahead;
    }

    fn is_ahead(&self, key: usize) -> bool {
        let client = self.connections.get(key).and_then(|connection| connection.client.as_ref());
        matches!(client.map(|client| client.progress), Some(Progress::Behind(cursor))
            if cursor.is_ahead_of(self.position()))
    }

    fn serve(&mut self, events: &[Event], before: Cursor) {
        // Taken out, so that the lane can be told of each send while it is read.
        let mut outgoing = std::mem::take(&mut self.outgoing);
        self.encode(events, before, &mut outgoing);
        let Outgoing { renderings, sends, sent } = &mut outgoing;
        let (connections, sender) = (&self.connections, &mut self.sender);
        let wires = sends.iter().map(|&(key, rendering)| {
            (connections[key].socket.as_fd(), &renderings[rendering].bytes[..])
        });
        sender.send(wires, |_, result| sent.push(result));
        for ((key, rendering), result) in sends.drain(..).zip(sent.drain(..)) {
            self.settle(key, &renderings[rendering], result);
        }
        renderings.clear();
        self.outgoing = outgoing;
    }

    /// Finds who is to be sent what, with one rendering for each group.
    fn encode(&mut self, events: &[Event], before: Cursor, outgoing: &mut Outgoing) {
        let mut touched = Vec::new();
        events.iter().for_each(|event| self.groups.offer(event, &mut touched));
        for group in touched {
            let position = self.position();
            let pending = std::mem::take(&mut self.groups.get(group).pending);
            let authors = authors(&pending);
            let rendering = outgoing.renderings.len();
            for index in 0..self.groups.get(group).members.len() {
                let key = self.groups.get(group).members[index];
                if self.takes_part(key, &authors, before) {
                    outgoing.sends.push((key, rendering));
                }
            }
            let bytes = self.groups.get(group).encode(&pending, position);
            let notifications = pending.len() as u64;
            outgoing.renderings.push(Rendering { bytes, group, notifications });
        }
    }

    /// Whether a member is sent what its group is sent: where it stands where the group stands.
    fn takes_part(&mut self, key: usize, authors: &[SeatId], before: Cursor) -> bool {
        let connection = &mut self.connections[key];
        let Some(client) = &mut connection.client else { return false };
        if !client.is_current() || connection.stage != Stage::Open {
            return false;
        }
        // What goes out to all is not for a client that wrote a part of it and may not want that back.
        if !connection.rest.is_empty() || authors.contains(&client.seat.id()) {
            client.progress = Progress::Behind(before);
            if connection.rest.is_empty() {
                self.keep_busy(key);
            }
            return false;
        }
        if matches!(client.shape, Shape::Answer { .. }) {
            connection.stage = Stage::Answered;
        }
        true
    }

    /// Does what a send's outcome asks for.
    fn settle(&mut self, key: usize, rendering: &Rendering, sent: io::Result<usize>) {
        let sent = match sent {
            Ok(sent) => sent,
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => 0,
                _ => return self.broke(key, &error),
            },
        };
        self.groups.get(rendering.group).delivered.inc_by(rendering.notifications);
        if sent < rendering.bytes.len() {
            self.connections[key].rest = rendering.bytes.slice(sent..);
            self.write(key);
        } else if self.connections[key].stage == Stage::Answered {
            self.next_request(key);
        }
    }

    /// The log has moved on past the lane itself: each client is told by its own policy.
    fn leave_everyone_at(&mut self, before: Cursor) {
        let keys: Vec<usize> = self.connections.iter().map(|(key, _)| key).collect();
        for key in keys {
            if let Some(client) = &mut self.connections[key].client
                && client.is_current()
            {
                client.progress = Progress::Behind(before);
                self.keep_busy(key);
            }
        }
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
