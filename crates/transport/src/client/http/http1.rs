//! HTTP/1.1 (RFC 9112) on the connection of an [`Http`](super::Http).

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request, Response};
use http_body_util::Full;
use hyper::client::conn::http1::{self, Builder, Parts, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::task::coop::unconstrained;

use super::{Body, MAX_HEAD, SendError};
use crate::client::{ClientError, Stream, error::with_causes};

type HyperConnection = http1::Connection<TokioIo<Stream>, Full<Bytes>>;

/// A connection on which one request follows the other.
#[derive(Debug)]
pub(super) struct Http1 {
    sender: SendRequest<Full<Bytes>>,
    connection: Connection,
}

impl Http1 {
    pub(super) async fn new(stream: Stream) -> Result<Self, ClientError> {
        let handshake = Builder::new().max_buf_size(MAX_HEAD).handshake(TokioIo::new(stream)).await;
        let (sender, connection) = handshake.map_err(|error| broken(&error))?;
        Ok(Self { sender, connection: Connection::new(connection) })
    }

    /// Sends a request and waits for the head of its response.
    pub(super) async fn exchange(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Body>, SendError> {
        if !self.check_open().await
            || self.connection.drive(|cx| self.sender.poll_ready(cx)).await.is_err()
        {
            return Err(SendError::unsent(request));
        }
        let mut response = pin!(self.sender.try_send_request(request));
        let response = self.connection.drive(|cx| response.as_mut().poll(cx)).await;
        response.map(|response| response.map(Body::http1)).map_err(|mut error| {
            let unsent = error.take_message().map(Box::new);
            SendError { error: broken(error.error()), unsent }
        })
    }

    /// Polls the connection once. `true` if it is still open.
    pub(super) async fn check_open(&mut self) -> bool {
        poll_fn(|cx| Poll::Ready(self.connection.advance(cx))).await
    }

    /// Polls an operation until it is ready, and polls the connection whenever the operation is pending.
    pub(super) async fn drive<T>(&mut self, poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> T {
        self.connection.drive(poll).await
    }

    /// Closes the connection, so that no later request can be sent on it.
    pub(super) fn close(&mut self) {
        self.connection.close();
    }

    /// The connection below HTTP after a response that agreed to an upgrade, and the bytes that were read after it.
    /// Fails if the connection has ended.
    pub(super) fn leave_http(
        self,
    ) -> BoxFuture<'static, Result<Parts<TokioIo<Stream>>, ClientError>> {
        self.connection.leave_http()
    }
}

/// A connection of hyper, which must be polled to make progress.
#[derive(Debug)]
pub(super) struct Connection {
    /// `None` once the connection is closed. Dropping it completes the futures that wait for it, with an error.
    hyper: Option<Box<HyperConnection>>,
    /// Hyper has no more work: the connection has ended, or has left HTTP.
    is_done: bool,
}

impl Connection {
    fn new(connection: HyperConnection) -> Self {
        Self { hyper: Some(Box::new(connection)), is_done: false }
    }

    fn close(&mut self) {
        self.hyper = None;
    }

    /// Polls the connection, or closes it if it was already done. `true` if it is still open.
    fn advance(&mut self, cx: &mut Context<'_>) -> bool {
        match &mut self.hyper {
            Some(connection) if !self.is_done => {
                self.is_done = connection.poll_without_shutdown(cx).is_ready();
                !self.is_done
            }
            _ => {
                self.close();
                false
            }
        }
    }

    /// Polls an operation on the connection until it is ready, and polls the connection whenever the operation is
    /// pending.
    async fn drive<T>(&mut self, mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> T {
        poll_fn(|cx| {
            loop {
                // After the connection is done, a pending operation will never be ready. So a task whose cooperative
                // budget is used up must not see an operation as pending that is ready.
                let polled = match self.is_done {
                    true => pin!(unconstrained(poll_fn(&mut poll))).poll(cx),
                    false => poll(cx),
                };
                if polled.is_ready() {
                    return polled;
                }
                if self.advance(cx) || self.hyper.is_none() {
                    return poll(cx);
                }
            }
        })
        .await
    }

    fn leave_http(self) -> BoxFuture<'static, Result<Parts<TokioIo<Stream>>, ClientError>> {
        Box::pin(async move {
            match self.hyper {
                Some(connection) if self.is_done => Ok(connection.into_parts()),
                Some(connection) => {
                    connection.without_shutdown().await.map_err(|error| broken(&error))
                }
                None => Err(ClientError::Broken("it ended after the handshake".to_owned())),
            }
        })
    }
}

/// Converts an error of hyper: [`ClientError::Protocol`] for a malformed response, otherwise [`ClientError::Broken`].
pub(super) fn broken(error: &hyper::Error) -> ClientError {
    let problem = with_causes(error);
    if error.is_parse() {
        return ClientError::Protocol { transport: "HTTP", problem };
    }
    ClientError::Broken(problem)
}
