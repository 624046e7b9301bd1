//! Tests of the connection without sockets. Their lane writes to memory, up to a limit.

#![expect(unused_must_use, reason = "many tests look only at what was written")]

use std::time::Duration;

use bytes::Bytes;
use http::Response;
use tidings_core::driver::{Budget, Cursor};
use tidings_core::{
    Event, Heartbeat, Hub, HubConfig, Id, Interest, Notification, Position, Reason, SeatId,
};
use tidings_transport::{Message, OnMessage, Shape, SubscribeRequest, Transport};
use tidings_websocket::WebSocket;

use super::*;
use crate::config::Config;
use crate::lane::catch_up::Portion;
use crate::lane::client::Standing;
use crate::lane::pending::{Pending, PendingSet};
use crate::lane::subscription::Opened;
use crate::lane::timeout::ECHO;

const POLL: Shape = Shape::Answer { hold: Duration::from_secs(25) };

/// The answer to a request for this path is pending. Other requests are answered with their paths.
const PENDING: &str = "/pending";

struct Lane {
    connection: Connection,
    status: Status,
    spare: SpareDecoder,
    pending: PendingSet,
    /// The number of bytes that the socket takes before it is full.
    room: usize,
    wire: Vec<u8>,
    /// The last duration of the timer.
    timeout: Option<Duration>,
}

impl Lane {
    fn new() -> Self {
        let heartbeat = Heartbeat::default().strikes(1);
        let hub = Hub::new(HubConfig::default().heartbeat(heartbeat));
        Self {
            connection: Connection::new(false),
            status: Status::new(&Config::new(hub)),
            spare: None,
            pending: PendingSet::default(),
            room: usize::MAX,
            wire: Vec::new(),
            timeout: None,
        }
    }

    /// Returns a lane whose connection has a client. The client is with the lane, or at the cursor `own`.
    fn with_client(shape: Shape, own: Option<u64>) -> Self {
        let mut lane = Self::new();
        lane.subscribe(shape, own);
        lane
    }

    fn subscribe(&mut self, shape: Shape, own: Option<u64>) -> Next {
        let hub = &self.status.hub;
        let seat = hub.join("test").unwrap();
        let cursor = Cursor::at(self.id(own.unwrap_or_default()));
        let can_answer = shape == Shape::Upgrade;
        if can_answer {
            self.spare = decoder();
        }
        let mut client = Client::new(seat, cursor, shape, can_answer, OnMessage::rejected());
        if own.is_none() {
            client.standing = Standing::WithLane;
        }
        let opened = Opened { client, first: Bytes::new(), is_answered: false };
        let next = self.connection.on_subscribed(opened, &self.status);
        self.apply(next)
    }

    fn id(&self, seq: u64) -> Id {
        self.status.hub.epoch().id(seq)
    }

    /// Moves the lane to this position.
    fn comes_to(&mut self, seq: u64) {
        self.status.position = self.id(seq);
    }

    /// Returns the number of seats that are taken.
    fn seats(&self) -> usize {
        self.status.hub.pool().len()
    }

    fn standing(&self) -> Standing {
        self.connection.client().unwrap().standing
    }

    /// Reports that the client's message was published with this number.
    fn publishes(&mut self, seq: u64) -> Next {
        let id = self.id(seq);
        self.connection.on_handled(Some(id), Ok(Bytes::new()), &self.status)
    }

    /// Returns a future that never completes.
    fn hold(&mut self) -> Pending {
        self.pending.add(0, std::future::pending())
    }

    /// Reads these bytes as the lane does. Returns what the test must do next.
    fn read(&mut self, bytes: &[u8]) -> Next {
        let mut bytes = bytes.to_vec();
        let next = match self.connection.prepare_read() {
            Reads::Buffered => self.connection.on_buffered(&mut self.spare, &self.status),
            Reads::Peek => self.connection.on_peeked(),
            Reads::Bytes => self.connection.on_readable(&mut bytes, &mut self.spare, &self.status),
            Reads::Nothing => Next::Idle,
        };
        self.apply(next)
    }

    /// Gives the socket room for this many bytes.
    fn takes(&mut self, room: usize) -> Next {
        self.room = room;
        let next = self.connection.on_writable(&self.status);
        self.apply(next)
    }

    fn timer(&mut self) -> Next {
        let next = self.connection.on_timer(&self.status);
        self.apply(next)
    }

    /// Performs each `Next` as a lane does. Returns the first one that needs a log, a broker or a socket.
    fn apply(&mut self, mut next: Next) -> Next {
        loop {
            next = match next {
                Next::Write => {
                    let unsent = self.connection.unsent();
                    let count = unsent.len().min(self.room);
                    self.wire.extend_from_slice(&unsent[..count]);
                    self.room -= count;
                    self.connection.on_written(count, &self.status)
                }
                Next::Answer(whole) if whole.request.uri.path() == PENDING => {
                    let pending = self.hold();
                    self.connection.on_answer_pending(pending, &self.status)
                }
                Next::Answer(whole) => {
                    let path = whole.request.uri.path().to_owned();
                    self.connection.on_response(&Response::new(path.into()), &self.status)
                }
                Next::Encode(event, position) => {
                    let bytes = match event {
                        None => format!("nothing until {}", position.seq),
                        Some(Event::Heartbeat { .. }) => format!("heartbeat at {}", position.seq),
                        Some(Event::Goodbye(reason)) => format!("goodbye {}", reason.name()),
                        Some(other) => panic!("{other:?}"),
                    };
                    self.connection.on_encoded(bytes.into(), &self.status)
                }
                Next::Release => {
                    drop(self.connection.release().expect("a client"));
                    self.connection.advance(&self.status)
                }
                next => {
                    let timeout = self.connection.take_timeout(&self.status);
                    self.timeout = timeout.or(self.timeout);
                    return next;
                }
            }
        }
    }

    /// Takes the text that was written.
    fn written(&mut self) -> String {
        String::from_utf8(std::mem::take(&mut self.wire)).unwrap()
    }

    /// Takes the bodies of the responses that were written.
    fn bodies(&mut self) -> Vec<String> {
        let written = self.written();
        let responses = written.split("HTTP/1.1 200 OK\r\n").skip(1);
        responses.map(|text| text.split_once("\r\n\r\n").unwrap().1.to_owned()).collect()
    }
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n")
}

fn decoder() -> SpareDecoder {
    let request = http::Request::get("/topics/t")
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-version", "13")
        .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
        .body(())
        .unwrap();
    let parts = request.into_parts().0;
    let subscribe = SubscribeRequest::read("t", &parts).unwrap();
    WebSocket::default().accept(&parts, &subscribe).unwrap().encoder.decoder()
}

/// A masked frame, with a mask of zeros.
fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x80 | opcode, 0x80 | payload.len() as u8, 0, 0, 0, 0];
    frame.extend_from_slice(payload);
    frame
}

const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: [u8; 2] = [0x8a, 1];

fn portion(cursor: Cursor, text: &'static str) -> Portion {
    let has_events = !text.is_empty();
    let bytes = text.into();
    Portion { cursor, bytes, notifications: 0, has_events, has_more: false, goodbye: None }
}

#[test]
fn wherever_input_is_cut_whole_requests_are_answered_in_order_and_the_rest_is_handed_over() {
    let requests = [get("/1"), get("/2"), get("/3")];
    let all = requests.concat();
    for cut in 1..all.len() {
        let whole = cut / requests[0].len();
        let mut lane = Lane::new();
        let mut next = lane.read(&all.as_bytes()[..cut]);
        // An incomplete request is handed over after the responses to earlier ones are written.
        if whole > 0 && cut % requests[0].len() > 0 {
            assert!(matches!(next, Next::Yield), "{cut}: {next:?}");
            next = lane.read(b"");
        }
        assert_eq!(lane.bodies(), ["/1", "/2", "/3"][..whole], "{cut}");
        match next {
            Next::HandOver(bytes) => assert_eq!(bytes, all[whole * requests[0].len()..cut]),
            Next::Idle => assert_eq!(cut % requests[0].len(), 0),
            next => panic!("{cut}: {next:?}"),
        }
    }
}

#[test]
fn a_peer_that_reads_its_response_slowly_is_read_again_only_after_the_end_of_it() {
    for piece in [1, 7, 100] {
        let mut lane = Lane::new();
        lane.room = 0;
        assert!(matches!(lane.read(get("/1").as_bytes()), Next::Idle));
        assert_eq!(lane.timeout, Some(lane.status.settings.write_deadline));
        assert!(matches!(lane.read(get("/2").as_bytes()), Next::Idle), "it is not read");
        let mut next = Next::Idle;
        for _ in 0..1000 {
            if matches!(next, Next::Idle) {
                next = lane.takes(piece);
            }
        }
        assert!(matches!(next, Next::Yield), "its next request is read in the next turn: {next:?}");
        assert_eq!(lane.bodies(), ["/1"]);
        assert_eq!(lane.timeout, Some(lane.status.settings.idle_timeout));
        lane.room = usize::MAX;
        lane.read(get("/2").as_bytes());
        assert_eq!(lane.bodies(), ["/2"]);
    }
}

#[test]
fn requests_after_one_that_is_pending_wait_for_its_response() {
    let mut lane = Lane::new();
    lane.read((get("/1") + &get(PENDING) + &get("/2")).as_bytes());
    assert_eq!(lane.bodies(), ["/1"]);
    assert_eq!(lane.connection.prepare_read(), Reads::Peek);
    assert!(matches!(lane.timer(), Next::Idle), "the idle timeout does not end a pending request");
    let response = Response::new(Bytes::from_static(b"stored"));
    let next = lane.connection.on_response(&response, &lane.status);
    assert!(matches!(lane.apply(next), Next::Yield));
    assert_eq!(lane.bodies(), ["stored"]);
    lane.read(b"");
    assert_eq!(lane.bodies(), ["/2"]);
}

#[test]
fn a_connection_ends_with_the_response_if_the_peer_the_limit_or_the_server_requires_it() {
    let close = "GET /last HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".to_owned();
    let mut lane = Lane::new();
    assert!(matches!(lane.read((close + &get("/ignored")).as_bytes()), Next::Close));
    assert!(lane.written().contains("connection: close\r\n"));
    assert!(matches!(lane.timer(), Next::Remove), "its peer does not close its side");

    let mut lane = Lane::new();
    lane.connection = Connection::new(true);
    assert!(matches!(lane.read(get("/healthz").as_bytes()), Next::Close));
    lane.connection = Connection::new(true);
    assert!(matches!(lane.read(get("/other").as_bytes()), Next::HandOver(_)));

    let mut lane = Lane::new();
    lane.status.is_closing = true;
    assert!(matches!(lane.read(get("/1").as_bytes()), Next::Close));
}

#[test]
fn the_effect_of_the_timer_depends_on_the_state() {
    let mut idle = Lane::new();
    assert!(matches!(idle.timer(), Next::Remove));

    let mut stalled = Lane::new();
    stalled.room = 3;
    stalled.read(get("/1").as_bytes());
    assert!(matches!(stalled.timer(), Next::CutOff));
    assert!(!stalled.connection.is_let_go());

    let mut poll = Lane::with_client(POLL, None);
    assert_eq!(poll.timeout, Some(Duration::from_secs(25)));
    assert!(matches!(poll.timer(), Next::Idle));
    assert_eq!(poll.written(), "nothing until 0");
    assert_eq!(poll.seats(), 0, "it has given its seat back");

    let mut stream = Lane::with_client(Shape::Stream, None);
    stream.comes_to(4);
    for _ in 0..3 {
        assert!(matches!(stream.timer(), Next::Idle));
        assert_eq!(stream.written(), "heartbeat at 4");
    }

    let mut silent = Lane::with_client(Shape::Upgrade, None);
    silent.timer();
    assert_eq!(silent.written(), "heartbeat at 0");
    silent.read(&frame(PING, b"!"));
    silent.wire.clear();
    silent.timer();
    assert_eq!(silent.written(), "heartbeat at 0", "it has answered the first");
    assert!(matches!(silent.timer(), Next::Close));
    assert_eq!(silent.written(), "goodbye silent");
    assert!(silent.connection.is_let_go());
}

#[test]
fn wherever_input_of_a_client_is_cut_it_is_handled_in_its_order() {
    let sent =
        [frame(PING, b"!"), frame(TEXT, b"hi"), frame(CLOSE, b""), frame(PING, b"?")].concat();
    for cut in 1..sent.len() {
        let mut lane = Lane::with_client(Shape::Upgrade, None);
        let mut published = 0;
        for part in [&sent[..cut], &sent[cut..]] {
            let mut next = lane.read(part);
            while let Next::Handle(message) = next {
                assert_eq!(message, Message::text("hi"));
                assert!(lane.wire.starts_with(&PONG), "{cut}");
                published += 1;
                // The lane has already reached the message.
                lane.comes_to(1);
                next = lane.publishes(1);
                next = lane.apply(next);
            }
        }
        assert_eq!(published, 1, "{cut}");
        assert_eq!(lane.wire, [&PONG[..], b"!", &[0x88, 0]].concat(), "{cut}");
    }
}

#[test]
fn input_after_a_message_waits_until_the_message_is_published() {
    let mut lane = Lane::with_client(Shape::Upgrade, None);
    let next = lane.read(&[frame(TEXT, b"1"), frame(TEXT, b"2")].concat());
    assert!(matches!(next, Next::Handle(_)));
    let pending = lane.hold();
    assert!(matches!(lane.connection.on_handling(pending, &lane.status), Next::Idle));
    assert!(matches!(lane.takes(usize::MAX), Next::Idle), "the second waits for the first");
    assert_eq!(lane.connection.prepare_read(), Reads::Peek);
    assert!(matches!(lane.read(&frame(TEXT, b"3")), Next::Idle));

    let next = lane.publishes(1);
    assert!(matches!(lane.apply(next), Next::Handle(message) if message.payload == "2"));
    let next = lane.publishes(2);
    assert!(matches!(lane.apply(next), Next::Yield), "more was left in the socket");
    let next = lane.read(&frame(TEXT, b"3"));
    assert!(matches!(next, Next::Handle(message) if message.payload == "3"));
    lane.comes_to(2);
    let next = lane.connection.on_handled(None, Err(Reason::TooBig), &lane.status);
    assert!(matches!(lane.apply(next), Next::Close));
    assert_eq!(lane.written(), "goodbye too_big");
}

#[test]
fn the_last_frame_comes_after_the_clients_own_messages_or_when_their_time_is_over() {
    for comes in [true, false] {
        let mut lane = Lane::with_client(Shape::Upgrade, None);
        let next = lane.read(&[frame(TEXT, b"1"), frame(CLOSE, b"")].concat());
        assert!(matches!(next, Next::Handle(_)));
        let next = lane.publishes(1);
        assert!(matches!(lane.apply(next), Next::AwaitPass));
        assert_eq!((lane.wire.len(), lane.timeout), (0, Some(ECHO)));
        assert!(lane.connection.waits_for_lane(&lane.status));
        let next = if comes {
            lane.comes_to(1);
            assert!(!lane.connection.waits_for_lane(&lane.status));
            lane.connection.advance(&lane.status)
        } else {
            lane.connection.on_timer(&lane.status)
        };
        assert!(matches!(lane.apply(next), Next::Close));
        assert_eq!(lane.wire, [0x88, 0]);
    }
}

#[test]
fn a_pass_serves_clients_that_are_with_the_lane_and_have_room() {
    let before = Cursor::at(Lane::new().id(0));
    let mut lane = Lane::with_client(Shape::Stream, None);
    assert_eq!(lane.connection.join_pass(&[], before), Part::Takes);
    let bytes = Bytes::from_static(b"news");
    let next = lane.connection.on_sent(&bytes, Ok(4), &lane.status);
    assert!(matches!(next, Next::Idle));

    lane.room = 1;
    let next = lane.connection.on_sent(&bytes, Ok(1), &lane.status);
    assert!(matches!(lane.apply(next), Next::Idle));
    assert_eq!(lane.connection.unsent(), b"ws");
    assert_eq!(lane.connection.join_pass(&[], before), Part::Nothing);
    assert_eq!(lane.standing(), Standing::Own(before));
    assert!(matches!(lane.takes(2), Next::CatchUp), "bytes must not overtake");

    let mut author = Lane::with_client(Shape::Upgrade, None);
    let seat = author.connection.client().unwrap().seat.id();
    assert_eq!(author.connection.join_pass(&[seat], before), Part::CatchesUp);
    let mut other = Lane::with_client(Shape::Upgrade, None);
    assert_eq!(other.connection.join_pass(&[SeatId::default()], before), Part::Takes);
    let error = std::io::Error::from(std::io::ErrorKind::TimedOut);
    assert!(matches!(other.connection.on_sent(&bytes, Err(error), &other.status), Next::CutOff));
}

#[test]
fn a_poll_is_answered_once_frees_its_seat_and_its_connection_is_read_again() {
    let mut lane = Lane::with_client(POLL, None);
    let before = Cursor::at(lane.id(0));
    assert!(matches!(lane.read(get("/next").as_bytes()), Next::Idle), "it is left in the socket");
    assert_eq!(lane.connection.join_pass(&[], before), Part::Takes);
    assert_eq!(lane.connection.join_pass(&[], before), Part::Nothing);
    let bytes = Bytes::from(vec![b'x'; 4096]);
    lane.room = 0;
    let next = lane.connection.on_sent(&bytes, Ok(1024), &lane.status);
    assert!(matches!(lane.apply(next), Next::Idle));
    assert_eq!(lane.seats(), 1, "a long answer that is not read keeps its seat");
    assert!(matches!(lane.takes(2048), Next::Idle));
    assert!(matches!(lane.takes(usize::MAX), Next::Yield));
    assert_eq!(lane.seats(), 0);
    lane.wire.clear();
    lane.read(get("/next").as_bytes());
    assert_eq!(lane.bodies(), ["/next"]);
}

#[test]
fn a_client_that_catches_up_is_with_the_lane_once_it_has_reached_its_position() {
    let mut lane = Lane::new();
    lane.comes_to(9);
    assert!(matches!(lane.subscribe(Shape::Stream, Some(1)), Next::CatchUp));
    let nothing = portion(Cursor::at(lane.id(5)), "");
    let next = lane.connection.on_caught_up(nothing, &lane.status);
    assert!(matches!(lane.apply(next), Next::CatchUp), "nothing matched so far");
    assert!(matches!(lane.timer(), Next::Idle), "it needs no heartbeat while it catches up");
    assert_eq!(lane.written(), "");

    lane.room = 2;
    let some = portion(Cursor::at(lane.id(7)), "some");
    let next = lane.connection.on_caught_up(some, &lane.status);
    assert!(matches!(lane.apply(next), Next::Idle), "its socket is full");
    assert!(matches!(lane.takes(usize::MAX), Next::CatchUp));
    let rest = portion(Cursor::at(lane.id(9)), "rest");
    let next = lane.connection.on_caught_up(rest, &lane.status);
    assert!(matches!(lane.apply(next), Next::Idle));
    assert_eq!((lane.written().as_str(), lane.standing()), ("somerest", Standing::WithLane));
}

/// Otherwise the next pass would send it notifications that it must skip.
#[test]
fn a_client_in_its_snapshot_joins_the_lane_only_after_the_snapshot() {
    let mut lane = Lane::new();
    let hub = lane.status.hub.clone();
    for topic in ["a", "b", "a", "a"] {
        let notification = Notification::text(topic.parse().unwrap(), "");
        hub.publish(notification).try_outcome().unwrap().unwrap();
    }
    lane.comes_to(3);
    lane.subscribe(Shape::Stream, Some(0));
    let interest = Interest::new(">".parse().unwrap());
    let (mut cursor, _) = Cursor::open(hub.log(), Position::Latest, &interest);
    let (end, all) = (lane.id(3), Budget::default());
    let _ = cursor.read(hub.log(), &interest, SeatId::default(), end, all, &mut Vec::new());
    let next = lane.connection.on_caught_up(portion(cursor, "b"), &lane.status);
    assert!(matches!(lane.apply(next), Next::CatchUp));
    assert_eq!((cursor.seq(), lane.standing()), (3, Standing::Own(cursor)));

    let head = hub.log().head();
    let _ = cursor.read(hub.log(), &interest, SeatId::default(), head, all, &mut Vec::new());
    lane.comes_to(4);
    let next = lane.connection.on_caught_up(portion(cursor, "a"), &lane.status);
    assert!(matches!(lane.apply(next), Next::Idle));
    assert_eq!(lane.standing(), Standing::WithLane);
}

#[test]
fn a_client_that_is_further_than_the_lane_waits_for_it() {
    let mut lane = Lane::new();
    lane.comes_to(3);
    lane.subscribe(Shape::Stream, Some(5));
    let at = Cursor::at(lane.id(5));
    let next = lane.connection.on_caught_up(portion(at, ""), &lane.status);
    assert!(matches!(lane.apply(next), Next::AwaitPass));
    assert_eq!(lane.connection.join_pass(&[], Cursor::at(lane.id(3))), Part::Nothing);
    lane.timer();
    assert_eq!(lane.written(), "heartbeat at 5");
    lane.comes_to(7);
    assert!(!lane.connection.waits_for_lane(&lane.status));
    assert!(matches!(lane.connection.advance(&lane.status), Next::CatchUp));
}

#[test]
fn entries_of_the_broker_are_sent_and_until_then_the_end_of_its_hold_does_not_answer_a_poll() {
    let mut lane = Lane::new();
    lane.comes_to(9);
    assert!(matches!(lane.subscribe(POLL, Some(1)), Next::CatchUp));
    let pending = lane.hold();
    let next = lane.connection.on_fetching(pending, &lane.status);
    assert!(matches!(lane.apply(next), Next::Idle));
    assert!(matches!(lane.timer(), Next::Idle));
    assert!(lane.wire.is_empty() && lane.timeout < Some(Duration::from_secs(1)));

    let found = portion(Cursor::at(lane.id(4)), "found");
    let next = lane.connection.on_fetched(found, &lane.status);
    assert!(matches!(lane.apply(next), Next::Idle));
    assert_eq!(lane.written(), "found");
    assert_eq!(lane.seats(), 0);

    let mut stream = Lane::new();
    stream.comes_to(9);
    stream.subscribe(Shape::Stream, Some(1));
    let pending = stream.hold();
    stream.connection.on_fetching(pending, &stream.status);
    stream.timer();
    assert_eq!(stream.written(), "heartbeat at 1");
    let nothing = portion(Cursor::at(stream.id(4)), "");
    let next = stream.connection.on_fetched(nothing, &stream.status);
    assert!(matches!(stream.apply(next), Next::CatchUp));
}

#[test]
fn a_peer_that_closes_its_side_is_still_served() {
    let mut stream = Lane::with_client(Shape::Stream, None);
    assert!(matches!(stream.connection.on_reset(), Next::Idle), "reading shows that");
    let next = stream.connection.on_end(&stream.status);
    assert!(matches!(stream.apply(next), Next::Idle));
    assert_eq!(stream.written(), "heartbeat at 0");
    assert!(matches!(stream.connection.on_end(&stream.status), Next::Idle));
    assert!(matches!(stream.connection.on_reset(), Next::Remove));

    let mut poll = Lane::with_client(POLL, None);
    assert!(matches!(poll.connection.on_end(&poll.status), Next::OpenAnswer));
    let next = poll.connection.on_encoded(Bytes::from_static(b"head "), &poll.status);
    assert!(matches!(poll.apply(next), Next::Idle));
    assert!(matches!(poll.timer(), Next::Remove), "it has nothing left to send");
    assert_eq!(poll.written(), "head nothing until 0");

    let mut requests = Lane::new();
    requests.read(get(PENDING).as_bytes());
    assert!(matches!(requests.connection.on_end(&requests.status), Next::Idle));
    let response = Response::new(Bytes::from_static(b"stored"));
    let next = requests.connection.on_response(&response, &requests.status);
    assert!(matches!(requests.apply(next), Next::Close));
    assert_eq!(requests.bodies(), ["stored"]);
    assert!(matches!(Lane::new().connection.on_end(&requests.status), Next::Remove));
}

#[test]
fn a_goodbye_comes_after_unsent_bytes_and_ends_the_connection() {
    let reason = Reason::GoingAway;
    let goodbye = |lane: &mut Lane| {
        let next = lane.connection.on_goodbye(reason, &lane.status);
        lane.apply(next)
    };
    assert!(matches!(goodbye(&mut Lane::new()), Next::Remove));

    let mut stream = Lane::with_client(Shape::Stream, None);
    stream.room = 1;
    let next = stream.connection.on_sent(&Bytes::from_static(b"news "), Ok(0), &stream.status);
    stream.apply(next);
    assert!(matches!(goodbye(&mut stream), Next::Idle));
    assert!(matches!(stream.takes(usize::MAX), Next::Close));
    assert_eq!(stream.written(), "news goodbye going_away");

    let mut poll = Lane::with_client(POLL, None);
    poll.status.is_closing = true;
    assert!(matches!(goodbye(&mut poll), Next::Close));

    let mut pending = Lane::new();
    pending.read(get(PENDING).as_bytes());
    assert!(matches!(goodbye(&mut pending), Next::Idle));
    let response = Response::new(Bytes::from_static(b"stored"));
    let next = pending.connection.on_response(&response, &pending.status);
    assert!(matches!(pending.apply(next), Next::Close));
}

#[test]
fn a_client_that_pings_without_reading_gets_only_some_pongs() {
    let mut lane = Lane::with_client(Shape::Upgrade, None);
    lane.room = 0;
    let pings: Vec<u8> = std::iter::repeat_n(frame(PING, &[b'!'; 100]), 500).flatten().collect();
    assert!(matches!(lane.read(&pings), Next::Idle));
    let unsent = lane.connection.unsent().len();
    assert!((4096..4096 + 128).contains(&unsent), "{unsent}");
}

/// Makes the application reply to the client's messages.
fn reply_to_messages(lane: &mut Lane) {
    let Stage::Serving(client) = &mut lane.connection.stage else { panic!("it is served") };
    client.on_message = OnMessage::from_fn(|_, message| Ok(Some(message)));
}

/// Replies to the client's message with this many bytes.
fn reply(lane: &mut Lane, length: usize) -> Next {
    let reply = Bytes::from(vec![b'x'; length]);
    let next = lane.connection.on_handled(None, Ok(reply), &lane.status);
    lane.apply(next)
}

#[test]
fn messages_wait_until_the_replies_before_them_are_written() {
    for may_reply in [true, false] {
        let mut lane = Lane::with_client(Shape::Upgrade, None);
        if may_reply {
            reply_to_messages(&mut lane);
        }
        lane.room = 3;
        let frames = ["1", "2", "3"].map(|text| frame(TEXT, text.as_bytes())).concat();
        assert!(matches!(lane.read(&frames), Next::Handle(message) if message.payload == "1"));
        let next = reply(&mut lane, 10);
        assert!(matches!(next, Next::Handle(message) if message.payload == "2"), "not full yet");
        assert!(lane.wire.is_empty(), "replies are written together");
        let next = reply(&mut lane, MAX_ANSWERS);
        if may_reply {
            assert!(matches!(next, Next::Idle), "the socket is full");
            assert_eq!(lane.connection.prepare_read(), Reads::Peek);
        }
        let next = if may_reply { lane.takes(usize::MAX) } else { next };
        assert!(matches!(next, Next::Handle(message) if message.payload == "3"), "{may_reply}");
    }
}

#[test]
fn a_ping_after_a_long_reply_is_answered() {
    let mut lane = Lane::with_client(Shape::Upgrade, None);
    reply_to_messages(&mut lane);
    assert!(matches!(lane.read(&[frame(TEXT, b"1"), frame(PING, b"!")].concat()), Next::Handle(_)));
    assert!(matches!(reply(&mut lane, 5000), Next::Idle));
    assert_eq!(lane.wire[5000..], [&PONG[..], b"!"].concat());
}

#[test]
fn a_message_that_is_put_back_comes_first_and_nothing_is_read_before_it() {
    let mut lane = Lane::with_client(Shape::Upgrade, None);
    let frames = [frame(TEXT, b"1"), frame(TEXT, b"2")].concat();
    let Next::Handle(message) = lane.read(&frames) else { panic!("there is one") };
    lane.connection.put_back(message);
    assert_eq!(lane.connection.prepare_read(), Reads::Peek);
    let next = lane.connection.advance(&lane.status);
    assert!(matches!(next, Next::Handle(message) if message.payload == "1"));
}

#[test]
fn a_peer_that_leaves_while_its_message_is_handled_is_removed() {
    let mut lane = Lane::with_client(Shape::Upgrade, None);
    reply_to_messages(&mut lane);
    assert!(matches!(lane.read(&frame(TEXT, b"1")), Next::Handle(_)));
    let pending = lane.hold();
    assert!(matches!(lane.connection.on_handling(pending, &lane.status), Next::Idle));
    for _ in 0..3 {
        assert!(matches!(lane.timer(), Next::Idle));
        assert_eq!(lane.written(), "heartbeat at 0", "it is not read, so it is not silent");
    }
    let next = lane.connection.on_end(&lane.status);
    assert!(matches!(lane.apply(next), Next::Idle));
    assert_eq!(lane.written(), "heartbeat at 0");
    assert!(matches!(lane.connection.on_reset(), Next::Remove));
}

#[test]
fn a_peer_that_leaves_while_its_message_is_published_is_kept_until_the_publish_ends() {
    let mut lane = Lane::with_client(Shape::Upgrade, None);
    assert!(matches!(lane.read(&frame(TEXT, b"1")), Next::Handle(_)));
    let pending = lane.hold();
    lane.connection.on_handling(pending, &lane.status);
    let next = lane.connection.on_end(&lane.status);
    assert!(matches!(lane.apply(next), Next::Idle));
    assert!(lane.wire.is_empty() && matches!(lane.connection.on_reset(), Next::Idle));
    lane.comes_to(1);
    let next = lane.publishes(1);
    assert!(matches!(lane.apply(next), Next::Yield), "its end is read now");
}

/// Returns a lane with a client whose message is pending, and with a second message in the socket.
fn with_pending_message(may_reply: bool) -> Lane {
    let mut lane = Lane::with_client(Shape::Upgrade, None);
    if may_reply {
        reply_to_messages(&mut lane);
    }
    assert!(matches!(lane.read(&frame(TEXT, b"1")), Next::Handle(_)));
    let pending = lane.hold();
    assert!(matches!(lane.connection.on_handling(pending, &lane.status), Next::Idle));
    assert!(matches!(lane.read(&frame(TEXT, b"2")), Next::Idle));
    lane
}

#[test]
fn a_goodbye_ends_the_handling_of_a_message_but_not_its_publish() {
    for may_reply in [true, false] {
        let mut lane = with_pending_message(may_reply);
        let next = lane.connection.on_goodbye(Reason::NotAllowed, &lane.status);
        assert!(matches!(lane.apply(next), Next::Close));
        assert_eq!(lane.written(), "goodbye not_allowed");
        assert_eq!(lane.connection.pending.is_none(), may_reply);
    }
}

#[test]
fn a_peer_that_closes_its_side_after_a_goodbye_is_removed_even_if_its_message_is_pending() {
    for may_reply in [true, false] {
        let mut lane = with_pending_message(may_reply);
        let next = lane.connection.on_goodbye(Reason::NotAllowed, &lane.status);
        assert!(matches!(lane.apply(next), Next::Close));
        assert!(matches!(lane.connection.advance(&lane.status), Next::Yield), "more was left");
        lane.read(&frame(TEXT, b"2"));
        assert!(matches!(lane.connection.advance(&lane.status), Next::Idle));
        assert!(matches!(lane.connection.on_end(&lane.status), Next::Remove), "{may_reply}");
    }
}

#[test]
fn input_after_the_last_request_does_not_keep_the_connection_busy() {
    let close = "GET /last HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".to_owned();
    let mut lane = Lane::new();
    assert!(matches!(lane.read((close + &get("/ignored")).as_bytes()), Next::Close));
    assert!(matches!(lane.connection.advance(&lane.status), Next::Idle));
    assert!(matches!(lane.connection.on_end(&lane.status), Next::Remove));
}
