//! The connection of a hub to its broker: the broker's tail feeds the log, and publishes are sent to the broker.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::arrivals::{Arrivals, Pauses};
use crate::{
    Broker, BrokerError, IdempotencyKey, Log, LogLimit, Notification, PublishError, Publishing,
    Start,
};

/// A hub's broker, and the task that feeds the hub's log from it.
pub(crate) struct BrokerLink {
    pub(crate) broker: Arc<dyn Broker>,
    publish_deadline: Duration,
    /// The bytes of payloads and headers for which further publishes can be pending.
    room: Arc<Semaphore>,
    /// Limits how many readers are served from the broker at the same time. Others wait for their turn.
    pub(crate) replays: Semaphore,
    /// How long a reader waits while its replays fail.
    pub(crate) replay_deadline: Duration,
    /// Whether the last replay failed.
    pub(crate) is_replay_failing: AtomicBool,
    pub(crate) replay_log: LogLimit,
    publish_log: Arc<LogLimit>,
    is_connected: Arc<AtomicBool>,
    feed_task: JoinHandle<()>,
}

/// How long a hub waits for its broker.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deadlines {
    pub(crate) publish: Duration,
    pub(crate) replay: Duration,
}

/// The maximum number of readers that are served from the broker at the same time.
const REPLAYS: usize = 16;

/// The maximum number of bytes of payloads and headers of all pending publishes. It bounds the memory that publishers
/// can fill while the broker is unavailable.
const MAX_PENDING_BYTES: usize = 64 << 20;

/// The minimum number of bytes that one pending publish counts.
const MIN_PENDING_BYTES: usize = 1 << 10;

/// How long a hub that starts waits for the next message up to the head of the broker's stream. Messages that were
/// purged in the meantime do not arrive, so the hub then opens a second tail, which has a new head. Single messages
/// at the head may have been deleted and never arrive, so after a second timeout the hub starts without them.
const ARRIVAL_TIMEOUT: Duration = Duration::from_secs(3);

impl BrokerLink {
    /// Fills the log with the `keep` newest messages of the broker, and spawns a task that adds further ones.
    pub(crate) async fn start(
        broker: Arc<dyn Broker>,
        log: &Arc<Log>,
        keep: u64,
        deadlines: Deadlines,
    ) -> Result<Self, BrokerError> {
        let mut arrivals = Arrivals::of(broker.tail(Start::Newest(keep)).await?);
        log.follow(&arrivals.tail);
        let mut is_second_tail = false;
        while log.head().seq < arrivals.tail.head {
            if let Ok(batch) = timeout(ARRIVAL_TIMEOUT, arrivals.next()).await {
                log.store(batch?);
            } else if is_second_tail {
                break;
            } else {
                is_second_tail = true;
                arrivals = Arrivals::of(broker.tail(Start::Newest(keep)).await?);
                log.follow(&arrivals.tail);
            }
        }
        let is_connected = Arc::new(AtomicBool::new(true));
        let feed = feed(Arc::downgrade(log), is_connected.clone(), broker.clone(), arrivals);
        Ok(Self {
            broker,
            publish_deadline: deadlines.publish,
            replay_deadline: deadlines.replay,
            is_replay_failing: AtomicBool::new(false),
            replay_log: LogLimit::default(),
            publish_log: Arc::default(),
            room: Arc::new(Semaphore::new(MAX_PENDING_BYTES)),
            replays: Semaphore::new(REPLAYS),
            is_connected,
            feed_task: tokio::spawn(feed),
        })
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.is_connected.load(Ordering::Relaxed)
    }

    pub(crate) fn publish(
        &self,
        notification: Notification,
        key: Option<IdempotencyKey>,
    ) -> Publishing {
        let size = notification.size().clamp(MIN_PENDING_BYTES, MAX_PENDING_BYTES) as u32;
        let Ok(room) = self.room.clone().try_acquire_many_owned(size) else {
            let error = BrokerError::away("too many publishes are pending");
            return Publishing::done(Err(PublishError::Unavailable(error)));
        };
        let (storing, deadline) = (self.broker.publish(notification, key), self.publish_deadline);
        let log = self.publish_log.clone();
        Publishing::pending(Box::pin(async move {
            let _room = room;
            let late = || BrokerError::away(format!("no response within {deadline:?}"));
            let stored = timeout(deadline, storing).await.unwrap_or_else(|_| Err(late()));
            stored.map_err(|error| {
                if let Some(left_out) = log.admit() {
                    tracing::warn!(%error, left_out, "broker publish failed");
                }
                PublishError::Unavailable(error)
            })
        }))
    }
}

/// Adds the messages of the tail to the log, and reconnects when the tail ends, until the last clone of the hub is
/// dropped.
async fn feed(
    log: Weak<Log>,
    is_connected: Arc<AtomicBool>,
    broker: Arc<dyn Broker>,
    mut arrivals: Arrivals,
) {
    let mut pauses = Pauses::default();
    let warnings = LogLimit::default();
    loop {
        let problem = loop {
            let batch = match arrivals.next().await {
                Ok(batch) => batch,
                Err(problem) => break problem,
            };
            pauses = Pauses::default();
            let Some(log) = log.upgrade() else { return };
            if !log.store(batch) {
                return;
            }
        };
        tracing::warn!(error = %problem, "broker stream ended, reconnecting");
        is_connected.store(false, Ordering::Relaxed);
        let tail = loop {
            pauses.pause().await;
            let Some(head) = log.upgrade().map(|log| log.head()) else { return };
            match broker.tail(Start::After(head)).await {
                Ok(tail) => break tail,
                Err(error) => {
                    if let Some(left_out) = warnings.admit() {
                        tracing::warn!(%error, left_out, "broker reconnect failed, retrying");
                    }
                }
            }
        };
        let Some(log) = log.upgrade() else { return };
        if tail.epoch != log.epoch() {
            let (before, now) = (log.epoch(), tail.epoch);
            tracing::warn!(%before, %now, "broker stream has a new epoch, clients get a gap");
        }
        // A warning like the one about the end, so that both are logged.
        tracing::warn!(?tail, "broker stream resumed");
        log.follow(&tail);
        is_connected.store(true, Ordering::Relaxed);
        arrivals = Arrivals::of(tail);
    }
}

impl Drop for BrokerLink {
    fn drop(&mut self) {
        self.feed_task.abort();
    }
}

impl fmt::Debug for BrokerLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BrokerLink").field("broker", &self.broker).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use futures_core::future::BoxFuture;

    use super::*;
    use crate::broker::Stored;
    use crate::{Budget, Epoch, Filters, Hub, HubConfig, Id, Replay, Tail};

    /// A broker that answers no publish, and whose replays fail.
    #[derive(Debug, Default)]
    struct Unanswering {
        /// The notifications after which its tail opens.
        head: u64,
        /// `true` if others publish to it every 10 ms.
        is_flowing: bool,
    }

    impl Broker for Unanswering {
        fn publish(
            &self,
            _: Notification,
            _: Option<IdempotencyKey>,
        ) -> BoxFuture<'static, Result<Id, BrokerError>> {
            Box::pin(std::future::pending())
        }

        fn tail(&self, _: Start) -> BoxFuture<'static, Result<Tail, BrokerError>> {
            let (epoch, &Self { head, is_flowing }) = (Epoch::from_number(1), self);
            let arrivals = futures::stream::unfold(head + 1, move |seq| async move {
                if !is_flowing {
                    std::future::pending::<()>().await;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
                let notification = Some(Notification::text("t".parse().unwrap(), "x"));
                Some((Ok(Stored { seq, notification }), seq + 1))
            });
            let arrivals = Box::pin(arrivals);
            Box::pin(async move { Ok(Tail { epoch, floor: 0, after: head, head, arrivals }) })
        }

        fn replay(
            &self,
            _: &Filters,
            _: Id,
            _: u64,
            _: Budget,
        ) -> BoxFuture<'static, Result<Replay, BrokerError>> {
            Box::pin(async { Err(BrokerError::away("maximum consumers limit reached")) })
        }

        fn max_payload(&self) -> usize {
            usize::MAX
        }
    }

    #[tokio::test(start_paused = true)]
    async fn pending_publishes_are_bounded_in_bytes_and_time() {
        let config = HubConfig { max_payload: MAX_PENDING_BYTES, ..HubConfig::default() };
        let deadline = config.publish_deadline;
        let hub = Hub::connect(Arc::new(Unanswering::default()), config).await.unwrap();
        let half = || Notification::binary("t".parse().unwrap(), vec![0; MAX_PENDING_BYTES / 2]);
        let (one, other) = (hub.publish(half()), hub.publish(half()));
        assert!(matches!(hub.publish(half()).try_outcome(), Ok(Err(PublishError::Unavailable(_)))));

        let began = tokio::time::Instant::now();
        assert!(matches!(one.await, Err(PublishError::Unavailable(_))));
        assert_eq!(began.elapsed(), deadline);
        assert!(
            hub.publish(half()).try_outcome().is_err(),
            "there is room again, so it is pending"
        );
        drop(other);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_whose_replays_fail_is_disconnected_after_the_deadline() {
        use crate::{Event, Interest, Position, Reason};
        let config = HubConfig { replay_deadline: Duration::from_secs(9), ..HubConfig::default() };
        let hub =
            Hub::connect(Arc::new(Unanswering { head: 10, ..Unanswering::default() }), config)
                .await
                .unwrap();
        let began = tokio::time::Instant::now();
        let mut readers = Vec::new();
        // More than are served at the same time.
        for _ in 0..2 * REPLAYS {
            let (seat, interest) = (hub.join("sse").unwrap(), Interest::new(">".parse().unwrap()));
            readers.push(hub.read(seat, interest, Position::After(hub.epoch().id(3))));
        }
        let goodbyes = readers.iter_mut().map(async |reader| {
            assert!(matches!(reader.next().await, Some(Event::Goodbye(Reason::Unavailable))));
            assert!(reader.next().await.is_none());
        });
        futures::future::join_all(goodbyes).await;
        let waited = began.elapsed();
        assert!((9..12).contains(&waited.as_secs()), "{waited:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_of_a_closed_hub_gets_what_others_publish_and_its_goodbye_in_time() {
        use crate::{Event, Interest, Reason};
        let hub = Hub::connect(
            Arc::new(Unanswering { is_flowing: true, ..Unanswering::default() }),
            HubConfig::default(),
        )
        .await
        .unwrap();
        let spread = Duration::from_secs(60);
        let (mut received, mut longest) = (0, Duration::ZERO);
        let readers: Vec<_> = (0..20)
            .map(|_| hub.subscribe("sse", Interest::new(">".parse().unwrap())).unwrap())
            .collect();
        hub.close(Reason::GoingAway);
        let closed = tokio::time::Instant::now();
        let waits = readers.into_iter().map(async |reader| {
            let mut reader = reader.with_goodbye_within(spread);
            let mut received = 0;
            loop {
                match reader.next().await {
                    Some(Event::Deliver(_)) => received += 1,
                    Some(Event::Heartbeat { .. }) => {}
                    Some(Event::Goodbye(_)) => break,
                    other => panic!("{other:?}"),
                }
            }
            assert!(reader.next().await.is_none(), "the goodbye was the last event");
            (received, closed.elapsed())
        });
        for (one, wait) in futures::future::join_all(waits).await {
            received += one;
            longest = longest.max(wait);
        }
        assert!(received > 1_000, "{received} notifications after the close");
        assert!(longest <= spread + Duration::from_millis(20), "{longest:?}");
    }

    #[tokio::test]
    async fn a_pending_hub_accepts_nothing_until_its_broker_is_attached() {
        use crate::JoinError;
        let hub = Hub::pending(HubConfig::default());
        let note = || Notification::text("t".parse().unwrap(), "x");
        assert_eq!((hub.is_ready(), hub.is_connected()), (false, Some(false)));
        assert!(matches!(hub.join("sse"), Err(JoinError::Unavailable)));
        let filters = crate::Filters::from("t".parse::<crate::Topic>().unwrap());
        assert!(matches!(hub.join_with("sse", &filters), Err(JoinError::Unavailable)));
        assert!(matches!(hub.publish(note()).try_outcome(), Ok(Err(PublishError::Unavailable(_)))));
        hub.attach(Arc::new(Unanswering::default())).await.unwrap();
        assert_eq!((hub.is_ready(), hub.is_connected()), (true, Some(true)));
        assert!(hub.join("sse").is_ok());
        assert!(hub.attach(Arc::new(Unanswering::default())).await.is_err(), "it has a broker");
        assert!(
            Hub::default().attach(Arc::new(Unanswering::default())).await.is_err(),
            "it needs no broker"
        );
        hub.close(crate::Reason::GoingAway);
        assert!(!hub.is_ready());
    }
}
