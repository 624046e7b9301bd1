//! The client of a connection: its seat, its position, and its input.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use tidings_core::driver::{Budget, Cursor, Pulse};
use tidings_core::{Id, Reason, Seat};
use tidings_transport::mount::{MAX_ANSWER, MAX_ANSWER_ENTRIES};
use tidings_transport::{Decoder, Inbound, OnMessage, Shape};
use tokio::time::Instant;

use super::pending::Pending;
use super::short::Short;

/// A decoder that clients of one group borrow, one after the other.
pub(super) type SpareDecoder = Option<Box<dyn Decoder>>;

/// The most that one encoding holds. A client that stops reading keeps no more than that in memory.
pub(super) const PORTION: Budget = Budget { entries: 1024, bytes: 256 << 10 };

/// The most that one answer to a poll holds.
const ANSWER: Budget = Budget { entries: MAX_ANSWER_ENTRIES, bytes: MAX_ANSWER };

/// A client that is served.
pub(super) struct Client {
    pub(super) seat: Seat,
    pub(super) standing: Standing,
    /// How long the client is held, if it is a poll.
    hold: Option<Short>,
    /// Whether the client can answer a heartbeat.
    pub(super) can_answer: bool,
    pub(super) pulse: Pulse,
    /// What happens to the messages of the client.
    pub(super) on_message: OnMessage,
    /// The replay from the broker, while it is pending.
    pub(super) fetching: Option<Pending>,
    /// `None` until the client sends something, because most clients never do.
    conversation: Option<Box<Conversation>>,
}

/// The position of a client relative to the lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// At the lane's position. The pass serves the client.
    WithLane,
    /// At this cursor. The client is served from the log or the broker.
    Own(Cursor),
    /// At this cursor, which is further than the lane and known to exist. The client waits for the lane.
    Ahead(Cursor),
}

/// The input of a client that is not decoded, not handled or not echoed yet.
#[derive(Default)]
struct Conversation {
    /// The decoder of a client that has sent a part of a message. Otherwise it borrows the decoder of its group.
    decoder: Option<Box<dyn Decoder>>,
    /// The decoded input in its order. What follows a message waits until the message is handled.
    inbound: VecDeque<Inbound>,
    /// The id of the last message of the client that was published.
    published: Option<Id>,
    /// Set if the client must be disconnected. The last frame is sent at that time at the latest.
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
    pub(super) fn new(
        seat: Seat,
        cursor: Cursor,
        shape: Shape,
        can_answer: bool,
        on_message: OnMessage,
    ) -> Self {
        let hold = match shape {
            Shape::Answer { hold } => Some(Short::time(hold)),
            Shape::Upgrade | Shape::Stream => None,
        };
        Self {
            seat,
            standing: Standing::Own(cursor),
            hold,
            can_answer,
            pulse: Pulse::default(),
            on_message,
            fetching: None,
            conversation: None,
        }
    }

    pub(super) fn is_poll(&self) -> bool {
        self.hold.is_some()
    }

    /// How long the client is held, if it is a poll.
    pub(super) fn hold(&self) -> Option<Duration> {
        self.hold.map(Short::to_time)
    }

    /// Whether the client is a poll that is not held.
    pub(super) fn is_immediate_poll(&self) -> bool {
        self.hold() == Some(Duration::ZERO)
    }

    /// The most that one read of the log may return for the client.
    pub(super) fn budget(&self) -> Budget {
        if self.is_poll() { ANSWER } else { PORTION }
    }

    pub(super) fn is_with_lane(&self) -> bool {
        matches!(self.standing, Standing::WithLane)
    }

    /// Lets a client that was ahead read from its cursor again, if the lane has reached it.
    pub(super) fn rearm_if_reached(&mut self, lane: Id) {
        if let Standing::Ahead(cursor) = self.standing
            && !cursor.is_ahead_of(lane)
        {
            self.standing = Standing::Own(cursor);
        }
    }

    /// `lane` is the lane's position.
    pub(super) fn cursor(&self, lane: Id) -> Cursor {
        match self.standing {
            Standing::WithLane => Cursor::at(lane),
            Standing::Own(cursor) | Standing::Ahead(cursor) => cursor,
        }
    }

    /// Whether the client waits until the lane reaches its cursor, or its last published message before its end.
    pub(super) fn waits_for_lane(&self, lane: Id) -> bool {
        let is_ahead = matches!(self.standing, Standing::Ahead(cursor) if cursor.is_ahead_of(lane));
        is_ahead || (self.is_ending() && self.is_echo_after(Cursor::at(lane)))
    }

    /// Decodes input of the client, and returns how many bytes it has decoded, as [`Decoder::decode`] does. `spare` is a
    /// decoder to borrow, or `None` if such clients send nothing. If the client is ending, its input is ignored.
    pub(super) fn decode(&mut self, bytes: &mut [u8], spare: &mut SpareDecoder) -> usize {
        self.pulse.heard();
        if self.is_ending() {
            return bytes.len();
        }
        let own = self.conversation.as_mut().and_then(|conversation| conversation.decoder.take());
        let Some(mut decoder) = own.or_else(|| spare.take()) else { return bytes.len() };
        let mut inbound = Vec::new();
        let decoded = decoder.decode(bytes, &mut inbound);
        if decoder.is_at_rest() {
            *spare = Some(decoder);
        } else {
            self.conversation().decoder = Some(decoder);
        }
        if !inbound.is_empty() {
            self.conversation().inbound.extend(inbound);
        }
        decoded
    }

    /// Takes the next decoded input.
    pub(super) fn take_inbound(&mut self) -> Option<Inbound> {
        self.conversation.as_mut()?.inbound.pop_front()
    }

    /// Puts back a message that was taken and is not handled yet.
    pub(super) fn put_back(&mut self, inbound: Inbound) {
        self.conversation().inbound.push_front(inbound);
    }

    pub(super) fn has_inbound(&self) -> bool {
        self.conversation.as_ref().is_some_and(|conversation| !conversation.inbound.is_empty())
    }

    /// Records that a message of the client was published with this id.
    pub(super) fn published(&mut self, id: Id) {
        self.conversation().published = Some(id);
    }

    /// Ends the client: it is sent its own messages and then the last frame, at `until` at the latest. Its further
    /// input is ignored.
    pub(super) fn end(&mut self, last: LastFrame, until: Instant) {
        let conversation = self.conversation();
        conversation.inbound.clear();
        conversation.ending = Some((last, until));
    }

    /// Whether the client is sent its last frame once its own messages have been echoed.
    pub(super) fn is_ending(&self) -> bool {
        self.conversation.as_ref().is_some_and(|conversation| conversation.ending.is_some())
    }

    /// Whether the last frame is due: the client has been sent its own messages, or their time is over.
    pub(super) fn is_end_due(&self, lane: Id, now: Instant) -> bool {
        let conversation = self.conversation.as_ref();
        let ending = conversation.and_then(|conversation| conversation.ending.as_ref());
        ending.is_some_and(|&(_, until)| !self.is_echo_after(self.cursor(lane)) || now >= until)
    }

    /// Takes the last frame of a client that is ending.
    pub(super) fn take_last_frame(&mut self) -> Option<LastFrame> {
        self.conversation.as_mut()?.ending.take().map(|(last, _)| last)
    }

    /// Whether the last published message of the client is after this cursor.
    fn is_echo_after(&self, cursor: Cursor) -> bool {
        let published = self.conversation.as_ref().and_then(|it| it.published);
        published.is_some_and(|id| Cursor::at(id).is_ahead_of(cursor.position()))
    }

    fn conversation(&mut self) -> &mut Conversation {
        self.conversation.get_or_insert_default()
    }
}
