//! The futures that wait for the broker or for the application: requests, messages of clients, and replays from the
//! broker.
//!
//! A lane polls these futures itself. Each belongs to a connection, and is dropped with it. A connection has at most
//! one replay and one request or message pending.

use std::future::Future;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures::future::{AbortHandle, Abortable, LocalBoxFuture};
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use tidings_core::driver::Fetched;
use tidings_transport::Handled;
use tokio::task::unconstrained;

use crate::response::Routed;

/// The pending futures of a lane's connections.
#[derive(Default)]
pub(super) struct PendingSet {
    running: FuturesUnordered<Abortable<LocalBoxFuture<'static, (usize, Outcome)>>>,
    /// Whether a future was added that was not polled yet.
    has_new: bool,
}

/// A handle to one of the futures, which its connection keeps. Dropping it drops the future. Boxed, because most
/// connections have none and keep room for two.
#[derive(Debug)]
pub(super) struct Pending(Box<Started>);

/// A future that was added, and when.
#[derive(Debug)]
struct Started {
    abort: AbortHandle,
    at: Instant,
}

/// The outcome of a future.
pub(super) enum Outcome {
    /// What the routes return for a request.
    Routed(Routed),
    /// The outcome of a client's message.
    Handled(Handled),
    /// What the broker returned for a client.
    Fetched(Fetched),
}

impl PendingSet {
    /// Adds a future for the connection with this key.
    pub(super) fn add(
        &mut self,
        key: usize,
        future: impl Future<Output = Outcome> + 'static,
    ) -> Pending {
        let (abort, registration) = AbortHandle::new_pair();
        let future: LocalBoxFuture<'static, _> = Box::pin(async move { (key, future.await) });
        self.running.push(Abortable::new(future, registration));
        self.has_new = true;
        Pending(Box::new(Started { abort, at: Instant::now() }))
    }

    pub(super) fn has_new(&self) -> bool {
        self.has_new
    }

    /// The next outcome, and the key of its connection.
    pub(super) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<(usize, Outcome)> {
        while !self.running.is_empty() {
            self.has_new = false;
            // The lane limits the outcomes of one turn itself. If it used up tokio's budget here, the timers and the
            // drain, which come later in the turn, would never be ready.
            match std::task::ready!(unconstrained(self.running.next()).poll_unpin(context)) {
                Some(Ok(outcome)) => return Poll::Ready(outcome),
                // Its connection has ended.
                Some(Err(_)) => {}
                None => break,
            }
        }
        Poll::Pending
    }
}

impl Pending {
    pub(super) fn age(&self) -> Duration {
        self.0.at.elapsed()
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.0.abort.abort();
    }
}
