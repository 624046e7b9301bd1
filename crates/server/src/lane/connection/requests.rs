//! Requests on a connection, and the responses to them.

use bytes::{Buf, Bytes};
use http::Response;

use super::{Connection, Stage};
use crate::lane::next::Next;
use crate::lane::pending::Pending;
use crate::lane::status::Status;
use crate::lane::subscription::Opened;
use crate::lane::timeout::Timeout;
use crate::request::{self, Whole, is_last};
use crate::{answer, resource};

/// How many bytes of answers wait for one connection before its next request is answered.
const MAX_ANSWERS: usize = 64 << 10;

impl Connection {
    pub(super) fn first_request(&mut self, bytes: &[u8], status: &Status) -> Next {
        let Some(whole) = self.parse(bytes, status) else {
            return self.hand_over(Bytes::copy_from_slice(bytes));
        };
        self.input.put_back(Bytes::copy_from_slice(&bytes[whole.length..]));
        Next::Answer(whole)
    }

    pub(super) fn next_request(&mut self, status: &Status) -> Next {
        let mut bytes = self.input.take();
        let Some(whole) = self.parse(&bytes, status) else { return self.hand_over(bytes) };
        bytes.advance(whole.length);
        self.input.put_back(bytes);
        Next::Answer(whole)
    }

    fn parse(&mut self, bytes: &[u8], status: &Status) -> Option<Box<Whole>> {
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
    pub(in crate::lane) fn on_response(
        &mut self,
        response: &Response<Bytes>,
        status: &Status,
    ) -> Next {
        let was_pending = self.pending.take().is_some();
        let is_last =
            self.is_last || self.is_surplus || status.is_closing || answer::is_last(response);
        let ending = if is_last { answer::CLOSE } else { &status.settings.keep_alive };
        self.output.write_with(|bytes| answer::write(bytes, response, ending));
        if is_last {
            self.stage = Stage::Closing;
            return self.next(status);
        }
        self.timeout = Some(Timeout::Request);
        if was_pending || !self.input.has_buffered() || self.output.len() > MAX_ANSWERS {
            return self.next(status);
        }
        self.next_request(status)
    }

    /// The response is pending. Further requests wait for it.
    pub(in crate::lane) fn on_response_pending(
        &mut self,
        pending: Pending,
        status: &Status,
    ) -> Next {
        self.pending = Some(pending);
        self.timeout = Some(Timeout::Request);
        self.next(status)
    }

    /// A client is served from now on.
    pub(in crate::lane) fn on_subscribed(&mut self, opened: Opened, status: &Status) -> Next {
        self.output.append(opened.first);
        self.stage = if opened.is_answered { Stage::Answered } else { Stage::Open };
        self.client = Some(opened.client);
        self.timeout = Some(Timeout::Quiet);
        self.next(status)
    }
}
