//! The engine below a hub: the log is fed from its tail, and publishes go to it.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::arrivals::{Arrivals, Pauses};
use crate::hub::Shared;
use crate::{
    Broker, BrokerError, IdempotencyKey, Log, Notification, PublishError, Publishing, Start,
};

/// What a hub knows of the engine below it.
pub(crate) struct Engine {
    pub(crate) broker: Arc<dyn Broker>,
    publish_deadline: Duration,
    /// How many readers are served from the engine at the same time; others wait for their turn.
    pub(crate) replays: Semaphore,
    is_connected: AtomicBool,
    feeding: JoinHandle<()>,
}

/// Readers of what the log has evicted, at the same time.
const REPLAYS: usize = 16;

/// How long a hub that begins waits for the next of what the engine said it has. What is purged by then
/// never comes, so the engine is asked once more.
const SILENCE: Duration = Duration::from_secs(5);

impl Engine {
    /// Fills the log with the newest that the engine has, and keeps it fed from then on.
    pub(crate) async fn start(
        broker: Arc<dyn Broker>,
        log: &Log,
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
