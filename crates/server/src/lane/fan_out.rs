//! Fan-out: new entries are sent to every client that is with the lane.
//!
//! ```text
//! new entries ─► groups ─► one encoding each ─► one list of (client, encoding)
//! ```

use bytes::Bytes;
use slab::Slab;
use tidings_core::driver::{Cursor, Kept};
use tidings_core::{Event, Id, Interest, Log, SeatId};

use super::client::PORTION;
use super::compressed::Takers;
use super::connection::Part;
use super::groups::Groups;
use super::peer::Peer;

/// The lane as a reader of the log.
pub(super) struct FanOut {
    pub(super) groups: Groups,
    /// The lane's position. Every client at this position has been sent everything up to it.
    cursor: Cursor,
    /// Matches every topic. The lane reads all entries, and the groups select those for their clients.
    everything: Interest,
    events: Vec<Event>,
    touched: Vec<usize>,
}

/// The result of one pass: what is sent to which client. Kept between passes so that its memory is used again.
#[derive(Default)]
pub(super) struct Deliveries {
    pub(super) encodings: Vec<Encoding>,
    /// The key of each client that is sent something, and the index of its encoding.
    pub(super) sends: Vec<(usize, usize)>,
    /// The keys of clients that this pass does not serve. They must be served from the log now.
    pub(super) catching_up: Vec<usize>,
}

/// The bytes for one group.
pub(super) struct Encoding {
    pub(super) bytes: Bytes,
    pub(super) group: usize,
    /// The number of notifications in `bytes`.
    pub(super) notifications: u64,
    /// The number of clients that it was sent to.
    pub(super) clients: u64,
}

impl FanOut {
    pub(super) fn new(groups: Groups, position: Id) -> Self {
        Self {
            groups,
            cursor: Cursor::at(position),
            everything: Interest::new(every_topic()),
            events: Vec::new(),
            touched: Vec::new(),
        }
    }

    pub(super) fn position(&self) -> Id {
        self.cursor.position()
    }

    /// Reads a portion of the new entries, encodes it once for each group and fills `deliveries`. Returns `false` if
    /// the lane has reached `target` or the log has no more. A caller that repeats this with the same `target` ends
    /// even if more is published meanwhile.
    pub(super) fn pass(
        &mut self,
        log: &Log,
        target: Id,
        head: Id,
        peers: &mut Slab<Peer>,
        deliveries: &mut Deliveries,
    ) -> bool {
        if self.position() == target || self.cursor.is_ahead_of(target) {
            return false;
        }
        let before = self.cursor;
        if before.position() == head {
            return false;
        }
        let no_seat = SeatId::default();
        let events = &mut self.events;
        let kept = self.cursor.read(log, &self.everything, no_seat, head, PORTION, events);
        if kept == Kept::Broker {
            // Only the broker has the next entries. The lane skips them, and each client fetches them.
            self.cursor = Cursor::at(log.own_floor());
        }
        if kept == Kept::Broker || matches!(self.events.first(), Some(Event::Gap(_))) {
            // The log has evicted what the lane reads next. Each client is sent the gap or a goodbye, by policy.
            for (key, peer) in peers {
                if peer.connection.leave_at(before) {
                    deliveries.catching_up.push(key);
                }
            }
        } else {
            self.encode(before, peers, deliveries);
        }
        // Otherwise entries would stay in memory after the log has evicted them.
        self.events.clear();
        true
    }

    /// Offers the entries that were read to the groups, and encodes them for each group with a member that takes part.
    fn encode(&mut self, before: Cursor, peers: &mut Slab<Peer>, deliveries: &mut Deliveries) {
        let position = self.position();
        for event in &self.events {
            self.groups.offer(event, &mut self.touched);
        }
        for index in self.touched.drain(..) {
            let group = self.groups.get_mut(index);
            let events = std::mem::take(&mut group.pending);
            // Only they may be sent something else than the other members.
            let leaves_out = group.interest().is_without_own();
            let authors = if leaves_out { authors(&events) } else { Vec::new() };
            let (encoding, sends) = (deliveries.encodings.len(), deliveries.sends.len());
            for key in group.members.iter().map(|&key| key as usize) {
                match peers[key].connection.join_pass(&authors, before) {
                    Part::Takes => deliveries.sends.push((key, encoding)),
                    Part::CatchesUp => deliveries.catching_up.push(key),
                    Part::Nothing => {}
                }
            }
            let has_takers = deliveries.sends.len() > sends;
            if !has_takers {
                continue;
            }
            if let Some(compressed) = &mut group.compressed {
                let takers = Takers { group: index, first: sends };
                compressed.encode(&events, position, &takers, peers, deliveries);
                continue;
            }
            let bytes = group.encode(&events, position);
            let notifications = events.len() as u64;
            deliveries.encodings.push(Encoding { bytes, group: index, notifications, clients: 0 });
        }
    }
}

impl Deliveries {
    /// Removes all deliveries, and keeps the memory for the next pass.
    pub(super) fn clear(&mut self) {
        self.encodings.clear();
        self.sends.clear();
        self.catching_up.clear();
    }
}

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

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::sync::Arc;

    use prometheus_client::metrics::counter::Counter;
    use prometheus_client::metrics::gauge::Gauge;
    use tidings_core::{Entry, Hub, HubConfig, Notification, Retention};
    use tidings_transport::compression::{CompressionConfig, Compressor};
    use tidings_transport::{Compression, Encoder, ListenerKind, OnMessage, Shape};

    use super::*;
    use crate::config::Config;
    use crate::connection_limit::ConnectionLimit;
    use crate::lane::catch_up;
    use crate::lane::client::{Client, Standing};
    use crate::lane::compressed::SyncState;
    use crate::lane::connection::Connection;
    use crate::lane::status::Status;
    use crate::lane::subscription::Opened;

    /// Encodes payloads one after the other.
    #[derive(Debug)]
    struct Payloads;

    impl Encoder for Payloads {
        fn encode(&self, events: &[Event], _: Id) -> Bytes {
            tidings_transport::concatenated(events, |event| match event {
                Event::Deliver(entry) => entry.notification().payload().clone(),
                other => panic!("a pass has no {other:?}"),
            })
        }
    }

    /// Encodes payloads as [`Payloads`] does, and compressed ones with a mark.
    #[derive(Debug)]
    struct Deflated;

    impl Encoder for Deflated {
        fn encode(&self, events: &[Event], position: Id) -> Bytes {
            Payloads.encode(events, position)
        }

        fn compression(&self) -> Option<Compression> {
            Some(Compression::Messages)
        }

        fn compressed(&self, _: &Entry, _: &[u8]) -> Bytes {
            Bytes::from_static(b"C")
        }
    }

    /// The parts of a lane that a pass uses. Its clients are numbered from 0.
    struct Lane {
        status: Status,
        fan_out: FanOut,
        peers: Slab<Peer>,
        deliveries: Deliveries,
    }

    impl Lane {
        /// A lane over a log that retains four entries, with a client for each of these filters.
        fn new(clients: &[&str]) -> Self {
            let encoder: Arc<dyn Encoder> = Arc::new(Payloads);
            Self::with(clients, &encoder, None)
        }

        fn with(
            clients: &[&str],
            encoder: &Arc<dyn Encoder>,
            compressor: Option<&Compressor>,
        ) -> Self {
            let retention = Retention::default().entries(4);
            let hub = Hub::new(HubConfig::default().retention(retention));
            let status = Status::new(&Config::new(hub));
            let fan_out = FanOut::new(Groups::new(Bytes::new()), status.position);
            let mut lane =
                Self { status, fan_out, peers: Slab::new(), deliveries: Deliveries::default() };
            clients.iter().for_each(|filters| lane.join(filters, encoder, compressor.cloned()));
            lane
        }

        fn join(
            &mut self,
            filters: &str,
            encoder: &Arc<dyn Encoder>,
            compressor: Option<Compressor>,
        ) {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap().into();
            let listener = ListenerKind::Loopback.into();
            let permit = ConnectionLimit::new(Gauge::default(), 1).admit().unwrap();
            let seat = self.status.hub.join("test").unwrap();
            let cursor = Cursor::at(self.status.position);
            let mut client = Client::new(seat, cursor, Shape::Stream, false, OnMessage::rejected());
            client.standing = Standing::WithLane;
            let sync = SyncState::default();
            let opened = Opened { client, first: Bytes::new(), is_answered: false, sync };
            let mut connection = Connection::new(false);
            let _ = connection.on_subscribed(opened, &self.status);
            let (is_busy, watches_room) = (false, false);
            let tls = None;
            let peer = Peer { socket, tls, listener, connection, permit, is_busy, watches_room };
            let key = self.peers.insert(peer);
            let interest = Interest::new(filters.parse().unwrap());
            self.fan_out.groups.join(key, encoder, interest, None, compressor, Counter::default);
        }

        fn publish(&self, topic: &str, payload: &'static str) {
            let notification = Notification::text(topic.parse().unwrap(), payload);
            self.status.hub.publish(notification).try_outcome().unwrap().unwrap();
        }

        /// Runs a pass. Returns the number of each client that is sent something, and its bytes.
        fn run_pass(&mut self) -> Vec<(usize, &[u8])> {
            self.deliveries.clear();
            let log = self.status.hub.log();
            assert!(self.fan_out.pass(
                log,
                log.head(),
                log.head(),
                &mut self.peers,
                &mut self.deliveries
            ));
            let Deliveries { sends, encodings, .. } = &mut self.deliveries;
            sends.sort_unstable();
            sends.iter().map(|&(key, encoding)| (key, &encodings[encoding].bytes[..])).collect()
        }

        fn standing(&self, client: usize) -> Standing {
            self.peers[client].connection.client().unwrap().standing
        }
    }

    #[test]
    fn each_client_is_sent_what_its_filters_match_and_a_group_is_encoded_once() {
        let mut lane = Lane::new(&["a", "a", "b", "c"]);
        lane.publish("a", "1");
        lane.publish("b", "2");
        lane.publish("a", "3");
        assert_eq!(lane.run_pass(), [(0, &b"13"[..]), (1, b"13"), (2, b"2")]);
        assert_eq!(lane.deliveries.encodings.len(), 2);
        assert!(lane.deliveries.catching_up.is_empty());

        let log = lane.status.hub.log();
        assert_eq!(lane.fan_out.position(), log.head());
        assert!(!lane.fan_out.pass(
            log,
            log.head(),
            log.head(),
            &mut lane.peers,
            &mut lane.deliveries
        ));
    }

    #[test]
    fn a_client_with_unsent_bytes_takes_no_part_and_keeps_its_place() {
        let mut lane = Lane::new(&["a", "a"]);
        lane.publish("a", "1");
        lane.run_pass();
        let before = Cursor::at(lane.fan_out.position());
        let sent = Bytes::from_static(b"some");
        let _ = lane.peers[0].connection.on_sent(&sent, Ok(1), &lane.status);
        lane.publish("a", "2");
        assert_eq!(lane.run_pass(), [(1, &b"2"[..])]);
        assert!(lane.deliveries.catching_up.is_empty(), "it catches up once its socket has room");
        assert_eq!(
            [0, 1].map(|client| lane.standing(client)),
            [Standing::Own(before), Standing::WithLane]
        );

        let _ = lane.peers[1].connection.on_sent(&sent, Ok(1), &lane.status);
        lane.publish("a", "3");
        assert_eq!(lane.run_pass(), []);
        assert!(lane.deliveries.encodings.is_empty(), "a group is not encoded for no client");
    }

    #[test]
    fn a_client_that_misses_a_chunk_is_sent_plain_bytes_until_a_reset() {
        let compressor = Compressor::new(CompressionConfig::default());
        let encoder: Arc<dyn Encoder> = Arc::new(Deflated);
        let mut lane = Lane::with(&["a"; 4], &encoder, Some(&compressor));
        let is_in_sync = |lane: &Lane| [0, 1].map(|key| lane.peers[key].connection.sync.is_in_sync);
        lane.publish("a", "1");
        assert!(lane.run_pass().iter().all(|(_, bytes)| *bytes == b"C"), "the stream begins");
        assert_eq!(is_in_sync(&lane), [true, true]);

        let sent = Bytes::from_static(b"some");
        let _ = lane.peers[0].connection.on_sent(&sent, Ok(3), &lane.status);
        lane.publish("a", "2");
        assert_eq!(lane.run_pass(), [(1, &b"C"[..]), (2, b"C"), (3, b"C")]);
        assert_eq!(is_in_sync(&lane), [false, true]);

        // The client has caught up.
        let _ = lane.peers[0].connection.on_written(1, &lane.status);
        let portion = |lane: &mut Lane| {
            let connection = &mut lane.peers[0].connection;
            let (client, group) =
                (connection.client().unwrap(), lane.fan_out.groups.of(0).unwrap());
            lane.status.position = lane.fan_out.cursor.position();
            let portion = catch_up::read(client, group, connection.sync, &lane.status).unwrap();
            assert_eq!(portion.bytes, "2");
            let _ = connection.on_caught_up(portion, &lane.status);
            let _ = connection.on_written(1, &lane.status);
        };
        portion(&mut lane);
        assert_eq!(lane.standing(0), Standing::WithLane);
        for waits in ["3", "4"] {
            lane.publish("a", waits);
            let all = lane.run_pass();
            assert_eq!(all, [(0, waits.as_bytes()), (1, b"C"), (2, b"C"), (3, b"C")]);
        }
        // It has been sent as many plain notifications as there are others.
        lane.publish("a", "5");
        lane.run_pass();
        lane.publish("a", "6");
        assert!(lane.run_pass().iter().all(|(_, bytes)| *bytes == b"C"), "after a reset");
        assert_eq!(is_in_sync(&lane), [true, true]);
    }

    #[test]
    fn after_a_lag_of_the_lane_each_client_catches_up_by_itself() {
        let mut lane = Lane::new(&["a", "b"]);
        let before = Cursor::at(lane.fan_out.position());
        (0..9).for_each(|_| lane.publish("a", "1"));
        assert_eq!(lane.run_pass(), []);
        assert_eq!(lane.deliveries.catching_up, [0, 1]);
        assert_eq!(lane.standing(0), Standing::Own(before));
    }

    #[test]
    fn a_lag_of_the_lane_ends_the_sync_of_each_client() {
        let compressor = Compressor::new(CompressionConfig::default());
        let encoder: Arc<dyn Encoder> = Arc::new(Deflated);
        let mut lane = Lane::with(&["a"; 2], &encoder, Some(&compressor));
        lane.publish("a", "1");
        assert!(lane.run_pass().iter().all(|(_, bytes)| *bytes == b"C"), "the stream begins");
        (0..9).for_each(|_| lane.publish("a", "1"));
        assert_eq!(lane.run_pass(), []);
        assert_eq!(lane.deliveries.catching_up, [0, 1]);
        assert!(lane.peers.iter().all(|(_, peer)| !peer.connection.sync.is_in_sync));
    }
}
