//! One connection, without I/O.
//!
//! ```text
//! on_readable, on_peeked, on_buffered                 (here)       ─┐
//! on_writable, on_written, on_taken_over              (here)        │
//! on_response, on_answer_pending                    (here)        │
//! join_pass ─► Part; then on_sent                     (here)        │
//! on_subscribed, on_encoded                           (serve.rs)    ├─► the new state ─► Next
//! on_handled, on_handling, put_back                   (serve.rs)    │
//! on_caught_up, on_fetching, on_fetched,              (serve.rs)    │
//! on_unavailable, leave_at                            (serve.rs)    │
//! on_end, on_reset, on_timer, on_goodbye              (ending.rs)  ─┘
//! ```
//!
//! The lane does what a [`Next`] says, reports the outcome by one of these calls, and goes on until the connection is
//! idle. After that it starts the connection's timer, if [`take_timeout`](Connection::take_timeout) says so.

mod ending;
mod serve;
#[cfg(test)]
mod tests;

use std::io;
use std::time::Duration;

use bytes::{Buf, Bytes};
use http::Response;
use tidings_core::driver::Cursor;
use tidings_core::{Seat, SeatId};

use super::client::{Client, SpareDecoder, Standing};
use super::input::Input;
use super::next::Next;
use super::output::{Output, Progress};
use super::pending::Pending;
use super::status::Status;
use super::timeout::Timeout;
use crate::request::{self, Whole, is_last};
use crate::{answer, resource};

/// The state of one connection.
pub(super) struct Connection {
    stage: Stage,
    input: Input,
    output: Output,
    /// A pending response, or a client's message that is being handled. Until it is done, nothing more is read.
    pending: Option<Pending>,
    /// The timer to start, if it is to be started.
    timeout: Option<Timeout>,
    /// Whether the connection is over the limit. Only probes are answered then, all else is `503`, and each answer is the
    /// last.
    is_surplus: bool,
    /// Whether the connection ends with the present answer.
    is_last: bool,
    /// Whether the peer has closed its side. It may still read.
    is_half_closed: bool,
}

/// What becomes of a connection once the output is written. The seat is that of a client that is served no more.
enum Stage {
    /// The next request is read.
    Requests,
    /// This client is served.
    Serving(Client),
    /// A poll's answer is made or written. Its client gives its seat back once what is left of the answer is short.
    Answering(Option<Seat>),
    /// The last bytes are written. Then this side is closed.
    Closing(Option<Seat>),
    /// This side is closed. The peer has yet to close its own.
    Lingering(Option<Seat>),
}

/// How a connection is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reads {
    /// Not at the moment.
    Nothing,
    /// Its buffered input comes first.
    Buffered,
    /// One byte, which stays in the socket: only the end of the stream matters now.
    Peek,
    /// Everything.
    Bytes,
}

/// Whether a client takes part in a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// It is sent the bytes of its group. They are the answer if it is a poll.
    Takes,
    /// It has its own cursor now, and is to be served from the log at once.
    CatchesUp,
    /// It is not served now: there is no client, it is not where the lane is, or it has unsent bytes and has its own
    /// cursor now.
    Nothing,
}

/// How many bytes of answers wait for one connection before its next request is answered.
const MAX_ANSWERS: usize = 64 << 10;

/// The size of a short answer, which every socket takes at once.
const SHORT_ANSWER: usize = 1024;

impl Connection {
    /// A connection that waits for its first request.
    pub(super) fn new(is_surplus: bool) -> Self {
        Self {
            stage: Stage::Requests,
            input: Input::default(),
            output: Output::default(),
            pending: None,
            timeout: None,
            is_surplus,
            is_last: false,
            is_half_closed: false,
        }
    }

    /// The client that is served on it.
    pub(super) fn client(&self) -> Option<&Client> {
        if let Stage::Serving(client) = &self.stage { Some(client) } else { None }
    }

    /// The bytes to write.
    pub(super) fn unsent(&self) -> &[u8] {
        self.output.bytes()
    }

    /// Returns `true` if the connection ends with the present answer.
    pub(super) fn is_last(&self) -> bool {
        self.is_last
    }

    /// Returns `true` if its socket is full, so that it waits for room.
    pub(super) fn awaits_room(&self) -> bool {
        self.output.is_stalled()
    }

    /// Returns for how long the timer is to run from now on, if it is to be started.
    pub(super) fn take_timeout(&mut self, status: &Status) -> Option<Duration> {
        let timeout = self.timeout.take()?;
        let client = self.client();
        let duration = timeout.duration(client.map(|client| client.shape), status);
        let expiry = client.and_then(|client| client.seat.expires_at());
        Some(match expiry.filter(|_| timeout == Timeout::Quiet) {
            Some(expiry) => duration.min(expiry.saturating_duration_since(status.now)),
            None => duration,
        })
    }

    /// Returns `true` if the client waits for the lane to come to where it is.
    pub(super) fn waits_for_lane(&self, status: &Status) -> bool {
        self.client().is_some_and(|client| client.waits_for_lane(status.position))
    }

    /// Returns how it is to be read now. Notes what is left in the socket.
    pub(super) fn prepare_read(&mut self) -> Reads {
        if self.is_paused() {
            return Reads::Peek;
        }
        match self.stage {
            // A peer that does not take its answers is not read for further requests.
            Stage::Requests if !self.output.is_empty() => {
                self.input.has_unread = true;
                Reads::Nothing
            }
            Stage::Requests | Stage::Serving(_) if self.input.has_buffered() => Reads::Buffered,
            _ => Reads::Bytes,
        }
    }

    /// Handles the return from the general path. `input` is what came after the request that was handled there.
    pub(super) fn on_taken_over(&mut self, input: Bytes, is_last: bool) {
        self.input.put_back(input);
        self.is_last = is_last;
    }

    /// Records that the socket has input which is read later.
    pub(super) fn on_peeked(&mut self) -> Next {
        self.input.has_unread = true;
        Next::Idle
    }

    /// Handles the buffered input.
    pub(super) fn on_buffered(&mut self, spare: &mut SpareDecoder, status: &Status) -> Next {
        if matches!(self.stage, Stage::Requests) {
            return self.request_from_input(status);
        }
        let mut bytes = self.input.take().to_vec();
        self.on_readable(&mut bytes, spare, status)
    }

    /// Handles bytes read from the socket, as [`prepare_read`](Self::prepare_read) asked for. `bytes` is not empty.
    pub(super) fn on_readable(
        &mut self,
        bytes: &mut [u8],
        spare: &mut SpareDecoder,
        status: &Status,
    ) -> Next {
        debug_assert!(!self.is_paused());
        match &mut self.stage {
            Stage::Requests => self.request_from_socket(bytes, status),
            Stage::Serving(client) => {
                client.decode(bytes, spare);
                self.advance(status)
            }
            _ => Next::Idle,
        }
    }

    /// Takes a request from bytes that were just read. Keeps what comes after it.
    fn request_from_socket(&mut self, bytes: &[u8], status: &Status) -> Next {
        let Some(whole) = self.take_request(bytes, status) else {
            return self.hand_over(Bytes::copy_from_slice(bytes));
        };
        self.input.put_back(Bytes::copy_from_slice(&bytes[whole.length..]));
        Next::Answer(whole)
    }

    /// Takes the next request from what was kept.
    fn request_from_input(&mut self, status: &Status) -> Next {
        let mut bytes = self.input.take();
        let Some(whole) = self.take_request(&bytes, status) else { return self.hand_over(bytes) };
        bytes.advance(whole.length);
        self.input.put_back(bytes);
        Next::Answer(whole)
    }

    /// Returns the next request, or `None` if the general path is to answer it: it is not plain, or the connection is over
    /// the limit.
    fn take_request(&mut self, bytes: &[u8], status: &Status) -> Option<Box<Whole>> {
        let whole = request::next(bytes, status.settings.max_head)?;
        if self.is_surplus && !resource::is_probe(&whole.request) {
            return None;
        }
        self.is_last = is_last(&whole.request);
        Some(whole)
    }

    /// A request that is not plain, or is rejected for its form, leaves the lane after the answers to those before it.
    /// Its peer may still be sending, and a lane does not wait for that.
    fn hand_over(&mut self, bytes: Bytes) -> Next {
        if self.output.is_empty() {
            return Next::HandOver(bytes);
        }
        self.input.put_back(bytes);
        Next::Write
    }

    /// The response to a request that [`Next::Answer`] named. What the server answers once it is closed is its last.
    pub(super) fn on_response(&mut self, response: &Response<Bytes>, status: &Status) -> Next {
        let was_pending = self.pending.take().is_some();
        let is_last =
            self.is_last || self.is_surplus || status.is_closing || answer::is_last(response);
        let ending = if is_last { answer::CLOSE } else { &status.settings.keep_alive };
        self.output.write_with(|bytes| answer::write(bytes, response, ending));
        if is_last {
            self.stage = Stage::Closing(None);
            return self.advance(status);
        }
        self.timeout = Some(Timeout::Request);
        if was_pending || !self.input.has_buffered() || self.output.len() > MAX_ANSWERS {
            return self.advance(status);
        }
        self.request_from_input(status)
    }

    /// The answer is pending. Further requests wait for it.
    pub(super) fn on_answer_pending(&mut self, pending: Pending, status: &Status) -> Next {
        self.pending = Some(pending);
        self.timeout = Some(Timeout::Request);
        self.advance(status)
    }

    /// Handles a socket that has become writable.
    pub(super) fn on_writable(&mut self, status: &Status) -> Next {
        self.output.mark_writable();
        self.advance(status)
    }

    /// Records that `count` unsent bytes were written. If bytes remain, the socket is full.
    pub(super) fn on_written(&mut self, count: usize, status: &Status) -> Next {
        match self.output.written(count) {
            Progress::All | Progress::Nothing => {}
            Progress::Some => self.timeout = Some(Timeout::Write),
            Progress::Recovered => {
                self.timeout = Some(match &self.stage {
                    Stage::Serving(client) if client.is_ending() => Timeout::Echo,
                    Stage::Serving(_) => Timeout::Quiet,
                    _ => Timeout::Request,
                });
            }
        }
        self.advance(status)
    }

    /// Joins a pass that serves everything after `before`. `authors` are the seats that have published a part of it.
    pub(super) fn join_pass(&mut self, authors: &[SeatId], before: Cursor) -> Part {
        let Stage::Serving(client) = &mut self.stage else { return Part::Nothing };
        if !client.is_with_lane() {
            return Part::Nothing;
        }
        // A client that has published a part may not want that back.
        let has_room = self.output.is_empty();
        if !has_room || authors.contains(&client.seat.id()) {
            client.standing = Standing::Own(before);
            return if has_room { Part::CatchesUp } else { Part::Nothing };
        }
        if client.is_poll() {
            self.enter(Stage::Answering);
        }
        Part::Takes
    }

    /// Handles the result of sending `bytes` in a pass. Keeps the bytes that were not sent.
    pub(super) fn on_sent(
        &mut self,
        bytes: &Bytes,
        sent: io::Result<usize>,
        status: &Status,
    ) -> Next {
        let sent = match sent {
            Ok(sent) => sent,
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => 0,
                _ => return Next::after(&error),
            },
        };
        if sent < bytes.len() {
            self.output.append(bytes.slice(sent..));
        } else if matches!(self.stage, Stage::Serving(_)) {
            return Next::Idle;
        }
        self.advance(status)
    }

    /// Moves the connection on as far as it goes without the lane. Returns what the lane must do.
    pub(super) fn advance(&mut self, status: &Status) -> Next {
        // A client that has read a short answer can count on its seat being free. One that does not read a long answer
        // keeps its seat, so that seats bound what waits to be read.
        if matches!(self.stage, Stage::Answering(Some(_))) && self.output.len() <= SHORT_ANSWER {
            return Next::Release;
        }
        if self.output.is_writable() {
            return Next::Write;
        }
        match self.stage {
            Stage::Serving(_) => self.serve(status),
            _ if !self.output.is_empty() => Next::Idle,
            Stage::Requests => self.yield_if_input(),
            Stage::Answering(_) => {
                self.stage = Stage::Requests;
                if self.is_last || status.is_closing {
                    return self.close();
                }
                self.timeout = Some(Timeout::Request);
                self.yield_if_input()
            }
            Stage::Closing(_) => self.close(),
            Stage::Lingering(_) => self.yield_if_input(),
        }
    }

    /// Returns [`Next::Yield`] if input is left, here or in the socket, and may be read now.
    fn yield_if_input(&mut self) -> Next {
        if self.is_paused() || !self.input.has_more() {
            return Next::Idle;
        }
        self.input.has_unread = false;
        Next::Yield
    }

    /// Takes the seat of a poll whose answer is made.
    pub(super) fn release(&mut self) -> Option<Seat> {
        if let Stage::Answering(seat) = &mut self.stage { seat.take() } else { None }
    }

    /// Ends what its client does, and keeps the seat in this stage. The handling of a message ends: there is nobody to reply
    /// to. A publish goes on for as long as the connection is there.
    fn enter(&mut self, stage: fn(Option<Seat>) -> Stage) {
        if self.is_handling() {
            self.pending = None;
        }
        self.stage = stage(match std::mem::replace(&mut self.stage, Stage::Requests) {
            Stage::Requests => None,
            Stage::Serving(client) => Some(client.seat),
            Stage::Answering(seat) | Stage::Closing(seat) | Stage::Lingering(seat) => seat,
        });
    }

    /// Returns `true` if nothing more is read until an answer is sent, or what the client has sent is handled.
    fn is_paused(&self) -> bool {
        match &self.stage {
            Stage::Requests => self.pending.is_some(),
            Stage::Serving(client) => {
                client.is_poll() || self.pending.is_some() || client.has_inbound()
            }
            Stage::Answering(_) => true,
            Stage::Closing(_) | Stage::Lingering(_) => false,
        }
    }

    /// Returns `true` if the client is a poll whose answer is not sent completely.
    fn awaits_answer(&self) -> bool {
        match &self.stage {
            Stage::Serving(client) => client.is_poll(),
            Stage::Answering(_) => true,
            Stage::Requests | Stage::Closing(_) | Stage::Lingering(_) => false,
        }
    }
}
