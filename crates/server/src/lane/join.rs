//! How a connection gets its client.

use std::net::TcpStream;

use bytes::BytesMut;
use tidings_core::{Cursor, Event, Pulse};
use tidings_transport::{Accepted, Shape};

use super::State;
use super::client::{Client, Progress, Stage};
use super::group::{AnswerHead, Ending};
use crate::connected::Connected;
use crate::head;
use crate::visitor::{Newcomer, Visitor};

impl State {
    pub(super) fn join(&mut self, newcomer: Newcomer) {
        let Newcomer { socket, connected, early, visitor } = newcomer;
        self.reception.neighbours.came(self.reception.lane);
        if let Some(key) = self.admit(mio::net::TcpStream::from_std(socket), connected) {
            self.seat(key, *visitor, &early);
        }
    }

    pub(super) fn take_back(&mut self, socket: TcpStream, connected: Connected, early: &[u8]) {
        if self.is_closing() {
            return;
        }
        self.reception.neighbours.came(self.reception.lane);
        let Some(key) = self.admit(mio::net::TcpStream::from_std(socket), connected) else {
            return;
        };
        self.await_request(key);
        if !early.is_empty() {
            self.connections[key].early = Some(early.into());
            self.keep_busy(key);
        }
    }

    /// Serves a client on this connection. What it must be told first is written at once, behind what is
    /// to be written before it.
    pub(super) fn seat(&mut self, key: usize, visitor: Visitor, early: &[u8]) {
        let Visitor { accepted, seat, interest, position, publishes_to, is_last } = visitor;
        let Accepted { head, encoder, shape } = accepted;
        let (cursor, gap) = Cursor::open(self.hub.log(), position, &interest);
        // Nobody in a lane stands ahead of it: what others are told next, this one is as well.
        self.pass_to(cursor.position());

        let start = cursor.position();
        let mut first = BytesMut::from(&self.connections[key].rest[..]);
        let answer = match shape {
            Shape::Upgrade => {
                head::open(&mut first, &head);
                head::finish_upgrade(&mut first);
                None
            }
            Shape::Stream => {
                head::open(&mut first, &head);
                head::finish_stream(&mut first);
                None
            }
            Shape::Answer { .. } => {
                let ending = if is_last { Ending::Last } else { Ending::Open };
                Some(AnswerHead { head, ending })
            }
        };
        if answer.is_none() {
            // Until the gap is told the client stands before it.
            first.extend_from_slice(&encoder.opening(gap.map_or(start, |gap| gap.after)));
        }
        let delivered = || self.metrics.delivered(seat.transport());
        let group = self.groups.find_or_make(&encoder, interest, answer, delivered);
        if let Some(gap) = gap {
            let gap = [Event::Gap(gap)];
            first.extend_from_slice(&self.groups.get(group).encode(&gap, start));
        }
        let is_answer = matches!(shape, Shape::Answer { .. });
        let is_current = start == self.position();
        let client = Client {
            seat,
            group,
            place: self.groups.enter(group, key),
            progress: if is_current { Progress::Current } else { Progress::Behind(cursor) },
            shape,
            decoder: None,
            pulse: Pulse::default(),
            publishes_to,
            speech: None,
            fetching: None,
        };
        let patience = self.patience_with(shape);
        self.wait(key, patience);
        let connection = &mut self.connections[key];
        connection.client = Some(client);
        connection.is_last = is_last;
        connection.rest = first.freeze();
        connection.stage = if gap.is_some() && is_answer { Stage::Answered } else { Stage::Open };
        if is_answer {
            // Its next request, for when it has its answer.
            connection.early = (!early.is_empty()).then(|| early.into());
        } else if !early.is_empty() {
            self.decode(key, &mut early.to_vec());
        }
        self.write(key);
        if patience.is_zero() {
            // What has been published is seen by a poll that is not held, whether the lane has come to it or
            // not.
            self.pass();
            if self.connections.get(key).is_some_and(|one| one.stage == Stage::Open) {
                self.end_hold(key);
            }
        }
        // It may be gone already: a broken socket, or a poll that was answered.
        if let Some(drain) = &self.drain
            && self.connections.contains(key)
        {
            self.goodbye(key, drain.reason);
        }
    }
}
