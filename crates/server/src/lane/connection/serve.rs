//! Serves the client of a connection, except in passes: handles its input, and sends it what the log has for it.

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

/// If this many bytes are unsent, replies such as pongs are dropped.
const MAX_REPLIES: usize = 4096;

impl Connection {
    /// Begins to serve a client.
    pub(in crate::lane) fn on_subscribed(&mut self, opened: Opened, status: &Status) -> Next {
        self.pending = None;
        self.sync = opened.sync;
        self.output.append(opened.first);
        self.stage = match opened.is_answered {
            true => Stage::Answering(Some(opened.client.seat)),
            false => Stage::Serving(opened.client),
        };
        self.timeout = Some(Timeout::Quiet);
        self.advance(status)
    }

    /// Serves the client: handles its input, then sends what the log has for it, then ends it if that is due.
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
                    // Replies of the application may be unsent even if the socket is not full.
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

    /// Ends the client if that is due. Otherwise returns what it waits for.
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

    /// Returns `true` if the next message of the client must wait until earlier replies are written. This bounds the
    /// unsent replies.
    fn holds_back(&self) -> bool {
        let is_full = !self.output.is_empty() && !self.output.is_writable();
        (is_full || self.output.len() > MAX_ANSWERS) && self.may_reply()
    }

    /// Handles the outcome of a client's message. It is the encoded reply, which may be empty, or the reason of the
    /// goodbye. `published` is the last id that was published for the message.
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
                // Further messages are handled before the write, so that the replies are sent together.
                self.serve(status)
            }
            Err(reason) => self.end(LastFrame::Goodbye(reason), status),
        }
    }

    /// Records that a message of the client is being handled. Further input of the client waits.
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

    /// `true` while a handler of the application handles a message of the client, `false` while a message is published
    /// without a handler. If the client leaves, the handler is dropped, but the publish continues.
    pub(in crate::lane) fn is_handling(&self) -> bool {
        self.pending.is_some() && self.may_reply()
    }

    fn may_reply(&self) -> bool {
        self.client().is_some_and(|client| client.on_message.may_reply())
    }

    /// Handles a portion that was read from the log after the client's cursor. It is empty if nothing has matched yet.
    pub(in crate::lane) fn on_caught_up(&mut self, portion: Portion, status: &Status) -> Next {
        let cursor = portion.cursor;
        // A poll that is not held is answered only after all entries were read.
        let is_unfinished = !portion.has_events
            && portion.has_more
            && self.client().is_some_and(Client::is_immediate_poll);
        // A client that is sent only the newest notification of each topic must skip some that the lane would send.
        let is_unfinished = is_unfinished || cursor.is_in_snapshot();
        let standing = if !is_unfinished && cursor.position() == status.position {
            Standing::WithLane
        } else if !is_unfinished && cursor.is_ahead_of(status.position) {
            Standing::Ahead(cursor)
        } else {
            Standing::Own(cursor)
        };
        // Not every event has bytes: a gap has none on a WebSocket without a subprotocol.
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

    /// Records that the entries after the client's cursor are fetched from the broker.
    pub(in crate::lane) fn on_fetching(&mut self, pending: Pending, status: &Status) -> Next {
        if let Stage::Serving(client) = &mut self.stage {
            client.fetching = Some(pending);
        }
        self.settle(status)
    }

    /// Handles entries that are not fetched from the broker, because the hub is closed. The client stays at its
    /// position until the drain sends it a goodbye.
    pub(in crate::lane) fn on_unavailable(&mut self, status: &Status) -> Next {
        self.settle(status)
    }

    /// Handles a portion that was fetched from the broker.
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
        self.sync = portion.sync;
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

    /// Handles the bytes that were encoded for [`Next::Encode`] or [`Next::OpenAnswer`].
    pub(in crate::lane) fn on_encoded(&mut self, bytes: Bytes, status: &Status) -> Next {
        self.output.append(bytes);
        self.advance(status)
    }

    /// Gives a client that is with the lane its own cursor at `before`, the lane's last position. Returns `true` if it
    /// did.
    pub(in crate::lane) fn leave_at(&mut self, before: Cursor) -> bool {
        match &mut self.stage {
            Stage::Serving(client) if client.is_with_lane() => {
                client.standing = Standing::Own(before);
                self.sync.is_in_sync = false;
                true
            }
            _ => false,
        }
    }

    /// Sends a heartbeat, or a goodbye if the client has not answered the earlier ones.
    pub(super) fn heartbeat(&mut self, status: &Status) -> Next {
        // While a message is handled, the client is not read.
        let is_read = self.pending.is_none();
        let Stage::Serving(client) = &mut self.stage else { return Next::Idle };
        // A client that cannot answer is detected by the write deadline instead.
        if is_read
            && client.can_answer
            && client.pulse.beat(&status.hub.heartbeat()) == Beat::GiveUp
        {
            return self.on_goodbye(Reason::Silent, status);
        }
        if client.seat.expires_at().is_some() && !self.output.is_stalled() {
            self.timeout = Some(Timeout::Quiet);
        }
        self.probe(status)
    }

    /// Sends a heartbeat to which no answer is expected.
    pub(super) fn probe(&mut self, status: &Status) -> Next {
        let Stage::Serving(client) = &mut self.stage else { return Next::Idle };
        // A client that catches up needs no heartbeat, because it is sent notifications.
        client.rearm_if_reached(status.position);
        if matches!(client.standing, Standing::Own(_)) && client.fetching.is_none() {
            return Next::Idle;
        }
        let position = client.cursor(status.position).position();
        let interval = status.hub.heartbeat().interval;
        Next::Encode(Some(Event::Heartbeat { position, interval }), position)
    }
}
