//! The futures that wait for the broker or for the application: requests, messages of clients, and replays of what only the
//! broker has.
//!
//! A lane polls these futures itself. Each belongs to a connection, which has at most one request or message and one replay
//! pending, and ends with it.

use std::future::Future;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use futures::future::{AbortHandle, Abortable, LocalBoxFuture};
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use tidings_core::driver::Fetched;
use tidings_transport::Handled;
use tokio::task::unconstrained;

use crate::answer::Answer;

/// All that is pending for the connections of a lane.
#[derive(Default)]
pub(super) struct PendingSet {
    running: FuturesUnordered<Abortable<LocalBoxFuture<'static, (usize, Outcome)>>>,
    /// Whether one has been added that was not polled yet.
    has_new: bool,
}

/// A connection's share of them. Dropping it ends the future.
#[derive(Debug)]
pub(super) struct Pending {
    abort: AbortHandle,
    since: Instant,
}

/// What a future came to.
pub(super) enum Outcome {
    /// The answer to a request.
    Answer(Answer),
    /// The outcome of a client's message.
    Handled(Handled),
    /// What the broker has for a client.
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
        Pending { abort, since: Instant::now() }
    }

    /// Returns `true` if a future was added since the last poll.
    pub(super) fn has_new(&self) -> bool {
        self.has_new
    }

    /// Returns the next outcome and the connection that it is for.
    pub(super) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<(usize, Outcome)> {
        while !self.running.is_empty() {
            self.has_new = false;
            // The lane counts how many it takes in one turn. The runtime's own count, once used up, would keep what
            // comes later in the turn from being ready, turn after turn: the timers, the drain.
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
    /// Returns for how long it has been pending.
    pub(super) fn age(&self) -> Duration {
        self.since.elapsed()
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.abort.abort();
    }
}
