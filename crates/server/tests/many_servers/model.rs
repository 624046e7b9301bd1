//! A broker in memory. A scenario controls when publishes get a response, when replays are read, and when a server
//! receives what is stored.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream;
use tidings_core::broker::{Broker, Replay, Start, Stored, Tail};
use tidings_core::driver::Budget;
use tidings_core::{
    BrokerError, Epoch, Filters, GapReason, Hub, HubConfig, Id, IdempotencyKey, Notification,
};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::support::{Mover, PATIENCE, Running};

/// The broker. Cloning it is cheap, and all clones share the stream.
#[derive(Clone, Debug)]
pub(super) struct Model(Arc<watch::Sender<Stream>>);

#[derive(Debug)]
struct Stream {
    epoch: Epoch,
    floor: u64,
    /// The notification of each sequence number from 1 on, or `None` if it was removed.
    entries: Vec<Option<Notification>>,
    /// The number of times that its tails were ended.
    cuts: usize,
}

/// The connection of one server to the broker.
#[derive(Clone, Debug)]
pub(super) struct Way {
    model: Model,
    /// The sequence number up to which the tail delivers. A tail that is held does not end either.
    held_at: Arc<watch::Sender<Option<u64>>>,
    /// Holds the responses to publishes. The notifications are stored already.
    pub(super) answers: Gate,
    /// Holds replays.
    pub(super) replays: Gate,
    fails_replays: Arc<AtomicBool>,
    /// The sequence number up to which publishes are accepted.
    takes_upto: Arc<AtomicU64>,
}

/// Holds futures while it is closed. It is open at first.
#[derive(Clone, Debug)]
pub(super) struct Gate(Arc<watch::Sender<(bool, usize)>>);

/// A future that is at the gate. It is counted until this is dropped.
struct Waiting<'a>(&'a Gate);

impl Default for Model {
    fn default() -> Self {
        let (epoch, entries) = (Epoch::from_number(1), Vec::new());
        Self(Arc::new(watch::Sender::new(Stream { epoch, floor: 0, entries, cuts: 0 })))
    }
}

impl Model {
    pub(super) fn way(&self) -> Way {
        Way {
            model: self.clone(),
            held_at: Arc::new(watch::Sender::new(None)),
            answers: Gate::default(),
            replays: Gate::default(),
            fails_replays: Arc::default(),
            takes_upto: Arc::new(AtomicU64::new(u64::MAX)),
        }
    }

    /// Stores a notification, as another server would.
    pub(super) fn store(&self, topic: &str, text: impl Into<String>) -> Id {
        self.append(Notification::text(topic.parse().unwrap(), text))
    }

    pub(super) fn head(&self) -> Id {
        self.0.borrow().head()
    }

    /// Removes the oldest, up to this one.
    pub(super) fn purge(&self, upto: u64) {
        self.0.send_modify(|stream| stream.floor = upto);
    }

    /// Removes this notification.
    pub(super) fn take_out(&self, seq: u64) {
        self.0.send_modify(|stream| stream.entries[seq as usize - 1] = None);
    }

    /// Ends every tail.
    pub(super) fn cut(&self) {
        self.0.send_modify(|stream| stream.cuts += 1);
    }

    /// Goes back to the first `entries` notifications, with another epoch.
    pub(super) fn roll_back(&self, epoch: u64, entries: usize) {
        self.0.send_modify(|stream| {
            stream.epoch = Epoch::from_number(epoch);
            stream.entries.truncate(entries);
            stream.floor = stream.floor.min(entries as u64);
        });
    }

    fn append(&self, notification: Notification) -> Id {
        self.0.send_modify(|stream| stream.entries.push(Some(notification)));
        self.head()
    }
}

impl Stream {
    fn head(&self) -> Id {
        self.epoch.id(self.entries.len() as u64)
    }

    /// The notifications in `(after, upto]`.
    fn between(&self, after: u64, upto: u64) -> impl Iterator<Item = Stored> {
        let upto = upto.min(self.head().seq);
        (after.max(self.floor) + 1..=upto).filter_map(|seq| {
            let notification = self.entries[seq as usize - 1].clone();
            notification.map(|one| Stored { seq, notification: Some(one) })
        })
    }
}

impl Way {
    pub(super) async fn hub(&self, config: HubConfig) -> Hub {
        Hub::connect(Arc::new(self.clone()), config).await.unwrap()
    }

    pub(super) async fn running(&self, mover: Mover, config: HubConfig) -> Running {
        Running::start(mover.config_of(self.hub(config).await)).await
    }

    /// Holds the tail at this sequence number until [`release`](Self::release).
    pub(super) fn hold_at(&self, seq: u64) {
        self.held_at.send_replace(Some(seq));
    }

    /// Makes all further replays fail, or none.
    pub(super) fn fail_replays(&self, fails: bool) {
        self.fails_replays.store(fails, Ordering::Relaxed);
    }

    /// Makes publishes after this sequence number fail without being stored.
    pub(super) fn take_upto(&self, seq: u64) {
        self.takes_upto.store(seq, Ordering::Relaxed);
    }

    pub(super) fn release(&self) {
        self.held_at.send_replace(None);
    }
}

impl Broker for Way {
    fn publish(
        &self,
        notification: Notification,
        _: Option<IdempotencyKey>,
    ) -> BoxFuture<'static, Result<Id, BrokerError>> {
        let way = self.clone();
        Box::pin(async move {
            if way.model.head().seq >= way.takes_upto.load(Ordering::Relaxed) {
                return Err(away("it takes no more"));
            }
            let id = way.model.append(notification);
            way.answers.pass().await;
            Ok(id)
        })
    }

    fn tail(&self, start: Start) -> BoxFuture<'static, Result<Tail, BrokerError>> {
        let (stream, held_at) = (self.model.0.subscribe(), self.held_at.subscribe());
        Box::pin(async move {
            let (epoch, floor, head, cuts) = {
                let stream = stream.borrow();
                (stream.epoch, stream.floor, stream.head().seq, stream.cuts)
            };
            let after = match start {
                Start::Newest(count) => floor.max(head.saturating_sub(count)),
                Start::After(id) if id.epoch == epoch => id.seq.max(floor),
                Start::After(_) => floor,
            };
            let arrivals =
                stream::unfold(Some((stream, held_at, after)), move |state| async move {
                    let (mut stream, mut held_at, at) = state?;
                    loop {
                        let held = *held_at.borrow_and_update();
                        let (next, is_over) = {
                            let now = stream.borrow_and_update();
                            let is_over = now.epoch != epoch || now.cuts != cuts;
                            (now.between(at, held.unwrap_or(u64::MAX)).next(), is_over)
                        };
                        match (next, is_over && held.is_none()) {
                            (_, true) => return Some((Err(away("its tail is cut")), None)),
                            (Some(next), false) => {
                                let seq = next.seq;
                                return Some((Ok(next), Some((stream, held_at, seq))));
                            }
                            (None, false) => tokio::select! {
                                changed = stream.changed() => changed.ok()?,
                                changed = held_at.changed() => changed.ok()?,
                            },
                        }
                    }
                });
            Ok(Tail { epoch, floor, after, head: head.max(after), arrivals: arrivals.boxed() })
        })
    }

    fn replay(
        &self,
        filters: &Filters,
        after: Id,
        upto: u64,
        budget: Budget,
    ) -> BoxFuture<'static, Result<Replay, BrokerError>> {
        let (way, filters) = (self.clone(), filters.clone());
        Box::pin(async move {
            way.replays.pass().await;
            if way.fails_replays.load(Ordering::Relaxed) {
                return Err(away("maximum consumers limit reached"));
            }
            let stream = way.model.0.borrow();
            let gone = |reason| Replay::Gone { resume: stream.epoch.id(stream.floor), reason };
            if after.epoch != stream.epoch || after.seq > stream.head().seq {
                return Ok(gone(GapReason::Epoch));
            }
            if after.seq < stream.floor {
                return Ok(gone(GapReason::Evicted));
            }
            let (mut found, mut bytes) = (Vec::<Stored>::new(), 0);
            for stored in stream.between(after.seq, upto) {
                let notification = stored.notification.as_ref().unwrap();
                if !filters.matches(notification.topic()) {
                    continue;
                }
                bytes += notification.payload().len();
                let has_room = found.len() < budget.entries && bytes <= budget.bytes;
                if !has_room && !found.is_empty() {
                    return Ok(Replay::Read { found, reached: stored.seq - 1 });
                }
                found.push(stored);
            }
            Ok(Replay::Read { found, reached: upto.min(stream.head().seq) })
        })
    }

    fn max_payload(&self) -> usize {
        8 << 20
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new((true, 0))))
    }
}

impl Gate {
    pub(super) fn close(&self) {
        self.0.send_modify(|(is_open, _)| *is_open = false);
    }

    pub(super) fn open(&self) {
        self.0.send_modify(|(is_open, _)| *is_open = true);
    }

    /// Waits until `number` futures are at the gate.
    pub(super) async fn has_waiting(&self, number: usize) {
        let mut state = self.0.subscribe();
        let waiting = timeout(PATIENCE, state.wait_for(|(_, waiting)| *waiting == number)).await;
        if waiting.is_err() {
            panic!("{} futures are at the gate instead of {number}", self.0.borrow().1);
        }
    }

    async fn pass(&self) {
        self.0.send_modify(|(_, waiting)| *waiting += 1);
        let _waiting = Waiting(self);
        self.0.subscribe().wait_for(|(is_open, _)| *is_open).await.unwrap();
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.0.send_modify(|(_, waiting)| *waiting -= 1);
    }
}

fn away(problem: &str) -> BrokerError {
    BrokerError::Away { broker: "the model".to_owned(), problem: problem.to_owned() }
}
