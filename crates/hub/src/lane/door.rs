//! The door: where a connection comes in, and where it asks.

use std::io::{self, Write};
use std::task::Context;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::Response;
use http::request::Parts;
use mio::net::{TcpListener, TcpStream};
use socket2::SockRef;
use tidings_transport::Refusal;

use super::State;
use super::client::{Connection, Stage};
use super::join::Visitor;
use super::neighbours::Neighbours;
use crate::connected::{Connected, Connections};
use crate::request::{self, Next, Whole, is_last};
use crate::routes::Answer;
use crate::{head, routes, worker};

type Answering = dyn Fn(&Parts, Bytes) -> Answer;
type Refusing = dyn Fn(Option<&Parts>, Refusal) -> Response<Bytes>;

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
    /// Whether hyper is to have every connection, whatever is asked.
    pub(crate) general_path: bool,
    /// Answers a whole request.
    pub(crate) answer: Box<Answering>,
    /// The answer to a request that is not served.
    pub(crate) refuse: Box<Refusing>,
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
            // Too many to wait for what they ask. As a courtesy they are answered at once; whether that
            // arrives or not, the connection is closed.
            let mut answer = BytesMut::new();
            let refused = (self.reception.refuse)(None, routes::no_room());
            head::whole(&mut answer, &refused, head::CLOSE);
            let _ = socket.write(&answer);
            return;
        };
        let Reception { neighbours, lane, general_path, .. } = &self.reception;
        if *general_path {
            return (self.reception.hand_over)(socket.into(), connected, Bytes::new());
        }
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
            timer: self.timers.start(key, self.manners.idle_timeout),
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
            let Whole { request, body, length } = match request::next(bytes, self.manners.max_head)
            {
                Next::Whole(Whole { request, .. }) if is_surplus && !routes::is_probe(&request) => {
                    return self.refuse(key, answers, Some(&request), routes::no_room());
                }
                Next::Whole(whole) => whole,
                Next::Other => return self.hand_over(key, answers, bytes),
                Next::Refused(refusal) => return self.refuse(key, answers, None, refusal),
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

    /// Answers a request that is not served, and ends the connection.
    fn refuse(&mut self, key: usize, answers: BytesMut, request: Option<&Parts>, refusal: Refusal) {
        let answer = (self.reception.refuse)(request, refusal);
        self.answer_last(key, answers, &answer);
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

    /// hyper gets what is not plain, once the answers to what came before are out.
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
