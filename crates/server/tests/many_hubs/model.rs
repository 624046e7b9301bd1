//! A broker in memory that does what a scenario tells it: when an answer comes, and when a hub hears of what
//! is stored.

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

/// The broker. Cheap to clone; all clones are the same one.
#[derive(Clone, Debug)]
pub(super) struct Model(Arc<watch::Sender<Stream>>);

#[derive(Debug)]
struct Stream {
    epoch: Epoch,
    floor: u64,
    /// What was published under each sequence number, from 1 on; `None` where it was taken out.
    entries: Vec<Option<Notification>>,
    /// Counts how often its tails were cut.
    cuts: usize,
}

/// One hub's way to it.
#[derive(Clone, Debug)]
pub(super) struct Way {
    model: Model,
    /// Up to here the tail brings what is stored; a tail that is held back notices nothing else either.
    held_at: Arc<watch::Sender<Option<u64>>>,
    /// Behind it are the answers to publishes: what they are for is stored by then.
    pub(super) answers: Gate,
    /// Behind it are replays.
    pub(super) replays: Gate,
    fails_replays: Arc<AtomicBool>,
    /// It takes publishes up to this sequence number.
    takes_upto: Arc<AtomicU64>,
}

/// Open, until it is closed.
#[derive(Clone, Debug)]
pub(super) struct Gate(Arc<watch::Sender<(bool, usize)>>);

/// One that waits at a gate.
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

    /// What is stored from elsewhere.
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

    /// Takes this one out.
    pub(super) fn take_out(&self, seq: u64) {
        self.0.send_modify(|stream| stream.entries[seq as usize - 1] = None);
    }

    /// Cuts every tail off.
    pub(super) fn cut(&self) {
        self.0.send_modify(|stream| stream.cuts += 1);
    }

    /// Goes back to its first entries, in another history.
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

    /// What is there in `(after, upto]`.
    fn between(&self, after: u64, upto: u64) -> impl Iterator<Item = Stored> {
        let upto = upto.min(self.head().seq);
        (after.max(self.floor) + 1..=upto).filter_map(|seq| {
            let notification = self.entries[seq as usize - 1].clone();
            notification.map(|one| Stored { seq, notification: Some(one) })
        })
    }
}

impl Way {
    /// A hub that comes to the broker in this way.
    pub(super) async fn hub(&self, config: HubConfig) -> Hub {
        Hub::connect(Arc::new(self.clone()), config).await.unwrap()
    }

    /// The same, serving.
    pub(super) async fn running(&self, mover: Mover, config: HubConfig) -> Running {
        Running::start(mover.config_of(self.hub(config).await)).await
    }

    /// The hub hears of no more than this, until it is let go.
    pub(super) fn hold_at(&self, seq: u64) {
        self.held_at.send_replace(Some(seq));
    }

    /// From now on each replay is an error, or none is.
    pub(super) fn fail_replays(&self, fails: bool) {
        self.fails_replays.store(fails, Ordering::Relaxed);
    }

    /// From now on what would come after this is an error, and not stored.
    pub(super) fn take_upto(&self, seq: u64) {
        self.takes_upto.store(seq, Ordering::Relaxed);
    }

    pub(super) fn let_go(&self) {
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

    /// Resolves once so many wait at it.
    pub(super) async fn has_waiting(&self, number: usize) {
        let mut state = self.0.subscribe();
        let waiting = timeout(PATIENCE, state.wait_for(|(_, waiting)| *waiting == number)).await;
        if waiting.is_err() {
            panic!("there are {} at the gate, and not {number}", self.0.borrow().1);
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
