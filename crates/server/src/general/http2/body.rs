//! The body of a request over HTTP/2.

use std::cell::RefCell;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode, header};
use http_body::{Body, Frame, SizeHint};

/// The body of a request. Its window is opened as it is read, so a peer cannot send more than one window ahead.
pub(super) struct Incoming<'a> {
    stream: &'a mut RecvStream,
    respond: &'a RefCell<SendResponse<Bytes>>,
    /// Whether the peer waits for `100 Continue`, which is sent before the first read.
    is_awaited: bool,
    /// The length that the peer has announced.
    length: Option<u64>,
    /// Whether the request is a `CONNECT`. The bytes after its head are not a body.
    is_connect: bool,
}

impl<'a> Incoming<'a> {
    pub(super) fn new(
        stream: &'a mut RecvStream,
        request: &Parts,
        respond: &'a RefCell<SendResponse<Bytes>>,
    ) -> Self {
        let headers = &request.headers;
        let is_continue =
            |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"100-continue");
        let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
        Self {
            is_awaited: headers.get(header::EXPECT).is_some_and(is_continue),
            length: length.and_then(|length| length.parse().ok()),
            is_connect: request.method == Method::CONNECT,
            stream,
            respond,
        }
    }

    /// Sends `100 Continue` if the peer waits for it.
    fn request_body(&mut self) {
        if std::mem::take(&mut self.is_awaited) && !self.stream.is_end_stream() {
            let mut interim = Response::new(());
            *interim.status_mut() = StatusCode::CONTINUE;
            // Fails only if the stream has ended, which the next read returns.
            let _ = self.respond.borrow_mut().send_informational(interim);
        }
    }
}

impl Body for Incoming<'_> {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        if self.is_connect {
            return Poll::Ready(None);
        }
        self.request_body();
        if let Some(data) = ready!(self.stream.poll_data(context)) {
            let data = data.and_then(|bytes| {
                self.stream.flow_control().release_capacity(bytes.len())?;
                Ok(Frame::data(bytes))
            });
            return Poll::Ready(Some(data));
        }
        let trailers = ready!(self.stream.poll_trailers(context));
        Poll::Ready(trailers.map(|trailers| trailers.map(Frame::trailers)).transpose())
    }

    fn is_end_stream(&self) -> bool {
        self.is_connect || self.stream.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
