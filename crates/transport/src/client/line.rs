//! The connection below [`Http`](super::Http), which moves while one of its futures is polled.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::future::BoxFuture;
use http_body_util::Full;
use hyper::client::conn::http1::{Connection, Parts};
use hyper_util::rt::TokioIo;
use tokio::task::coop::unconstrained;

use super::{ClientError, Stream, error::with_causes};

type Wire = Connection<TokioIo<Stream>, Full<Bytes>>;

/// One connection of hyper's.
#[derive(Debug)]
pub(super) struct Line {
    /// Dropped when it is done and nobody took it over, which wakes whoever waits for it with an error.
    pub(super) wire: Option<Box<Wire>>,
    pub(super) done: bool,
}

impl Line {
    /// Moves the connection as far as it goes; whether it is still open.
    pub(super) fn advance(&mut self, cx: &mut Context<'_>) -> bool {
        match &mut self.wire {
            Some(wire) if !self.done => {
                self.done = wire.poll_without_shutdown(cx).is_ready();
                !self.done
            }
            _ => {
                self.wire = None;
                false
            }
        }
    }

    /// Polls what waits for the connection, and moves the connection as long as that has to wait.
    pub(super) async fn drive<T>(
        &mut self,
        mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> T {
        poll_fn(|cx| {
            loop {
                // Once the connection is done, what waits is there or will never be: a task whose budget is
                // used up must not be told the latter in place of the former.
                let polled = match self.done {
                    true => pin!(unconstrained(poll_fn(&mut poll))).poll(cx),
                    false => poll(cx),
                };
                if polled.is_ready() {
                    return polled;
                }
                if self.advance(cx) || self.wire.is_none() {
                    return poll(cx);
                }
            }
        })
        .await
    }

    /// The connection, behind the answer that agreed to leave HTTP.
    pub(super) fn leave_http(
        self,
    ) -> BoxFuture<'static, Result<Parts<TokioIo<Stream>>, ClientError>> {
        Box::pin(async move {
            match self.wire {
                Some(wire) if self.done => Ok(wire.into_parts()),
                Some(wire) => wire.without_shutdown().await.map_err(|error| broken(&error)),
                None => Err(ClientError::Broken("it ended with the handshake".to_owned())),
            }
        })
    }
}

pub(super) fn broken(error: &hyper::Error) -> ClientError {
    let problem = with_causes(error);
    if error.is_parse() {
        return ClientError::Protocol { transport: "HTTP", problem };
    }
    ClientError::Broken(problem)
}
