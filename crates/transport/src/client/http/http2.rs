//! HTTP/2 (RFC 9113) on the connection of an [`Http`](super::Http).
//!
//! hyper's client spawns a task for the connection and one for each request. The crate `h2` below it needs none, so it
//! is used here without hyper.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::client::{Builder, Connection, SendRequest};
use h2::{Reason, RecvStream, SendStream};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri, header};
use http_body::Body as _;
use http_body_util::Full;

use super::{Body, MAX_HEAD, SendError};
use crate::client::{ClientError, Stream, error::with_causes};

/// How much a server may send before the client reads it, in bytes. This bounds the memory of a slow reader. It also
/// bounds the throughput: 2.5 MB/s with a round trip of 100 ms.
const WINDOW: u32 = 256 * 1024;

/// Headers of HTTP/1.1 connections, which HTTP/2 does not allow (RFC 9113, section 8.2.2). The authority is sent in
/// place of `Host`.
const NOT_ALLOWED: [HeaderName; 6] = [
    header::CONNECTION,
    header::HOST,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// A connection on which each request is a stream.
#[derive(Debug)]
pub(super) struct Http2 {
    sender: SendRequest<Bytes>,
    /// `None` once the connection is closed. Dropping it completes its streams, with an error.
    connection: Option<Connection<Stream, Bytes>>,
    scheme: Scheme,
    authority: Authority,
    /// It is not yet certain that the server speaks HTTP/2.
    is_assumed: bool,
}

impl Http2 {
    /// Opens HTTP/2 on a connection. With `is_assumed`, the server has not chosen it in a TLS handshake.
    pub(super) async fn new(
        stream: Stream,
        scheme: Scheme,
        authority: Authority,
        is_assumed: bool,
    ) -> Result<Self, ClientError> {
        let opened = Builder::new()
            .enable_push(false)
            .initial_window_size(WINDOW)
            .initial_connection_window_size(WINDOW)
            .max_header_list_size(MAX_HEAD as u32)
            .handshake(stream)
            .await;
        let (sender, connection) = opened.map_err(|error| broken(&error))?;
        Ok(Self { sender, connection: Some(connection), scheme, authority, is_assumed })
    }

    /// Sends a request and waits for the head of its response.
    pub(super) async fn exchange(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Body>, SendError> {
        let mut sender = self.sender.clone();
        if !self.check_open().await || self.drive(|cx| sender.poll_ready(cx)).await.is_err() {
            return Err(SendError::unsent(request));
        }
        let failed = |error: &h2::Error, is_assumed| {
            let unsent = is_unprocessed(error).then(|| Box::new(request.clone()));
            SendError { error: explained(broken(error), is_assumed), unsent }
        };
        let (head, mut rest) = self.request(request.clone()).await;
        let (mut response, mut upload) = sender
            .send_request(head, rest.is_empty())
            .map_err(|error| SendError { error: broken(&error), unsent: None })?;
        let response = self.drive(|cx| {
            if let Poll::Ready(response) = Pin::new(&mut response).poll(cx) {
                return Poll::Ready(response);
            }
            // When the server resets the stream, the response has the error.
            let _ = poll_upload(&mut upload, &mut rest, cx);
            Poll::Pending
        });
        let response = response.await.map_err(|error| failed(&error, self.is_assumed))?;
        self.is_assumed = false;
        Ok(response.map(Body::http2))
    }

    /// Polls the connection once. `true` if a request can be sent on it.
    pub(super) async fn check_open(&mut self) -> bool {
        poll_fn(|cx| {
            self.advance(cx);
            // After GOAWAY, the connection continues until its streams have ended, but accepts no new ones.
            let is_refused = matches!(self.sender.poll_ready(cx), Poll::Ready(Err(_)));
            Poll::Ready(self.connection.is_some() && !is_refused)
        })
        .await
    }

    /// Polls an operation until it is ready, and polls the connection whenever the operation is pending.
    pub(super) async fn drive<T>(
        &mut self,
        mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> T {
        poll_fn(|cx| {
            let polled = poll(cx);
            if polled.is_ready() {
                return polled;
            }
            self.advance(cx);
            poll(cx)
        })
        .await
    }

    /// Closes the connection, so that no later request can be sent on it.
    pub(super) fn close(&mut self) {
        self.connection = None;
    }

    fn advance(&mut self, cx: &mut Context<'_>) {
        let Some(connection) = &mut self.connection else { return };
        if Pin::new(connection).poll(cx).is_ready() {
            self.close();
        }
    }

    /// The head of a request as HTTP/2 has it, and its body.
    async fn request(&self, request: Request<Full<Bytes>>) -> (Request<()>, Bytes) {
        let (mut head, mut body) = request.into_parts();
        let body = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await;
        let body = body.and_then(|frame| frame.ok()?.into_data().ok()).unwrap_or_default();
        let mut uri = http::uri::Parts::default();
        uri.scheme = Some(self.scheme.clone());
        uri.authority = Some(self.authority.clone());
        let path = head.uri.into_parts().path_and_query;
        uri.path_and_query = path.or_else(|| Some(PathAndQuery::from_static("/")));
        head.uri = Uri::from_parts(uri).unwrap_or_default();
        head.version = http::Version::HTTP_2;
        for name in NOT_ALLOWED {
            head.headers.remove(name);
        }
        add_length(&mut head.headers, &head.method, body.len());
        (Request::from_parts(head, ()), body)
    }
}

fn add_length(headers: &mut HeaderMap, method: &Method, bytes: usize) {
    if bytes > 0 || method == Method::POST {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes));
    }
}

/// Sends as much of the rest of a request as the server's windows allow.
fn poll_upload(
    stream: &mut SendStream<Bytes>,
    rest: &mut Bytes,
    cx: &mut Context<'_>,
) -> Poll<Result<(), h2::Error>> {
    while !rest.is_empty() {
        stream.reserve_capacity(rest.len());
        match stream.capacity().min(rest.len()) {
            0 => match ready!(stream.poll_capacity(cx)) {
                Some(capacity) => drop(capacity?),
                None => break,
            },
            room => stream.send_data(rest.split_to(room), rest.is_empty())?,
        }
    }
    Poll::Ready(Ok(()))
}

/// Polls for the next bytes of a body, and lets the server send as many again.
pub(super) fn poll_chunk(
    body: &mut RecvStream,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Bytes, ClientError>>> {
    body.poll_data(cx).map(|chunk| {
        let chunk = chunk?.and_then(|chunk| {
            body.flow_control().release_capacity(chunk.len())?;
            Ok(chunk)
        });
        Some(chunk.map_err(|error| broken(&error)))
    })
}

/// A request that the server has not processed can be sent again (RFC 9113, section 8.7).
///
/// h2 ends a stream with the GOAWAY of the server only if the number of the stream is above that in the frame.
fn is_unprocessed(error: &h2::Error) -> bool {
    let is_refused = error.is_reset() && error.reason() == Some(Reason::REFUSED_STREAM);
    error.is_remote() && (is_refused || error.is_go_away())
}

/// Adds the probable reason to the first error of a connection if the server did not choose HTTP/2.
fn explained(error: ClientError, is_assumed: bool) -> ClientError {
    const HINT: &str = "does the server speak HTTP/2 without TLS?";
    match error {
        ClientError::Protocol { transport, problem } if is_assumed => {
            ClientError::Protocol { transport, problem: format!("{problem}, {HINT}") }
        }
        ClientError::Broken(problem) if is_assumed => {
            ClientError::Broken(format!("{problem}, {HINT}"))
        }
        error => error,
    }
}

/// Converts an error of h2: [`ClientError::Protocol`] if the server violated the protocol, otherwise
/// [`ClientError::Broken`].
fn broken(error: &h2::Error) -> ClientError {
    let problem = with_causes(error);
    if error.is_library() {
        return ClientError::Protocol { transport: "HTTP/2", problem };
    }
    ClientError::Broken(problem)
}

#[cfg(test)]
mod tests;
