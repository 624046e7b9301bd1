//! One connection, without I/O.
//!
//! ```text
//! on_readable, on_peeked, on_buffered                 (here)       ─┐
//! on_writable, on_written, on_taken_over              (here)        │
//! on_response, on_response_pending                    (here)        │
//! join_pass ─► Part; then on_sent                     (here)        │
//! on_subscribed, on_encoded                           (serve.rs)    ├─► the new state ─► Next
//! on_handled, on_handling, put_back                   (serve.rs)    │
//! on_caught_up, on_fetching, on_fetched,              (serve.rs)    │
//! on_unavailable, leave_at                            (serve.rs)    │
//! on_end, on_reset, on_timer, on_goodbye              (ending.rs)  ─┘
//! ```
//!
//! The lane performs each [`Next`], reports the outcome by one of these calls, and continues until the connection is
//! idle. Then it starts the timer of the connection if [`take_timeout`](Connection::take_timeout) returns a duration.

mod ending;
mod sealed;
mod serve;
mod stage;
#[cfg(test)]
mod tests;

use std::io;
use std::time::Duration;

use bytes::{Buf, Bytes};
use http::Response;
use tidings_core::SeatId;
use tidings_core::driver::Cursor;

use self::stage::Stage;
use super::client::{Client, SpareDecoder, Standing};
use super::compressed::SyncState;
use super::input::Input;
use super::next::Next;
use super::output::{Output, Progress};
use super::pending::Pending;
use super::status::Status;
use super::timeout::Timeout;
use crate::peer_end::PeerEnd;
use crate::request::{self, Whole, is_last};
use crate::{resource, response};

/// The state of one connection.
pub(super) struct Connection {
    stage: Stage,
    input: Input,
    output: Output,
    /// The pending response to a request, or the pending handling of a client's message. Until it is done, nothing more
    /// is read.
    pending: Option<Pending>,
    /// The timer that the lane must start.
    timeout: Option<Timeout>,
    /// Whether the connection is over the limit. Then probes are served, all other requests are rejected with `503`,
    /// and the connection ends after one response.
    is_surplus: bool,
    /// Whether the connection ends with the current response.
    is_last: bool,
    peer_end: PeerEnd,
    pub(super) sync: SyncState,
}

/// What is read next from a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reads {
    /// Nothing now.
    Nothing,
    /// The buffered input.
    Buffered,
    /// One byte, which stays in the socket, to detect the end of the stream.
    Peek,
    /// The bytes in the socket.
    Bytes,
}

/// Whether a client takes part in a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// The client is sent the bytes of its group. For a poll they are the answer.
    Takes,
    /// The client has its own cursor now, and must be served from the log at once.
    CatchesUp,
    /// The client is not served now. Either there is no client, or it is not with the lane, or it has unsent
    /// bytes and has its own cursor now.
    Nothing,
}

/// If more bytes of responses than this are unsent, the next request or message waits.
const MAX_ANSWERS: usize = 64 << 10;

/// The size of a short answer, for which a socket always has room.
const SHORT_ANSWER: usize = 1024;

impl Connection {
    pub(super) fn new(is_surplus: bool) -> Self {
        Self {
            stage: Stage::Requests,
            input: Input::default(),
            output: Output::default(),
            pending: None,
            timeout: None,
            is_surplus,
            is_last: false,
            peer_end: PeerEnd::None,
            sync: SyncState::default(),
        }
    }

    pub(super) fn client(&self) -> Option<&Client> {
        if let Stage::Serving(client) = &self.stage { Some(client) } else { None }
    }

    pub(super) fn unsent(&self) -> &[u8] {
        self.output.bytes()
    }

    pub(super) fn is_last(&self) -> bool {
        self.is_last
    }

    pub(super) fn awaits_room(&self) -> bool {
        self.output.is_stalled()
    }

    /// The duration of the timer if it must be started now.
    pub(super) fn take_timeout(&mut self, status: &Status) -> Option<Duration> {
        let timeout = self.timeout.take()?;
        let client = self.client();
        let duration = timeout.duration(client.and_then(Client::hold), status);
        let expiry = client.and_then(|client| client.seat.expires_at());
        Some(match expiry.filter(|_| timeout == Timeout::Quiet) {
            Some(expiry) => duration.min(expiry.saturating_duration_since(status.now)),
            None => duration,
        })
    }

    pub(super) fn waits_for_lane(&self, status: &Status) -> bool {
        self.client().is_some_and(|client| client.waits_for_lane(status.position))
    }

    /// Decides what is read next. If that is nothing, records that input may be left in the socket.
    pub(super) fn prepare_read(&mut self) -> Reads {
        if self.is_paused() {
            return Reads::Peek;
        }
        match self.stage {
            // Further requests wait until the peer has read the responses to the earlier ones.
            Stage::Requests if !self.output.is_empty() => {
                self.input.has_unread = true;
                Reads::Nothing
            }
            Stage::Requests | Stage::Serving(_) if self.input.has_buffered() => Reads::Buffered,
            _ => Reads::Bytes,
        }
    }

    /// Handles a connection that was served elsewhere before. `input` was read there and not used.
    pub(super) fn on_taken_over(&mut self, input: Bytes, is_last: bool) {
        self.input.put_back(input);
        self.is_last = is_last;
    }

    /// Records that the socket has input, which is read later.
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

    /// Handles bytes that were read from the socket after [`prepare_read`](Self::prepare_read) had returned
    /// [`Reads::Bytes`]. `bytes` is not empty.
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
                let decoded = client.decode(bytes, spare);
                self.input.put_back(Bytes::copy_from_slice(&bytes[decoded..]));
                self.advance(status)
            }
            _ => Next::Idle,
        }
    }

    /// Takes a request from bytes that were just read, and keeps the bytes after it.
    fn request_from_socket(&mut self, bytes: &[u8], status: &Status) -> Next {
        let Some(whole) = self.take_request(bytes, status) else {
            return self.hand_over(Bytes::copy_from_slice(bytes));
        };
        self.input.put_back(Bytes::copy_from_slice(&bytes[whole.length..]));
        Next::Respond(whole)
    }

    /// Takes the next request from the bytes that were kept.
    fn request_from_input(&mut self, status: &Status) -> Next {
        let mut bytes = self.input.take();
        let Some(whole) = self.take_request(&bytes, status) else { return self.hand_over(bytes) };
        bytes.advance(whole.length);
        self.input.put_back(bytes);
        Next::Respond(whole)
    }

    /// `None` if the general path must serve the request, because it is not plain or because the connection is over the
    /// limit.
    fn take_request(&mut self, bytes: &[u8], status: &Status) -> Option<Box<Whole>> {
        let whole = request::next(bytes, status.settings.max_head)?;
        if self.is_surplus && !resource::is_probe(&whole.request) {
            return None;
        }
        self.is_last = is_last(&whole.request);
        Some(whole)
    }

    /// Hands the connection over with a request that is not plain or that is malformed, after the responses to earlier
    /// requests are written. The peer may still be sending the request, and a lane does not wait for the rest.
    fn hand_over(&mut self, bytes: Bytes) -> Next {
        if self.output.is_empty() {
            return Next::HandOver(bytes);
        }
        self.input.put_back(bytes);
        Next::Write
    }

    /// Handles the response to the request of [`Next::Respond`]. After the hub is closed, the connection ends with it.
    pub(super) fn on_response(&mut self, response: &Response<Bytes>, status: &Status) -> Next {
        let was_pending = self.pending.take().is_some();
        let is_last =
            self.is_last || self.is_surplus || status.is_closing || response::is_last(response);
        let ending = if is_last { response::CLOSE } else { &status.settings.keep_alive };
        self.output.write_with(|bytes| response::write(bytes, response, ending));
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

    /// Records that the response to a request is pending. Further requests wait for it.
    pub(super) fn on_response_pending(&mut self, pending: Pending, status: &Status) -> Next {
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

    /// Decides whether the client takes part in a pass over the entries after `before`. `authors` are the seats that
    /// have published some of them.
    pub(super) fn join_pass(&mut self, authors: &[SeatId], before: Cursor) -> Part {
        let Stage::Serving(client) = &mut self.stage else { return Part::Nothing };
        if !client.is_with_lane() {
            return Part::Nothing;
        }
        // A client that has published some of them may not want its own messages.
        let has_room = self.output.is_empty();
        if !has_room || authors.contains(&client.seat.id()) {
            client.standing = Standing::Own(before);
            self.sync.is_in_sync = false;
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
        self.after_send(bytes.len(), sent, status, |output, sent| {
            output.append(bytes.slice(sent..));
        })
    }

    /// Handles the result of sending `length` bytes in a pass. `keep` appends those after the given number of bytes.
    fn after_send(
        &mut self,
        length: usize,
        sent: io::Result<usize>,
        status: &Status,
        keep: impl FnOnce(&mut Output, usize),
    ) -> Next {
        let sent = match sent_count(sent) {
            Ok(sent) => sent,
            Err(error) => return Next::after(&error),
        };
        if sent < length {
            keep(&mut self.output, sent);
        } else if matches!(self.stage, Stage::Serving(_)) {
            return Next::Idle;
        }
        self.advance(status)
    }

    /// Advances the connection as far as it goes without the lane.
    pub(super) fn advance(&mut self, status: &Status) -> Next {
        // The seat is freed before the rest of a short answer is written, so a client that has read its answer finds
        // the seat free. A client that does not read a long answer keeps its seat, so that seats bound the unsent
        // bytes.
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
            // Nothing more comes from a peer that has closed its side.
            Stage::Lingering(_) if self.is_half_closed() => Next::Remove,
            Stage::Lingering(_) => self.yield_if_input(),
        }
    }

    /// [`Next::Yield`] if there is input, here or in the socket, that may be read now.
    fn yield_if_input(&mut self) -> Next {
        if self.is_paused() || !self.input.has_more() {
            return Next::Idle;
        }
        self.input.has_unread = false;
        Next::Yield
    }
}

/// The number of bytes that were sent, which is 0 if the socket was full.
///
/// # Errors
/// Fails if the connection is broken.
fn sent_count(sent: io::Result<usize>) -> io::Result<usize> {
    sent.or_else(|error| match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(0),
        _ => Err(error),
    })
}
