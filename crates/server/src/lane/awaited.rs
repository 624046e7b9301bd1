//! What takes a way to the broker below the hub and back: a publish, and what only the broker has.
//!
//! A lane polls these futures itself. Each belongs to a connection, which has at most one publish and one
//! fetch on the way, and dies with it.

use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use futures::future::{AbortHandle, Abortable, LocalBoxFuture};
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use http::Response;
use tidings_core::{Budget, Cursor, Fetched, Id, Publishing, Reason};
use tokio::task::unconstrained;

use super::State;
use super::client::{Progress, Stage};
use super::ending::Last;
use crate::head;
use crate::routes::Later;

/// All that is on the way for the connections of a lane.
#[derive(Default)]
pub(super) struct Awaited {
    running: FuturesUnordered<Abortable<LocalBoxFuture<'static, (usize, Outcome)>>>,
    /// Whether one has been added that was not yet polled.
    has_new: bool,
}

/// A connection's hold on what is on the way for it: dropping this ends that.
pub(super) struct Hold {
    abort: AbortHandle,
    since: Instant,
}

enum Outcome {
    /// The answer to a request.
    Answer(Response<Bytes>),
    /// What became of a client's message.
    Published(Result<Id, Reason>),
    /// What the broker had for a client.
    Fetched(Fetched),
}

/// How many outcomes are dealt with in one turn.
const OUTCOMES: usize = 256;

impl Awaited {
    fn add(&mut self, key: usize, way: impl Future<Output = Outcome> + 'static) -> Hold {
        let (abort, registration) = AbortHandle::new_pair();
        let way: LocalBoxFuture<'static, _> = Box::pin(async move { (key, way.await) });
        self.running.push(Abortable::new(way, registration));
        self.has_new = true;
        Hold { abort, since: Instant::now() }
    }

    pub(super) fn has_new(&self) -> bool {
        self.has_new
    }
}

impl Hold {
    /// For how long it has been on the way.
    pub(super) fn age(&self) -> Duration {
        self.since.elapsed()
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.abort.abort();
    }
}

impl State {
    /// Does what the outcomes ask for that are there.
    pub(super) fn take_outcomes(&mut self, context: &mut Context<'_>) {
        if self.awaited.running.is_empty() {
            return;
        }
        for _ in 0..OUTCOMES {
            self.awaited.has_new = false;
            // As much as there is for one turn is counted here. The runtime's own count, once used up, would keep
            // what comes later in the turn from being ready, turn after turn: the timers, the drain.
            let next = unconstrained(self.awaited.running.next()).poll_unpin(context);
            match next {
                Poll::Ready(Some(Ok((key, outcome)))) => match outcome {
                    Outcome::Answer(answer) => self.answered(key, &answer),
                    Outcome::Published(outcome) => self.published(key, outcome),
                    Outcome::Fetched(fetched) => self.fetched(key, fetched),
                },
                // Its connection is gone.
                Poll::Ready(Some(Err(_))) => {}
                Poll::Ready(None) | Poll::Pending => return,
            }
        }
        context.waker().wake_by_ref();
    }

    /// A request whose answer is on its way. Further ones wait for it.
    pub(super) fn answer_later(&mut self, key: usize, later: Later, is_last: bool) {
        let hold = self.awaited.add(key, async { Outcome::Answer(later.await) });
        let connection = &mut self.connections[key];
        (connection.publishing, connection.is_last) = (Some(hold), is_last);
    }

    fn answered(&mut self, key: usize, answer: &Response<Bytes>) {
        let is_closing = self.is_closing();
        let connection = &mut self.connections[key];
        connection.publishing = None;
        let is_last = connection.is_last || head::is_last(answer) || is_closing;
        let mut bytes = BytesMut::new();
        let ending = if is_last { head::CLOSE } else { &self.manners.keep_alive };
        head::whole(&mut bytes, answer, ending);
        if is_last {
            connection.stage = Stage::Leaving;
        }
        self.await_request(key);
        self.append(key, bytes.freeze());
    }

    /// A client's message is on its way; what it said behind it waits.
    pub(super) fn publish_on_its_way(&mut self, key: usize, way: Publishing) {
        let outcome = async {
            let stored = way.await;
            Outcome::Published(stored.map_err(|error| error.reason()))
        };
        self.connections[key].publishing = Some(self.awaited.add(key, outcome));
    }

    fn published(&mut self, key: usize, outcome: Result<Id, Reason>) {
        let connection = &mut self.connections[key];
        connection.publishing = None;
        let Some(client) = &mut connection.client else { return };
        let waiting = std::mem::take(&mut client.speech().unheard);
        match outcome {
            Ok(id) => {
                client.speech().published = Some(id);
                self.heard_all(key, waiting);
            }
            Err(reason) => self.end(key, Last::Goodbye(reason)),
        }
        if self.connections.contains(key) {
            self.ask_on(key);
        }
    }

    /// Asks the broker for what follows this client's cursor.
    pub(super) fn fetch(&mut self, key: usize, cursor: Cursor, budget: Budget) {
        let Some(client) = &mut self.connections[key].client else { return };
        let interest = self.groups.get(client.group).interest.clone();
        let way = self.hub.fetch(cursor, interest, client.seat.id(), budget);
        client.fetching = Some(self.awaited.add(key, async { Outcome::Fetched(way.await) }));
    }

    fn fetched(&mut self, key: usize, fetched: Fetched) {
        let Fetched { events, cursor } = fetched;
        let connection = &mut self.connections[key];
        let Some(client) = &mut connection.client else { return };
        (client.fetching, client.progress) = (None, Progress::Behind(cursor));
        if !events.is_empty() && connection.stage == Stage::Open {
            let bytes = self.render_for(key, &events, cursor.position());
            return self.append(key, bytes);
        }
        self.write(key);
    }
}
