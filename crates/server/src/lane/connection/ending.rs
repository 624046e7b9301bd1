//! Ends a connection: by its peer, by its timer, or with the last frame of its client.

use tidings_core::{Event, Reason};

use super::{Connection, Stage};
use crate::lane::client::{LastFrame, Standing};
use crate::lane::next::Next;
use crate::lane::status::Status;
use crate::lane::timeout::{ECHO, REPLAY_PATIENCE, Timeout};
use crate::peer_end::PeerEnd;

impl Connection {
    /// Handles a peer that has closed its side. It may still read (RFC 9112, section 9.6), so its last request is
    /// answered and its client is still served: a poll until it is answered, other clients until a write fails. If the
    /// peer is gone, only a write shows that. So a stream is sent a heartbeat now, and a poll the head of its answer.
    ///
    /// With TLS this is called for the `close_notify`, at which the peer may still be there, and again for the end of
    /// the stream.
    pub(in crate::lane) fn on_end(&mut self, end: PeerEnd, status: &Status) -> Next {
        let is_writing_last = matches!(self.stage, Stage::Answering(_) | Stage::Closing(_))
            && !self.output.is_empty();
        let takes_input = matches!(self.stage, Stage::Requests | Stage::Serving(_));
        let is_pending = self.pending.is_some() && !self.is_handling();
        if is_writing_last || (takes_input && is_pending) {
            // Requests and messages that came before the end are still served and published.
            self.is_last |= !self.input.has_buffered();
            self.input.has_unread = true;
            return Next::Idle;
        }
        if !matches!(self.stage, Stage::Serving(_)) {
            return Next::Remove;
        }
        self.is_last = true;
        if self.peer_end >= end {
            return Next::Idle;
        }
        match std::mem::replace(&mut self.peer_end, end) {
            PeerEnd::None if self.awaits_answer() => Next::OpenAnswer,
            PeerEnd::None => self.heartbeat(status),
            // Its head was sent at the first end.
            _ if self.awaits_answer() => Next::Idle,
            _ => self.probe(status),
        }
    }

    /// Whether the peer has closed its side.
    pub(in crate::lane) fn is_half_closed(&self) -> bool {
        self.peer_end != PeerEnd::None
    }

    /// Handles a reset of the connection by the peer. Ends the connection if no read would return the error, because
    /// the peer had closed its side before or because the connection is not read now.
    pub(in crate::lane) fn on_reset(&self) -> Next {
        if self.is_half_closed() || self.is_handling() { Next::Remove } else { Next::Idle }
    }

    /// Handles the expiry of the timer.
    pub(in crate::lane) fn on_timer(&mut self, status: &Status) -> Next {
        match &self.stage {
            Stage::Requests if self.pending.is_some() => {
                self.timeout = Some(Timeout::Request);
                Next::Idle
            }
            _ if self.output.is_stalled() => Next::CutOff,
            Stage::Lingering(_) | Stage::Requests => Next::Remove,
            Stage::Serving(client) if client.seat.is_expired() => {
                self.on_goodbye(Reason::NotAllowed, status)
            }
            Stage::Serving(client) if client.is_poll() => self.end_hold(status),
            // The broker has not delivered the client's own messages in time.
            Stage::Serving(client) if client.is_ending() => self.end_now(status),
            Stage::Serving(_) => self.heartbeat(status),
            Stage::Answering(_) | Stage::Closing(_) => self.advance(status),
        }
    }

    /// Answers a poll whose hold is over, unless a notification that was published before that may still arrive.
    pub(super) fn end_hold(&mut self, status: &Status) -> Next {
        let Stage::Serving(client) = &mut self.stage else { return Next::Idle };
        client.rearm_if_reached(status.position);
        let is_over = match client.standing {
            Standing::WithLane => true,
            Standing::Ahead(_) if client.fetching.is_none() => true,
            // The broker is away, or does not reply.
            Standing::Own(_) | Standing::Ahead(_) => {
                status.hub.is_connected() == Some(false)
                    || client.fetching.as_ref().is_some_and(|it| it.age() > REPLAY_PATIENCE)
            }
        };
        if !is_over {
            self.timeout = Some(Timeout::Replay);
            return Next::Idle;
        }
        let position = client.cursor(status.position).position();
        self.enter(Stage::Answering);
        Next::Encode(None, position)
    }

    /// Sends the client a goodbye with this reason after its unsent bytes. Closes a connection without a client.
    pub(in crate::lane) fn on_goodbye(&mut self, reason: Reason, status: &Status) -> Next {
        if matches!(self.stage, Stage::Requests) {
            if self.pending.is_some() {
                self.is_last = true;
                return Next::Idle;
            }
            if self.output.is_empty() {
                return Next::Remove;
            }
            self.stage = Stage::Closing(None);
            return Next::Idle;
        }
        let Stage::Serving(client) = &self.stage else { return Next::Idle };
        let position = client.cursor(status.position).position();
        self.enter(if client.is_poll() { Stage::Answering } else { Stage::Closing });
        Next::Encode(Some(Event::Goodbye(reason)), position)
    }

    /// Ends a client once it has been sent its own messages.
    pub(super) fn end(&mut self, last: LastFrame, status: &Status) -> Next {
        let Stage::Serving(client) = &mut self.stage else { return self.advance(status) };
        client.end(last, status.now + ECHO);
        if !self.output.is_stalled() {
            self.timeout = Some(Timeout::Echo);
        }
        self.advance(status)
    }

    /// Sends the last frame of a client that is ending.
    pub(super) fn end_now(&mut self, status: &Status) -> Next {
        let Stage::Serving(client) = &mut self.stage else { return Next::Idle };
        match client.take_last_frame() {
            None => Next::Idle,
            Some(LastFrame::Goodbye(reason)) => self.on_goodbye(reason, status),
            Some(LastFrame::Reply(bytes)) => {
                self.enter(Stage::Closing);
                self.output.append(bytes);
                self.advance(status)
            }
        }
    }

    /// Whether the client was sent a goodbye, which is counted then.
    pub(in crate::lane) fn was_sent_goodbye(&self) -> bool {
        match &self.stage {
            Stage::Lingering(_) => true,
            Stage::Closing(seat) => seat.is_some(),
            Stage::Requests | Stage::Serving(_) | Stage::Answering(_) => false,
        }
    }

    /// Closes this side, and gives the peer some time to close its side. Its further input is read until then, because
    /// the system would respond to unread input with a reset, which can overtake the goodbye (RFC 6455, section 7.1.1).
    pub(super) fn close(&mut self) -> Next {
        self.enter(Stage::Lingering);
        // Otherwise the buffered input would keep the connection busy in every turn.
        self.input.take();
        self.timeout = Some(Timeout::Linger);
        Next::Close
    }
}
