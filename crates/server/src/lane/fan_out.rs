//! Fan-out: what is new goes to every client that keeps up.
//!
//! ```text
//! new entries ─► groups ─► one encoding each ─► one list of (client, encoding)
//! ```

use bytes::Bytes;
use slab::Slab;
use tidings_core::{Budget, Cursor, Event, Id, Interest, Kept, Log, SeatId};

use super::connection::Part;
use super::group::Groups;
use super::peer::Peer;

/// What one encoding holds at the most, so that a client that stops in the middle keeps no more than this alive.
pub(super) const PASS: Budget = Budget { entries: 1024, bytes: 256 << 10 };

/// The lane as a reader of the log.
pub(super) struct FanOut {
    pub(super) groups: Groups,
    /// Up to here every client that keeps up has been served.
    cursor: Cursor,
    /// The lane reads everything. The groups find what is for which client.
    everything: Interest,
    events: Vec<Event>,
    touched: Vec<usize>,
}

/// What one pass sends to which client. Kept between passes for its room.
#[derive(Default)]
pub(super) struct Pass {
    pub(super) encodings: Vec<Encoding>,
    /// The keys of clients, and which of the encodings each is sent.
    pub(super) sends: Vec<(usize, usize)>,
    /// The keys of clients that the pass does not serve, and that are to be served from the log now.
    pub(super) left_behind: Vec<usize>,
}

/// What one group is sent.
pub(super) struct Encoding {
    pub(super) bytes: Bytes,
    pub(super) group: usize,
    /// How many notifications it holds.
    pub(super) notifications: u64,
    /// How many clients it was sent to.
    pub(super) clients: u64,
}

impl FanOut {
    /// Starts at this position.
    pub(super) fn new(groups: Groups, position: Id) -> Self {
        Self {
            groups,
            cursor: Cursor::at(position),
            everything: Interest::new(every_topic()),
            events: Vec::new(),
            touched: Vec::new(),
        }
    }

    /// Returns where the lane is.
    pub(super) fn position(&self) -> Id {
        self.cursor.position()
    }

    /// Reads a portion of what is new, encodes it once for each group and fills `pass`. Returns `false` if the lane is at
    /// `target` at least, or the log has no more.
    pub(super) fn pass(
        &mut self,
        log: &Log,
        target: Id,
        peers: &mut Slab<Peer>,
        pass: &mut Pass,
    ) -> bool {
        if self.position() == target || self.cursor.is_ahead_of(target) {
            return false;
        }
        let (before, head) = (self.cursor, log.head());
        if before.position() == head {
            return false;
        }
        let no_seat = SeatId::default();
        let events = &mut self.events;
        let kept = self.cursor.read(log, &self.everything, no_seat, head, PASS, events);
        if kept == Kept::Broker {
            // What the lane has missed is fetched for each of its clients.
            self.cursor = Cursor::at(log.own_tail());
        }
        if kept == Kept::Broker || matches!(self.events.first(), Some(Event::Gap(_))) {
            // The log has moved on past the lane itself. Each client is told the gap or let go, by its policy.
            let behind = peers
                .iter_mut()
                .filter_map(|(key, peer)| peer.connection.leave_at(before).then_some(key));
            pass.left_behind.extend(behind);
        } else {
            self.encode(before, peers, pass);
        }
        // An entry must not live longer than the log keeps it.
        self.events.clear();
        true
    }

    fn encode(&mut self, before: Cursor, peers: &mut Slab<Peer>, pass: &mut Pass) {
        let position = self.position();
        for event in &self.events {
            self.groups.offer(event, &mut self.touched);
        }
        for index in self.touched.drain(..) {
            let group = self.groups.get_mut(index);
            let events = std::mem::take(&mut group.pending);
            let authors = authors(&events);
            let encoding = pass.encodings.len();
            for &key in &group.members {
                match peers[key].connection.join_pass(&authors, before) {
                    Part::Takes => pass.sends.push((key, encoding)),
                    Part::CatchesUp => pass.left_behind.push(key),
                    Part::Nothing => {}
                }
            }
            let bytes = group.encode(&events, position);
            let notifications = events.len() as u64;
            pass.encodings.push(Encoding { bytes, group: index, notifications, clients: 0 });
        }
    }
}

impl Pass {
    /// Forgets what it holds and keeps the room for it.
    pub(super) fn clear(&mut self) {
        self.encodings.clear();
        self.sends.clear();
        self.left_behind.clear();
    }
}

/// Returns the seats that published some of these events.
fn authors(events: &[Event]) -> Vec<SeatId> {
    let author = |event: &Event| match event {
        Event::Deliver(entry) => entry.notification().origin(),
        _ => None,
    };
    events.iter().filter_map(author).collect()
}

fn every_topic() -> tidings_core::Filters {
    ">".parse().unwrap_or_else(|_| unreachable!("> is a filter"))
}
