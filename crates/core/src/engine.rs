//! A hub over a broker: the log is fed from the engine's tail, and what it has evicted is fetched.

use std::fmt;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::Duration;

use futures_core::future::BoxFuture;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::hub::Shared;
use crate::{
    Broker, BrokerError, Budget, Cursor, Entry, Event, Hub, Id, IdempotencyKey, Interest, Kept,
    Notification, PublishError, Publishing, Replay, SeatId, Start, Stored, Tail,
};

/// What a hub knows of the engine below it.
pub(crate) struct Engine {
    broker: Arc<dyn Broker>,
    publish_deadline: Duration,
    /// How many readers are served from the engine at the same time; others wait for their turn.
    replays: Semaphore,
    is_connected: AtomicBool,
    feeding: JoinHandle<()>,
}

/// What the engine had for a reader.
#[derive(Debug)]
pub struct Fetched {
    /// What it must be told next. Nothing where nothing matched, or the log has it by now.
    pub events: Vec<Event>,
    /// Where it stands behind that.
    pub cursor: Cursor,
}

/// Readers of what the log has evicted, at the same time.
const REPLAYS: usize = 16;

/// What has arrived already and is added to the log in one go.
const BATCH: usize = 256;

/// The same in payload bytes, the last notification beside it.
const BATCH_BYTES: usize = 1 << 20;

/// How long a hub that begins waits for the next of what the engine said it has. What is purged by then
/// never comes, so the engine is asked once more.
const SILENCE: Duration = Duration::from_secs(5);

/// Pauses before an engine that is away is asked again: the first, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

impl Engine {
    /// Fills the log with the newest that the engine has, and keeps it fed from then on.
    pub(crate) async fn start(
        broker: Arc<dyn Broker>,
        log: &crate::Log,
        keep: u64,
        publish_deadline: Duration,
        hub: Weak<Shared>,
    ) -> Result<Self, BrokerError> {
        let mut arrivals = Arrivals::of(broker.tail(Start::Newest(keep)).await?);
        log.follow(&arrivals.tail);
        while log.head().seq < arrivals.tail.head {
            if let Ok(batch) = timeout(SILENCE, arrivals.next()).await {
                log.store(batch?);
            } else {
                arrivals = Arrivals::of(broker.tail(Start::Newest(keep)).await?);
                log.follow(&arrivals.tail);
            }
        }
        let feeding = tokio::spawn(feed(hub, broker.clone(), arrivals));
        let (replays, is_connected) = (Semaphore::new(REPLAYS), AtomicBool::new(true));
        Ok(Self { broker, publish_deadline, replays, is_connected, feeding })
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.is_connected.load(Ordering::Relaxed)
    }

    pub(crate) fn publish(
        &self,
        notification: Notification,
        key: Option<IdempotencyKey>,
    ) -> Publishing {
        let (storing, deadline) = (self.broker.publish(notification, key), self.publish_deadline);
        Publishing::on_its_way(Box::pin(async move {
            let late = || BrokerError::Away {
                engine: "the engine".to_owned(),
                problem: format!("no answer within {deadline:?}"),
            };
            let stored = timeout(deadline, storing).await.unwrap_or_else(|_| Err(late()));
            stored.map_err(PublishError::Unavailable)
        }))
    }
}

impl Hub {
    /// What the engine has for a cursor that was told [`Kept::Engine`]. Waits while the engine is away, and
    /// ends at once where the log has it by now.
    ///
    /// Cancel safe: the cursor stays where it was.
    pub fn fetch(
        &self,
        mut cursor: Cursor,
        interest: Interest,
        seat: SeatId,
        budget: Budget,
    ) -> BoxFuture<'static, Fetched> {
        let hub = self.clone();
        Box::pin(async move {
            let Some(engine) = hub.engine() else { return Fetched { events: Vec::new(), cursor } };
            let mut pauses = Pauses::default();
            // Never closed, so a permit is always to be had in the end.
            let _turn = engine.replays.acquire().await.ok();
            loop {
                if hub.pool().closed().is_some() || !hub.asks_engine(cursor, &interest, seat) {
                    return Fetched { events: Vec::new(), cursor };
                }
                let (after, upto) = (cursor.position(), hub.log().own_tail());
                let upto = upto.seq.max(after.seq);
                let replay = engine.broker.replay(interest.filters(), after, upto, budget).await;
                let history = match &replay {
                    Ok(Replay::Read { .. }) => after.epoch,
                    Ok(Replay::Gone { resume, .. }) => resume.epoch,
                    Err(_) => hub.epoch(),
                };
                // The hub is still to learn of this history, or has learnt of a newer one: from here the log
                // would send the reader back.
                if history != hub.epoch() {
                    pauses.pause().await;
                    continue;
                }
                match replay {
                    Ok(Replay::Read { found, reached }) => {
                        let events = delivered(found, after, &interest, seat);
                        // One that stands ahead of the log has learnt that its place is a real one.
                        let is_ahead = cursor.is_ahead_of(hub.log().head());
                        cursor.has_fetched(after.epoch.id(reached), is_ahead);
                        return Fetched { events, cursor };
                    }
                    Ok(Replay::Gone { resume, reason }) => {
                        let told = cursor.is_gone(hub.log(), &interest, resume, reason);
                        return Fetched { events: vec![told], cursor };
                    }
                    Err(error) => {
                        tracing::debug!(%error, "what a client is to get is not to be had yet");
                        pauses.pause().await;
                    }
                }
            }
        })
    }

    fn asks_engine(&self, mut cursor: Cursor, interest: &Interest, seat: SeatId) -> bool {
        let (head, one) = (self.log().head(), Budget { entries: 1, bytes: 1 });
        let kept = cursor.read(self.log(), interest, seat, head, one, &mut Vec::new());
        kept == Kept::Engine
    }
}

fn delivered(found: Vec<Stored>, after: Id, interest: &Interest, seat: SeatId) -> Vec<Event> {
    let entry = |Stored { seq, notification }: Stored| {
        Some(Arc::new(Entry::new(after.epoch.id(seq), notification?)))
    };
    let entries = found.into_iter().filter_map(entry);
    entries.filter(|entry| interest.wants(entry, seat)).map(Event::Deliver).collect()
}

/// Keeps the log fed for as long as there is a hub that is not closed.
async fn feed(hub: Weak<Shared>, broker: Arc<dyn Broker>, mut arrivals: Arrivals) {
    let mut pauses = Pauses::default();
    loop {
        let problem = loop {
            let batch = match arrivals.next().await {
                Ok(batch) => batch,
                Err(problem) => break problem,
            };
            pauses = Pauses::default();
            let Some(hub) = hub.upgrade() else { return };
            if !hub.log.store(batch) {
                return;
            }
        };
        tracing::warn!(error = %problem, "the stream of the engine has broken off");
        let tail = loop {
            pauses.pause().await;
            let Some(hub) = hub.upgrade() else { return };
            hub.says_connected(false);
            let head = hub.log.head();
            drop(hub);
            match broker.tail(Start::After(head)).await {
                Ok(tail) => break tail,
                Err(error) => tracing::debug!(%error, "the engine is still away"),
            }
        };
        let Some(hub) = hub.upgrade() else { return };
        if tail.epoch != hub.log.epoch() {
            let (before, now) = (hub.log.epoch(), tail.epoch);
            tracing::warn!(%before, %now, "the engine's stream is another one: clients are told so");
        }
        tracing::info!(?tail, "the engine is followed again");
        hub.log.follow(&tail);
        hub.says_connected(true);
        arrivals = Arrivals::of(tail);
    }
}

/// A tail, read in batches.
struct Arrivals {
    tail: Tail,
    /// Its end, kept until what came before it is stored.
    ended: Option<BrokerError>,
}

impl Arrivals {
    fn of(tail: Tail) -> Self {
        Self { tail, ended: None }
    }

    /// What has arrived: waits for the first, and takes what is there with it.
    async fn next(&mut self) -> Result<Vec<Stored>, BrokerError> {
        if let Some(ended) = self.ended.take() {
            return Err(ended);
        }
        let (mut batch, mut bytes) = (Vec::new(), 0);
        poll_fn(|context| {
            while batch.len() < BATCH && bytes < BATCH_BYTES {
                let next = match self.tail.arrivals.as_mut().poll_next(context) {
                    Poll::Ready(next) => next,
                    Poll::Pending if batch.is_empty() => return Poll::Pending,
                    Poll::Pending => break,
                };
                let problem = match next {
                    Some(Ok(stored)) => {
                        bytes += stored.notification.as_ref().map_or(0, |one| one.payload().len());
                        batch.push(stored);
                        continue;
                    }
                    Some(Err(error)) => error,
                    None => BrokerError::Away {
                        engine: "the engine".to_owned(),
                        problem: "its stream ended".to_owned(),
                    },
                };
                if batch.is_empty() {
                    return Poll::Ready(Err(problem));
                }
                self.ended = Some(problem);
                break;
            }
            Poll::Ready(Ok(std::mem::take(&mut batch)))
        })
        .await
    }
}

/// Pauses that grow.
struct Pauses(Duration);

impl Default for Pauses {
    fn default() -> Self {
        Self(PAUSES.0)
    }
}

impl Pauses {
    async fn pause(&mut self) {
        sleep(self.0).await;
        self.0 = (self.0 * 2).min(PAUSES.1);
    }
}

impl Shared {
    fn says_connected(&self, is_connected: bool) {
        if let Some(engine) = self.engine.get() {
            engine.is_connected.store(is_connected, Ordering::Relaxed);
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.feeding.abort();
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("broker", &self.broker).finish_non_exhaustive()
    }
}
