//! The ways out: an answer given, a goodbye, a connection that ends.

use std::io;
use std::net::Shutdown;

use tidings_core::{Event, Reason};
use tidings_transport::Shape;

use super::State;
use super::client::{Client, Connection, Progress, Stage};
use super::group::{AnswerHead, Ending};
use crate::head;

impl State {
    /// A client has its answer, and leaves. Its connection is read for the next request, if there may be one.
    pub(super) fn next_request(&mut self, key: usize) {
        self.give_seat_back(key);
        self.connections[key].stage = Stage::Asking;
        if self.connections[key].is_last || self.is_closing() {
            return self.close_our_side(key);
        }
        self.await_request(key);
        self.ask_on(key);
    }

    /// Takes the client from its connection.
    pub(super) fn give_seat_back(&mut self, key: usize) {
        if let Some(client) = self.connections[key].client.take() {
            self.dismiss(&client);
        }
    }

    /// Reads the requests that came before they were due.
    pub(super) fn ask_on(&mut self, key: usize) {
        let connection = &mut self.connections[key];
        if connection.publishing.is_some() {
            return;
        }
        if std::mem::take(&mut connection.is_ahead) || connection.early.is_some() {
            self.keep_busy(key);
        }
    }

    /// Says goodbye to a client, behind whatever is half written; a connection without one is closed.
    pub(super) fn goodbye(&mut self, key: usize, reason: Reason) {
        let position = self.position();
        let connection = &mut self.connections[key];
        if connection.stage == Stage::Asking {
            if connection.publishing.is_some() {
                connection.is_last = true;
                return;
            }
            if connection.rest.is_empty() {
                return self.remove(key);
            }
            connection.stage = Stage::Leaving;
        }
        let Some(client) = &mut connection.client else { return };
        if connection.stage != Stage::Open {
            return;
        }
        client.fetching = None;
        let position = match client.progress {
            Progress::Current => position,
            Progress::Behind(cursor) => cursor.position(),
        };
        connection.stage = match client.shape {
            Shape::Answer { .. } => Stage::Answered,
            Shape::Upgrade | Shape::Stream => Stage::Leaving,
        };
        let goodbye = self.groups.get(client.group).encode(&[Event::Goodbye(reason)], position);
        self.metrics.let_go(reason);
        self.append(key, goodbye);
    }

    /// A client that was told goodbye has a moment to close its own side: what it sent meanwhile is read,
    /// or the system would answer it with a reset that can overtake the goodbye (RFC 6455, section 7.1.1).
    pub(super) fn close_our_side(&mut self, key: usize) {
        let connection = &mut self.connections[key];
        connection.stage = Stage::Left;
        // A peer that has closed its side as well has nothing left to send.
        if connection.is_half_closed || connection.socket.shutdown(Shutdown::Write).is_err() {
            return self.remove(key);
        }
        self.linger(key);
    }

    /// Ends a connection that failed. If the system gave up on it, that is the write deadline as well: see
    /// [`prepare`](crate::worker::prepare).
    pub(super) fn broke(&mut self, key: usize, error: &io::Error) {
        match error.kind() {
            io::ErrorKind::TimedOut => self.cut_off(key),
            _ => self.remove(key),
        }
    }

    /// Cuts off a connection whose peer took nothing for the write deadline.
    pub(super) fn cut_off(&mut self, key: usize) {
        let Some(connection) = self.connections.get(key) else { return };
        // A client that was told goodbye is counted already.
        let is_counted = match connection.stage {
            Stage::Left => true,
            Stage::Leaving => connection.client.is_some(),
            Stage::Asking | Stage::Open | Stage::Answered => false,
        };
        if !is_counted {
            self.metrics.cut_off();
        }
        self.remove(key);
    }

    /// Lets a connection go without a word.
    pub(super) fn remove(&mut self, key: usize) {
        self.take_out(key);
    }

    pub(super) fn take_out(&mut self, key: usize) -> Option<Connection> {
        let mut connection = self.connections.try_remove(key)?;
        self.reception.neighbours.left(self.reception.lane);
        self.epoll.forget(&mut connection.socket);
        let moved = self.timers.stop(&connection.timer);
        self.has_moved(moved, connection.timer.place);
        if let Some(client) = &connection.client {
            self.dismiss(client);
        }
        Some(connection)
    }

    /// The peer of a client that is served has closed its side (RFC 9112, section 9.6). It may still read, so
    /// the client is served on: a poll until it is answered, all others until a write fails. Whether the peer
    /// is there at all shows only when something is sent to it. So a stream is sent a heartbeat now, and a
    /// poll the first part of its answer.
    pub(super) fn half_closed(&mut self, key: usize) {
        let connection = &mut self.connections[key];
        connection.is_last = true;
        if std::mem::replace(&mut connection.is_half_closed, true) {
            return;
        }
        if connection.is_held() { self.begin_answer(key) } else { self.beat(key) }
    }

    /// Sends the first part of the answer to a held poll, which joins those whose head has been sent.
    fn begin_answer(&mut self, key: usize) {
        let Some(mut client) = self.connections[key].client.take() else { return };
        self.dismiss(&client);
        let group = self.groups.get(client.group);
        let (encoder, interest) = (group.encoder.clone(), group.interest.clone());
        let head = group.answer_head().map(|answer| answer.head.clone());
        let answer = head.clone().map(|head| AnswerHead { head, ending: Ending::Sent });
        let delivered = || self.metrics.delivered(client.seat.transport());
        client.group = self.groups.find_or_make(&encoder, interest, answer, delivered);
        client.place = self.groups.enter(client.group, key);
        self.connections[key].client = Some(client);
        if let Some(head) = head {
            self.append(key, head::open_answer(&head, head::CLOSE));
        }
    }

    /// Takes a client out of its group.
    fn dismiss(&mut self, client: &Client) {
        if let Some(moved) = self.groups.leave(client.group, client.place)
            && let Some(moved) = &mut self.connections[moved].client
        {
            moved.place = client.place;
        }
    }
}
