//! The client that a connection may have: its seat, where it stands, and what it has sent.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use tidings_core::driver::{Budget, Cursor, Pulse};
use tidings_core::{Id, Reason, Seat};
use tidings_transport::mount::{MAX_ANSWER, MAX_ANSWER_ENTRIES};
use tidings_transport::{Decoder, Inbound, OnMessage, Shape};
use tokio::time::Instant;

use super::pending::Pending;

/// A decoder that clients of one group borrow, one after the other.
pub(super) type SpareDecoder = Option<Box<dyn Decoder>>;

/// What one encoding holds at the most, so that a client that stops in the middle keeps no more than this alive.
pub(super) const PORTION: Budget = Budget { entries: 1024, bytes: 256 << 10 };

/// What one answer to a poll holds at the most.
const ANSWER: Budget = Budget { entries: MAX_ANSWER_ENTRIES, bytes: MAX_ANSWER };

/// A seat, and where it stands in the log.
pub(super) struct Client {
    pub(super) seat: Seat,
    pub(super) standing: Standing,
    pub(super) shape: Shape,
    /// Whether it can answer a heartbeat.
    pub(super) can_answer: bool,
    pub(super) pulse: Pulse,
    /// What happens to the messages of the client.
    pub(super) on_message: OnMessage,
    /// What only the broker has for it, while that is fetched.
    pub(super) fetching: Option<Pending>,
    /// Only in the middle of a message: otherwise a decoder is borrowed.
    decoder: Option<Box<dyn Decoder>>,
    /// `None` until it sends something: most clients only listen.
    conversation: Option<Box<Conversation>>,
}

/// Where a client stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Where the lane stands: the pass serves it.
    WithLane,
    /// Elsewhere: it is served from the log or the broker.
    Own(Cursor),
    /// Further than the lane, at a position that is known to be real: it waits for the lane.
    Ahead(Cursor),
}

/// What a client has sent that is not handled yet, or not echoed.
#[derive(Default)]
struct Conversation {
    /// In order: what follows a message waits until the message is handled.
    inbound: VecDeque<Inbound>,
    /// The last of its messages that was published.
    published: Option<Id>,
    /// Set once it is to be let go, at that time at the latest.
    ending: Option<(LastFrame, Instant)>,
}

/// The last frame to a client.
#[derive(Debug)]
pub(super) enum LastFrame {
    /// The answer to the client's own close frame.
    Reply(Bytes),
    /// A goodbye with this reason.
    Goodbye(Reason),
}

impl Client {
    /// A client with its own cursor.
    pub(super) fn new(
        seat: Seat,
        cursor: Cursor,
        shape: Shape,
        can_answer: bool,
        on_message: OnMessage,
    ) -> Self {
        Self {
            seat,
            standing: Standing::Own(cursor),
            shape,
            can_answer,
            pulse: Pulse::default(),
            on_message,
            fetching: None,
            decoder: None,
            conversation: None,
        }
    }

    /// Returns `true` if it is a poll, which has one answer.
    pub(super) fn is_poll(&self) -> bool {
        matches!(self.shape, Shape::Answer { .. })
    }

    /// Returns `true` if it is a poll that is answered at once, whether something waits or not.
    pub(super) fn is_immediate_poll(&self) -> bool {
        self.shape == Shape::Answer { hold: Duration::ZERO }
    }

    /// Returns how much one read of the log returns for it.
    pub(super) fn budget(&self) -> Budget {
        if self.is_poll() { ANSWER } else { PORTION }
    }

    /// Returns `true` if it stands where the lane stands.
    pub(super) fn is_with_lane(&self) -> bool {
        matches!(self.standing, Standing::WithLane)
    }

    /// Gives it a cursor of its own again, if it was ahead and the lane has come to where it stands.
    pub(super) fn rearm_if_reached(&mut self, lane: Id) {
        if let Standing::Ahead(cursor) = self.standing
            && !cursor.is_ahead_of(lane)
        {
            self.standing = Standing::Own(cursor);
        }
    }

    /// Returns its cursor. `lane` is where the lane stands.
    pub(super) fn cursor(&self, lane: Id) -> Cursor {
        match self.standing {
            Standing::WithLane => Cursor::at(lane),
            Standing::Own(cursor) | Standing::Ahead(cursor) => cursor,
        }
    }

    /// Returns `true` if it waits for the lane to come to where it stands, or to its own last message before it ends.
    pub(super) fn waits_for_lane(&self, lane: Id) -> bool {
        let is_ahead = matches!(self.standing, Standing::Ahead(cursor) if cursor.is_ahead_of(lane));
        is_ahead || (self.is_ending() && self.is_echo_after(Cursor::at(lane)))
    }

    /// Decodes what it has sent. `spare` is a decoder to borrow; `None` if such clients send nothing. Once the client is
    /// to be let go its bytes are ignored.
    pub(super) fn decode(&mut self, bytes: &mut [u8], spare: &mut SpareDecoder) {
        self.pulse.heard();
        if self.is_ending() {
            return;
        }
        let Some(mut decoder) = self.decoder.take().or_else(|| spare.take()) else { return };
        let mut inbound = Vec::new();
        decoder.decode(bytes, &mut inbound);
        if decoder.is_at_rest() {
            *spare = Some(decoder);
        } else {
            self.decoder = Some(decoder);
        }
        if !inbound.is_empty() {
            self.conversation().inbound.extend(inbound);
        }
    }

    /// Takes the next thing that it has sent.
    pub(super) fn take_inbound(&mut self) -> Option<Inbound> {
        self.conversation.as_mut()?.inbound.pop_front()
    }

    /// Puts back a message that was taken and is not handled yet.
    pub(super) fn put_back(&mut self, inbound: Inbound) {
        self.conversation().inbound.push_front(inbound);
    }

    /// Returns `true` if a message of the client waits to be handled.
    pub(super) fn has_inbound(&self) -> bool {
        self.conversation.as_ref().is_some_and(|conversation| !conversation.inbound.is_empty())
    }

    /// Its message was published with this id.
    pub(super) fn published(&mut self, id: Id) {
        self.conversation().published = Some(id);
    }

    /// From now on it is to be let go, once it has been sent its own messages, and at `until` at the latest. Nothing more
    /// that it sends is handled.
    pub(super) fn end(&mut self, last: LastFrame, until: Instant) {
        let conversation = self.conversation();
        conversation.inbound.clear();
        conversation.ending = Some((last, until));
    }

    /// Returns `true` if it is to be let go once its own messages have been echoed.
    pub(super) fn is_ending(&self) -> bool {
        self.conversation.as_ref().is_some_and(|conversation| conversation.ending.is_some())
    }

    /// Returns `true` if it is to be let go now: its own messages have been sent to it, or it is too late for them.
    pub(super) fn is_end_due(&self, lane: Id, now: Instant) -> bool {
        let conversation = self.conversation.as_ref();
        let ending = conversation.and_then(|conversation| conversation.ending.as_ref());
        ending.is_some_and(|&(_, until)| !self.is_echo_after(self.cursor(lane)) || now >= until)
    }

    /// Takes the last frame of a client that is to be let go.
    pub(super) fn take_last_frame(&mut self) -> Option<LastFrame> {
        self.conversation.as_mut()?.ending.take().map(|(last, _)| last)
    }

    /// Returns `true` if its own last message comes after this cursor.
    fn is_echo_after(&self, cursor: Cursor) -> bool {
        let published = self.conversation.as_ref().and_then(|it| it.published);
        published.is_some_and(|id| Cursor::at(id).is_ahead_of(cursor.position()))
    }

    fn conversation(&mut self) -> &mut Conversation {
        self.conversation.get_or_insert_default()
    }
}
