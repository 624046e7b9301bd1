//! The door: where a connection comes in, and where it asks.

use std::io::{self, Write};
use std::task::Context;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::Response;
use http::request::Parts;
use mio::net::{TcpListener, TcpStream};
use socket2::SockRef;

use super::State;
use super::client::{Connection, Stage};
use super::neighbours::Neighbours;
use crate::accept::is_of_one_connection;
use crate::connected::{Connected, Connections};
use crate::request::{self, Whole, is_last};
use crate::routes::Answer;
use crate::visitor::Visitor;
use crate::{head, routes, worker};

type Answering = dyn Fn(&Parts, Bytes) -> Answer;

/// Who comes in, and who answers what is asked at the door.
pub(crate) struct Reception {
    /// Where connections come from, until the hub is closed.
    pub(crate) listener: Option<TcpListener>,
    /// Whether connections may wait there that are older than what was set on the listener.
    pub(crate) has_early_ones: bool,
    /// How many there may be.
    pub(crate) connections: Connections,
    /// Who else takes some of them, and which of the lanes this one is.
    pub(crate) neighbours: Neighbours,
    pub(crate) lane: usize,
    /// Answers a whole request.
    pub(crate) answer: Box<Answering>,
    /// The answer to a connection that is closed without reading a request.
    pub(crate) no_room: Box<dyn Fn() -> Bytes>,
    /// Takes a connection whose request is not plain, with what has come of it.
    pub(crate) hand_over: Box<dyn Fn(std::net::TcpStream, Connected, Bytes)>,
}

/// The key of the listener and its timer, which no connection has.
pub(super) const LISTENER: usize = usize::MAX;

/// How many connections are accepted in one turn.
const ACCEPTS: usize = 256;

/// How many bytes of answers wait for one connection before it is asked what more it wants.
const MAX_ANSWERS: usize = 64 << 10;

/// How long to wait where the system has no more connections to give, before asking again.
const OUT_OF_DESCRIPTORS: Duration = Duration::from_millis(50);

impl State {
    /// Takes in those who wait outside, until the hub is closed.
    pub(super) fn accept(&mut self) {
        for _ in 0..ACCEPTS {
            let Some(listener) = &self.reception.listener else { return };
            if self.is_out_of_descriptors {
                return;
            }
            match listener.accept() {
                Ok((socket, _)) => {
                    if self.reception.has_early_ones {
                        self.prepare(&socket);
                    }
                    self.welcome(socket);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.reception.has_early_ones = false;
                    return;
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(error) => {
                    self.metrics.unserved.add(error);
                    self.timers.start(LISTENER, OUT_OF_DESCRIPTORS);
                    self.is_out_of_descriptors = true;
                    return;
                }
            }
        }
        self.has_callers = true;
    }

    fn prepare(&self, socket: &TcpStream) {
        if let Err(error) = worker::prepare(&SockRef::from(socket), self.manners.write_deadline) {
            tracing::debug!(%error, "a connection that is older than the server has other options");
        }
    }

    fn welcome(&mut self, mut socket: TcpStream) {
        let Some(connected) = self.reception.connections.admit() else {
            // There are too many to wait for their requests. The answer may not arrive; the connection is closed.
            let _ = socket.write(&(self.reception.no_room)());
            return;
        };
        let Reception { neighbours, lane, .. } = &self.reception;
        match neighbours.next(*lane) {
            next if next == *lane => {
                neighbours.came(*lane);
                self.admit(socket, connected);
            }
            other => neighbours.hand(other, socket, connected),
        }
    }

    /// Whether the hub is closed, and nobody is asked what more it wants.
    pub(super) fn is_closing(&self) -> bool {
        self.reception.listener.is_none()
    }

    /// Takes in what other lanes have handed to this one.
    pub(super) fn take_handed(&mut self, context: &Context<'_>) {
        for (socket, connected) in self.reception.neighbours.take(self.reception.lane, context) {
            if self.is_closing() {
                self.reception.neighbours.left(self.reception.lane);
            } else {
                self.admit(socket, connected);
            }
        }
    }

    /// Takes in a connection that is counted already, to be read for its first request.
    pub(super) fn admit(&mut self, socket: TcpStream, connected: Connected) -> Option<usize> {
        let entry = self.connections.vacant_entry();
        let key = entry.key();
        let connection = entry.insert(Connection {
            socket,
            stage: Stage::Asking,
            client: None,
            rest: Bytes::new(),
            early: None,
            is_ahead: false,
            timer: self.timers.start(key, connected.idle_timeout(self.manners.idle_timeout)),
            is_last: false,
            is_half_closed: false,
            is_waiting: false,
            is_busy: false,
            publishing: None,
            connected,
        });
        if let Err(error) = self.epoll.watch(&mut connection.socket, key) {
            self.metrics.unserved.add(error);
            self.remove(key);
            return None;
        }
        Some(key)
    }

    /// Answers these requests, one after the other; what comes behind a client that stays is kept for it.
    pub(super) fn requests(&mut self, key: usize, mut bytes: &[u8]) {
        let mut answers = BytesMut::new();
        let is_surplus = self.connections[key].connected.is_surplus();
        while !bytes.is_empty() {
            let whole = request::next(bytes, self.manners.max_head)
                .filter(|whole| !is_surplus || routes::is_probe(&whole.request));
            let Some(Whole { request, body, length }) = whole else {
                return self.hand_over(key, answers, bytes);
            };
            bytes = &bytes[length..];
            match (self.reception.answer)(&request, body) {
                Answer::Stays(visitor) => return self.stay(key, *visitor, answers, bytes),
                Answer::Later(later) => {
                    self.connections[key].early = (!bytes.is_empty()).then(|| bytes.into());
                    self.answer_later(key, later, is_last(&request));
                    break;
                }
                Answer::Whole(answer) => {
                    // What is answered now is the last thing that is said by a hub that is closed.
                    let is_last = is_surplus || is_last(&request) || head::is_last(&answer);
                    if is_last || self.is_closing() {
                        return self.answer_last(key, answers, &answer);
                    }
                    head::whole(&mut answers, &answer, &self.manners.keep_alive);
                    if answers.len() > MAX_ANSWERS && !bytes.is_empty() {
                        self.connections[key].early = Some(bytes.into());
                        self.keep_busy(key);
                        break;
                    }
                }
            }
        }
        self.await_request(key);
        self.append(key, answers.freeze());
    }

    /// Sends the last answer of a connection, after those that are to be sent before it.
    fn answer_last(&mut self, key: usize, mut answers: BytesMut, answer: &Response<Bytes>) {
        head::whole(&mut answers, answer, head::CLOSE);
        self.connections[key].stage = Stage::Leaving;
        self.append(key, answers.freeze());
    }

    fn stay(&mut self, key: usize, visitor: Visitor, answers: BytesMut, early: &[u8]) {
        self.connections[key].rest = answers.freeze();
        self.seat(key, visitor, early);
    }

    /// What is not plain, or refused, leaves the lane once the answers to what came before are out. Its peer may
    /// still be sending, and a lane does not wait for that.
    fn hand_over(&mut self, key: usize, answers: BytesMut, bytes: &[u8]) {
        if !answers.is_empty() {
            self.connections[key].early = Some(bytes.into());
            self.keep_busy(key);
            return self.append(key, answers.freeze());
        }
        if let Some(connection) = self.take_out(key) {
            let Connection { socket, connected, .. } = connection;
            (self.reception.hand_over)(socket.into(), connected, Bytes::copy_from_slice(bytes));
        }
    }
}
