//! Tests of the connection without sockets. Their lane writes to memory, up to a limit.

#![expect(unused_must_use, reason = "many tests look only at what was written")]

mod delivery;
mod ends;
mod messages;
mod requests;

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
use crate::lane::compressed::SyncState;
use crate::lane::pending::{Pending, PendingSet};
use crate::lane::subscription::Opened;
use crate::lane::timeout::ECHO;

const POLL: Shape = Shape::Answer { hold: Duration::from_secs(25) };

/// The response to a request for this path is pending. Other requests get a response with their paths.
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

    /// The client is with the lane, or at the cursor `own`.
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
        let sync = SyncState::default();
        let opened = Opened { client, first: Bytes::new(), is_answered: false, sync };
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

    /// A future that never completes.
    fn hold(&mut self) -> Pending {
        self.pending.add(0, std::future::pending())
    }

    /// Reads these bytes as the lane does.
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

    /// Performs each `Next` as a lane does, up to the first one that needs a log, a broker or a socket.
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
                Next::Respond(whole) if whole.request.uri.path() == PENDING => {
                    let pending = self.hold();
                    self.connection.on_response_pending(pending, &self.status)
                }
                Next::Respond(whole) => {
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
    let sync = SyncState::default();
    Portion { cursor, bytes, sync, notifications: 0, has_events, has_more: false, goodbye: None }
}
