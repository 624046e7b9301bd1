//! How a client comes into the lane.

use std::net::TcpStream;

use bytes::Bytes;
use tidings_core::{Cursor, Event, Interest, Position, Pulse, Seat};
use tidings_transport::mount::OnMessage;
use tidings_transport::{Accepted, Shape};

use super::State;
use super::client::{Client, Progress, Stage};
use crate::connected::Connected;
use crate::head;

/// A client that has been accepted, with the connection that was taken over from hyper.
pub(crate) struct Newcomer {
    pub(crate) socket: TcpStream,
    pub(crate) connected: Connected,
    /// What came behind the request.
    pub(crate) early: Bytes,
    pub(crate) visitor: Visitor,
}

/// A client that has been accepted, before its connection is at hand.
pub(crate) struct Visitor {
    pub(crate) accepted: Accepted,
    pub(crate) seat: Seat,
    pub(crate) interest: Interest,
    pub(crate) position: Position,
    pub(crate) on_message: OnMessage,
    /// Whether the connection ends with the answer, as the client asked or its HTTP/1.0 has it.
    pub(crate) is_last: bool,
}

impl State {
    pub(super) fn join(&mut self, newcomer: Newcomer) {
        let Newcomer { socket, mut connected, early, visitor } = newcomer;
        let Visitor { accepted, seat, interest, position, on_message, is_last } = visitor;
        let Accepted { head, words, shape } = accepted;
        if matches!(shape, Shape::Answer { .. }) && !early.is_empty() {
            // Its next request, for whoever takes the connection back. Copied, for these bytes keep all of
            // hyper's buffer alive.
            connected.early = Bytes::copy_from_slice(&early);
        }
        let (cursor, gap) = Cursor::open(self.hub.log(), position, &interest);
        // Nobody in a lane stands ahead of it: what others are told next, this one is as well.
        self.pass_to(cursor.seq());

        let start = self.hub.epoch().id(cursor.seq());
        let mut first = head::open(&head);
        let answer_head = match shape {
            Shape::Upgrade => {
                first = head::finish_upgrade(first);
                None
            }
            Shape::Stream => {
                first = head::finish_stream(first);
                None
            }
            Shape::Answer { .. } => Some(head::open_answer(first.split(), is_last)),
        };
        if answer_head.is_none() {
            // Until the gap is told the client stands before it.
            first.extend_from_slice(&words.opening(gap.map_or(start, |gap| gap.after)));
        }
        let delivered = || self.metrics.delivered(seat.transport());
        let index = self.groups.find_or_make(&words, interest, answer_head, delivered);
        if let Some(gap) = gap {
            let group = self.groups.get(index);
            first.extend_from_slice(&group.render(&[Event::Gap(gap)], start));
        }
        let is_answered = gap.is_some() && matches!(shape, Shape::Answer { .. });
        let is_current = cursor.seq() == self.seen.seq();

        let entry = self.clients.vacant_entry();
        let key = entry.key();
        let patience = match shape {
            Shape::Answer { hold } => hold,
            Shape::Upgrade | Shape::Stream => self.hub.heartbeat().interval,
        };
        entry.insert(Client {
            socket: mio::net::TcpStream::from_std(socket),
            seat,
            group: index,
            place: self.groups.enter(index, key),
            progress: if is_current { Progress::Current } else { Progress::Behind(cursor) },
            rest: first.freeze(),
            stage: if is_answered { Stage::Answered } else { Stage::Open },
            shape,
            ear: words.ear(),
            pulse: Pulse::default(),
            timer: self.timers.insert(key, patience),
            on_message,
            is_last,
            is_waiting: false,
            is_busy: false,
            connected,
        });
        if let Err(error) = self.epoll.watch(&mut self.clients[key].socket, key) {
            tracing::warn!(%error, "a client could not be watched, and is let go");
            return self.remove(key);
        }
        self.hear_early(key, &early);
        self.write(key);
        // It may be gone already: a broken socket, or a poll that was answered.
        if let Some(drain) = &self.drain
            && self.clients.contains(key)
        {
            self.goodbye(key, drain.reason);
        }
    }

    /// What a client has sent behind its request, before it had the answer.
    fn hear_early(&mut self, key: usize, early: &Bytes) {
        let mut said = Vec::new();
        if let Some(Client { ear: Some(ear), .. }) = self.clients.get_mut(key)
            && !early.is_empty()
        {
            ear.hear(&mut early.to_vec(), &mut said);
        }
        said.into_iter().for_each(|said| self.heard(key, said));
    }
}
