//! One connection, without I/O.
//!
//! ```text
//! on_readable, on_end       ─┐
//! on_writable, on_written    │
//! on_timer                   ├─► the connection's new state ─► Next
//! on_response, on_subscribed │
//! on_published, on_fetched   │
//! on_caught_up, on_encoded  ─┘
//! ```
//!
//! The lane does what a [`Next`] says, reports the outcome by the next of these calls, and goes on until the connection
//! is idle. After that it starts the connection's timer, if [`take_timeout`](Connection::take_timeout) says so.

mod requests;
mod serve;
#[cfg(test)]
mod tests;

use std::io;
use std::time::Duration;

use bytes::Bytes;
use tidings_core::{Event, Reason};
use tidings_transport::Decoder;

pub(super) use self::serve::Part;
use super::client::Client;
use super::input::Input;
use super::next::Next;
use super::output::{Output, Progress};
use super::pending::Pending;
use super::status::Status;
use super::timeout::Timeout;

/// The state of one connection.
pub(super) struct Connection {
    stage: Stage,
    /// The client that is served on it; `None` between two requests.
    client: Option<Client>,
    input: Input,
    output: Output,
    /// A publish that is pending. Until it is done, nothing more is read.
    pending: Option<Pending>,
    /// The timer to start, if it is to be started.
    timeout: Option<Timeout>,
    /// Whether the connection is over the limit, so that the only answer is that the server is full.
    is_surplus: bool,
    /// Whether the connection ends with the present answer.
    is_last: bool,
    /// Whether the peer has closed its side. It may still read.
    is_half_closed: bool,
}

/// What becomes of a connection once the output is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// The next request is read.
    Requests,
    /// Its client is served.
    Open,
    /// Its client has its answer, and gives its seat back.
    Answered,
    /// Everything is said, and this side is closed.
    Leaving,
    /// This side is closed. Only the peer's own close is awaited.
    Left,
}

/// How a connection is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reads {
    /// Not at the moment.
    Nothing,
    /// Its held input comes first.
    Held,
    /// One byte, which stays in the socket: only the end of the stream matters now.
    Peek,
    /// Everything.
    Bytes,
}

/// A decoder that clients of one group borrow, one after the other.
pub(super) type SpareDecoder = Option<Box<dyn Decoder>>;

/// The size of a short answer, which every socket takes at once.
const SHORT_ANSWER: usize = 1024;

impl Connection {
    /// A connection that waits for its first request.
    pub(super) fn new(is_surplus: bool) -> Self {
        Self {
            stage: Stage::Requests,
            client: None,
            input: Input::default(),
            output: Output::default(),
            pending: None,
            timeout: None,
            is_surplus,
            is_last: false,
            is_half_closed: false,
        }
    }

    /// Its client.
    pub(super) fn client(&self) -> Option<&Client> {
        self.client.as_ref()
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
        let shape = self.client.as_ref().map(|client| client.shape);
        self.timeout.take().map(|timeout| timeout.duration(shape, status))
    }

    /// Returns `true` if its client is counted already as one that was let go.
    pub(super) fn is_let_go(&self) -> bool {
        match self.stage {
            Stage::Left => true,
            Stage::Leaving => self.client.is_some(),
            Stage::Requests | Stage::Open | Stage::Answered => false,
        }
    }

    /// Returns `true` if the client waits for the lane to come to where it is.
    pub(super) fn waits_for_lane(&self, status: &Status) -> bool {
        self.client.as_ref().is_some_and(|client| client.waits_for_lane(status.position))
    }

    /// Returns how it is to be read now.
    pub(super) fn reads(&mut self) -> Reads {
        if self.is_held() || self.pending.is_some() {
            return Reads::Peek;
        }
        match self.stage {
            // A peer that does not take its answers is not read for further requests.
            Stage::Requests if !self.output.is_empty() => {
                self.input.has_unread = true;
                Reads::Nothing
            }
            Stage::Requests | Stage::Open if self.input.is_held() => Reads::Held,
            _ => Reads::Bytes,
        }
    }

    /// Goes on after a request that hyper has read, with the bytes that came after it.
    pub(super) fn resume(&mut self, input: Bytes, is_last: bool) {
        self.input.hold(input);
        self.is_last = is_last;
    }

    /// Goes on with the held input.
    pub(super) fn on_held(&mut self, spare: &mut SpareDecoder, status: &Status) -> Next {
        if self.stage == Stage::Requests {
            return self.next_request(status);
        }
        let mut bytes = self.input.take().to_vec();
        self.on_readable(&mut bytes, spare, status)
    }

    /// These bytes have come: one at least.
    pub(super) fn on_readable(
        &mut self,
        bytes: &mut [u8],
        spare: &mut SpareDecoder,
        status: &Status,
    ) -> Next {
        if self.is_held() || self.pending.is_some() {
            self.input.has_unread = true;
            return Next::Idle;
        }
        match (self.stage, &mut self.client) {
            (Stage::Requests, _) => self.first_request(bytes, status),
            (Stage::Open, Some(client)) => {
                client.decode(bytes, spare);
                self.next(status)
            }
            _ => Next::Idle,
        }
    }

    /// The peer has closed its side. It may still read, so its last request is still answered, and its client is served on
    /// (RFC 9112, section 9.6): a poll until it is answered, all others until a write fails. Whether the peer is there at
    /// all shows only when something is sent to it. So a stream is sent a heartbeat now, and a poll the first part of its
    /// answer.
    pub(super) fn on_end(&mut self, status: &Status) -> Next {
        let is_writing_last =
            matches!(self.stage, Stage::Answered | Stage::Leaving) && !self.output.is_empty();
        if is_writing_last || self.pending.is_some() {
            // The requests that came before are still answered.
            self.is_last |= !self.input.is_held();
            self.input.has_unread = true;
            return Next::Idle;
        }
        if self.stage != Stage::Open {
            return Next::Remove;
        }
        self.is_last = true;
        if std::mem::replace(&mut self.is_half_closed, true) {
            return Next::Idle;
        }
        if self.is_held() { Next::OpenAnswer } else { self.heartbeat(status) }
    }

    /// The peer has reset the connection. Unless it had closed its side, reading shows that.
    pub(super) fn on_reset(&self) -> Next {
        if self.is_half_closed { Next::Remove } else { Next::Idle }
    }

    /// The socket can be written again.
    pub(super) fn on_writable(&mut self, status: &Status) -> Next {
        self.output.has_room();
        self.next(status)
    }

    /// The socket has taken so many of the unsent bytes, and is full unless those were all.
    pub(super) fn on_written(&mut self, count: usize, status: &Status) -> Next {
        match self.output.written(count) {
            Progress::All | Progress::Nothing => {}
            Progress::Some => self.timeout = Some(Timeout::Write),
            Progress::Recovered => {
                self.timeout = Some(match &self.client {
                    None => Timeout::Request,
                    Some(client) if client.is_ending() => Timeout::Echo,
                    Some(_) => Timeout::Quiet,
                });
            }
        }
        self.next(status)
    }

    /// These bytes of a pass were sent, as far as `sent` says.
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
        } else if self.stage == Stage::Open {
            return Next::Idle;
        }
        self.next(status)
    }

    /// Returns what follows from the state: the first of what there is to do.
    pub(super) fn next(&mut self, status: &Status) -> Next {
        // A client that has read a short answer can count on its seat being free. One that does not read a long answer
        // keeps its seat, so that seats bound what waits to be read.
        if self.stage == Stage::Answered
            && self.client.is_some()
            && self.output.len() <= SHORT_ANSWER
        {
            return Next::Release;
        }
        if self.output.is_writable() {
            return Next::Write;
        }
        match self.stage {
            Stage::Open => self.serve(status),
            _ if !self.output.is_empty() => Next::Idle,
            Stage::Requests => self.read_on(),
            Stage::Answered => {
                self.stage = Stage::Requests;
                if self.is_last || status.is_closing {
                    return self.close();
                }
                self.timeout = Some(Timeout::Request);
                self.read_on()
            }
            Stage::Leaving => self.close(),
            Stage::Left => self.read_on(),
        }
    }

    /// Nothing is left to do but to read, in the next turn, what has come too early.
    fn read_on(&mut self) -> Next {
        if self.is_held() || self.pending.is_some() || !self.input.has_more() {
            return Next::Idle;
        }
        self.input.has_unread = false;
        Next::Yield
    }

    /// A peer that was sent a goodbye has a moment to close its own side. What it sent meanwhile is read, or the system
    /// would answer it with a reset that can overtake the goodbye (RFC 6455, section 7.1.1).
    fn close(&mut self) -> Next {
        self.stage = Stage::Left;
        // A peer that has closed its side as well has nothing left to send.
        if self.is_half_closed {
            return Next::Remove;
        }
        self.timeout = Some(Timeout::Linger);
        Next::Close
    }

    /// Takes the client of a connection that gives its seat back.
    pub(super) fn release(&mut self) -> Option<Client> {
        self.client.take()
    }

    /// Returns `true` if its client waits for an answer, or for the rest of it.
    fn is_held(&self) -> bool {
        self.stage == Stage::Answered || self.client.as_ref().is_some_and(Client::is_poll)
    }

    /// The wait is over that the timer was started for.
    pub(super) fn on_timer(&mut self, status: &Status) -> Next {
        match self.stage {
            Stage::Requests if self.pending.is_some() => {
                self.timeout = Some(Timeout::Request);
                Next::Idle
            }
            _ if self.output.is_stalled() => Next::CutOff,
            Stage::Left | Stage::Requests => Next::Remove,
            Stage::Open if self.is_held() => self.end_hold(status),
            // The broker did not deliver what the end waits for.
            Stage::Open if self.client.as_ref().is_some_and(Client::is_ending) => {
                self.end_now(status)
            }
            Stage::Open => self.heartbeat(status),
            Stage::Answered | Stage::Leaving => self.next(status),
        }
    }

    /// The client is let go with this reason, after what waits to be written. A connection without a client is closed.
    pub(super) fn on_goodbye(&mut self, reason: Reason, status: &Status) -> Next {
        if self.stage == Stage::Requests {
            if self.pending.is_some() {
                self.is_last = true;
                return Next::Idle;
            }
            if self.output.is_empty() {
                return Next::Remove;
            }
            self.stage = Stage::Leaving;
        }
        let Some(client) = self.client.as_mut().filter(|_| self.stage == Stage::Open) else {
            return Next::Idle;
        };
        client.fetching = None;
        self.stage = if client.is_poll() { Stage::Answered } else { Stage::Leaving };
        Next::Encode(Some(Event::Goodbye(reason)), client.cursor(status.position).position())
    }
}
