//! The client of a connection: what it sends, and what it is sent besides the passes.

use bytes::Bytes;
use tidings_core::driver::{Beat, Cursor};
use tidings_core::{Event, Id, Reason};
use tidings_transport::{Inbound, Message};

use super::{Connection, MAX_ANSWERS, Stage};
use crate::lane::catch_up::Portion;
use crate::lane::client::{Client, LastFrame, Standing};
use crate::lane::next::Next;
use crate::lane::pending::Pending;
use crate::lane::status::Status;
use crate::lane::subscription::Opened;
use crate::lane::timeout::Timeout;

/// Once this many bytes are unsent, replies such as pongs are dropped.
const MAX_REPLIES: usize = 4096;

impl Connection {
    /// A client is served from now on.
    pub(in crate::lane) fn on_subscribed(&mut self, opened: Opened, status: &Status) -> Next {
        self.pending = None;
        self.output.append(opened.first);
        self.stage = match opened.is_answered {
            true => Stage::Answering(Some(opened.client.seat)),
            false => Stage::Serving(opened.client),
        };
        self.timeout = Some(Timeout::Quiet);
        self.advance(status)
    }

    /// Serves a client: handles what it has sent, then what the log has for it, then its end.
    pub(super) fn serve(&mut self, status: &Status) -> Next {
        if self.client().is_some_and(|client| client.seat.is_expired()) {
            return self.on_goodbye(Reason::NotAllowed, status);
        }
        while self.pending.is_none()
            && !self.holds_back()
            && let Stage::Serving(client) = &mut self.stage
            && let Some(inbound) = client.take_inbound()
        {
            match inbound {
                Inbound::Message(message) => return Next::Handle(message),
                Inbound::Reply(bytes) => {
                    // Replies of the application may be unsent although the socket is not full.
                    if self.output.is_writable() || self.output.len() < MAX_REPLIES {
                        self.output.append(bytes);
                    }
                    if self.output.is_writable() {
                        return Next::Write;
                    }
                }
                Inbound::Closed(bytes) => return self.end(LastFrame::Reply(bytes), status),
                Inbound::Fault(reason) => return self.end(LastFrame::Goodbye(reason), status),
            }
        }
        let Stage::Serving(client) = &mut self.stage else { return Next::Idle };
        if self.output.is_writable() {
            return Next::Write;
        }
        if !self.output.is_empty() {
            return self.yield_if_input();
        }
        client.rearm_if_reached(status.position);
        match client.standing {
            Standing::Own(_) if client.fetching.is_none() => Next::CatchUp,
            _ => self.settle(status),
        }
    }

    /// A client has been served for now: it ends, or waits.
    fn settle(&mut self, status: &Status) -> Next {
        let Stage::Serving(client) = &self.stage else { return Next::Idle };
        if client.is_end_due(status.position, status.now) {
            return self.end_now(status);
        }
        if client.is_immediate_poll() && !matches!(client.standing, Standing::Own(_)) {
            return self.end_hold(status);
        }
        match self.yield_if_input() {
            Next::Idle if self.waits_for_lane(status) => Next::AwaitPass,
            next => next,
        }
    }

    /// Returns `true` if no further message of the client is handled until its replies are written. So replies that a client
    /// does not read cannot pile up.
    fn holds_back(&self) -> bool {
        let is_full = !self.output.is_empty() && !self.output.is_writable();
        (is_full || self.output.len() > MAX_ANSWERS) && self.may_reply()
    }

    /// Handles the outcome of a client's message: the encoded reply, which may be empty, or the reason for which the client is
    /// let go. `published` is the last id that was published for the message.
    pub(in crate::lane) fn on_handled(
        &mut self,
        published: Option<Id>,
        outcome: Result<Bytes, Reason>,
        status: &Status,
    ) -> Next {
        self.pending = None;
        let Stage::Serving(client) = &mut self.stage else { return self.advance(status) };
        if let Some(id) = published {
            client.published(id);
        }
        match outcome {
            Ok(reply) => {
                self.output.append(reply);
                // Further messages are handled first, so that their replies are sent together.
                self.serve(status)
            }
            Err(reason) => self.end(LastFrame::Goodbye(reason), status),
        }
    }

    /// Records that a client's message is being handled. What the client has sent after that waits.
    pub(in crate::lane) fn on_handling(&mut self, pending: Pending, status: &Status) -> Next {
        self.pending = Some(pending);
        self.advance(status)
    }

    /// Puts back the message of [`Next::Handle`], to be handled later.
    pub(in crate::lane) fn put_back(&mut self, message: Message) {
        if let Stage::Serving(client) = &mut self.stage {
            client.put_back(Inbound::Message(message));
        }
    }

    /// Returns `true` while the application handles a message of the client. If the client leaves, the handler is dropped, but
    /// a publish without a handler goes on.
    pub(in crate::lane) fn is_handling(&self) -> bool {
        self.pending.is_some() && self.may_reply()
    }

    fn may_reply(&self) -> bool {
        self.client().is_some_and(|client| client.on_message.may_reply())
    }

    /// What the log has for a client after its own cursor. An empty portion means that nothing matched so far.
    pub(in crate::lane) fn on_caught_up(&mut self, portion: Portion, status: &Status) -> Next {
        let cursor = portion.cursor;
        // A poll that is not held is answered only once everything is looked at.
        let is_unfinished = !portion.has_events
            && portion.has_more
            && self.client().is_some_and(Client::is_immediate_poll);
        // A client that is sent only the newest of each topic must skip notifications that the lane would send.
        let is_unfinished = is_unfinished || cursor.is_in_snapshot();
        let standing = if !is_unfinished && cursor.position() == status.position {
            Standing::WithLane
        } else if !is_unfinished && cursor.is_ahead_of(status.position) {
            Standing::Ahead(cursor)
        } else {
            Standing::Own(cursor)
        };
        // A gap on a WebSocket without a subprotocol is an event without bytes.
        let has_bytes = !portion.bytes.is_empty();
        self.take_portion(portion, standing);
        match &self.stage {
            Stage::Serving(client) if client.is_end_due(status.position, status.now) => {
                self.end_now(status)
            }
            Stage::Serving(_) if !has_bytes && matches!(standing, Standing::Own(_)) => {
                Next::CatchUp
            }
            _ => self.advance(status),
        }
    }

    /// The broker is asked for what follows a client's cursor.
    pub(in crate::lane) fn on_fetching(&mut self, pending: Pending, status: &Status) -> Next {
        if let Stage::Serving(client) = &mut self.stage {
            client.fetching = Some(pending);
        }
        self.settle(status)
    }

    /// The broker is not asked, because the hub is closed. The client stays at its position until the drain sends it a
    /// goodbye.
    pub(in crate::lane) fn on_unavailable(&mut self, status: &Status) -> Next {
        self.settle(status)
    }

    /// What the broker has for a client.
    pub(in crate::lane) fn on_fetched(&mut self, portion: Portion, status: &Status) -> Next {
        let Stage::Serving(client) = &mut self.stage else { return Next::Idle };
        client.fetching = None;
        let standing = Standing::Own(portion.cursor);
        self.take_portion(portion, standing);
        self.advance(status)
    }

    fn take_portion(&mut self, portion: Portion, standing: Standing) {
        let Stage::Serving(client) = &mut self.stage else { return };
        client.standing = standing;
        if !portion.has_events {
            return;
        }
        if client.is_poll() {
            self.enter(Stage::Answering);
        } else if portion.goodbye.is_some() {
            self.enter(Stage::Closing);
        }
        self.output.append(portion.bytes);
    }

    /// The bytes that [`Next::Encode`] or [`Next::OpenAnswer`] asked for.
    pub(in crate::lane) fn on_encoded(&mut self, bytes: Bytes, status: &Status) -> Next {
        self.output.append(bytes);
        self.advance(status)
    }

    /// Leaves a client where the lane stood before. Returns `true` if it stood there.
    pub(in crate::lane) fn leave_at(&mut self, before: Cursor) -> bool {
        match &mut self.stage {
            Stage::Serving(client) if client.is_with_lane() => {
                client.standing = Standing::Own(before);
                true
            }
            _ => false,
        }
    }

    pub(super) fn heartbeat(&mut self, status: &Status) -> Next {
        // While a message is handled, the client is not read.
        let is_read = self.pending.is_none();
        let Stage::Serving(client) = &mut self.stage else { return Next::Idle };
        // A client that cannot answer is found by the write deadline instead.
        if is_read
            && client.can_answer
            && client.pulse.beat(&status.hub.heartbeat()) == Beat::GiveUp
        {
            return self.on_goodbye(Reason::Silent, status);
        }
        if client.seat.expires_at().is_some() && !self.output.is_stalled() {
            self.timeout = Some(Timeout::Quiet);
        }
        // What a client is sent while it catches up shows that the server is there.
        client.rearm_if_reached(status.position);
        if matches!(client.standing, Standing::Own(_)) && client.fetching.is_none() {
            return Next::Idle;
        }
        let position = client.cursor(status.position).position();
        let interval = status.hub.heartbeat().interval;
        Next::Encode(Some(Event::Heartbeat { position, interval }), position)
    }
}
