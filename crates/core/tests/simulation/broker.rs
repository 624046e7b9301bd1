//! A model of the broker: one stored stream, and its failures.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fastrand::Rng;
use futures::future::BoxFuture;
use tidings_core::broker::{Broker, Replay, Start, Tail};
use tidings_core::driver::Budget;
use tidings_core::{BrokerError, Epoch, Filters, GapReason, Id, IdempotencyKey, Notification};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use super::faults::{Fate, FaultRates};
use super::history::History;
use super::record::Record;
use super::tail::{Arrivals, Ending};

/// The broker. All clones are the same broker.
#[derive(Clone)]
pub(crate) struct SharedBroker(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// Notified when a message is stored, and when a tail must end.
    news: Notify,
    record: Record,
}

pub(crate) struct State {
    pub(crate) rng: Rng,
    pub(crate) fault_rates: FaultRates,
    /// The last one is the current one.
    pub(crate) histories: Vec<History>,
    /// How each tail that was ever opened must end. `None` while it continues.
    pub(crate) endings: Vec<Option<Ending>>,
    /// When each key of the current history was first seen, and the sequence number that was stored with it.
    keys: BTreeMap<String, (Instant, u64)>,
    keep: u64,
    is_up: bool,
}

/// How long a key is kept.
const WINDOW: Duration = Duration::from_secs(120);

impl SharedBroker {
    pub(crate) fn new(mut rng: Rng, fault_rates: FaultRates, keep: u64, record: Record) -> Self {
        let histories = vec![History::new(Epoch::spread(rng.u64(..)))];
        let (keys, endings) = (BTreeMap::new(), Vec::new());
        let state = State { rng, fault_rates, histories, endings, keys, keep, is_up: true };
        Self(Arc::new(Shared { state: Mutex::new(state), news: Notify::new(), record }))
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn news(&self) -> &Notify {
        &self.0.news
    }

    pub(crate) fn set_up(&self, is_up: bool) {
        self.state().is_up = is_up;
        if !is_up {
            self.cut_all();
        }
    }

    pub(crate) fn is_up(&self) -> bool {
        self.state().is_up
    }

    pub(crate) fn set_fault_rates(&self, fault_rates: FaultRates) {
        self.state().fault_rates = fault_rates;
    }

    /// Ends one of the three tails that were opened last.
    pub(crate) fn cut_one(&self, ending: Ending) {
        {
            let state = &mut *self.state();
            let count = state.endings.len();
            if count > 0 {
                let tail = state.rng.usize(count.saturating_sub(3)..count);
                state.endings[tail].get_or_insert(ending);
            }
        }
        self.0.news.notify_waiters();
    }

    pub(crate) fn purge(&self) {
        self.state().current_mut().purge();
    }

    /// Deletes the stream and creates it again.
    pub(crate) fn delete(&self) {
        self.state().begin(|_, epoch| History::new(epoch));
        self.cut_all();
    }

    /// Loses the newest messages, as after a restore from an older backup.
    pub(crate) fn go_back(&self, newest: u64) {
        self.state().begin(|current, epoch| current.gone_back(newest, epoch));
        self.cut_all();
    }

    /// Adds a message of another program, which hubs cannot read.
    pub(crate) fn store_foreign(&self) {
        self.state().store(None, None);
        self.0.news.notify_waiters();
    }

    fn cut_all(&self) {
        {
            let state = &mut *self.state();
            for ending in &mut state.endings {
                let how = if state.rng.bool() { Ending::Error } else { Ending::HangUp };
                ending.get_or_insert(how);
            }
        }
        self.0.news.notify_waiters();
    }

    /// Waits for the time of a request or a response.
    async fn travel(&self) {
        let delay = self.state().delay();
        sleep(delay).await;
    }

    fn open_tail(&self, start: Start) -> Result<Tail, BrokerError> {
        let state = &mut *self.state();
        state.answers()?;
        let (epoch, floor, head) = {
            let current = state.current();
            (current.epoch, current.floor, current.head())
        };
        let after = match start {
            Start::Newest(count) => floor.max(head.saturating_sub(count)),
            Start::After(id) if id.epoch == epoch => id.seq.max(floor),
            // The id is of another epoch, so the tail may begin anywhere: hubs replay what is older.
            Start::After(_) => state.rng.u64(floor..=head),
        };
        state.endings.push(None);
        let (number, history) = (state.endings.len() - 1, state.histories.len() - 1);
        let arrivals = Arrivals::new(self.clone(), number, history, after, state.rng.fork());
        let tail = Tail { epoch, floor, after, head, arrivals: arrivals.into_stream() };
        self.0.record.note(|| format!("tail {number} from {start:?}: {tail:?}"));
        Ok(tail)
    }

    fn read(
        &self,
        filters: &Filters,
        after: Id,
        up_to: u64,
        mut budget: Budget,
    ) -> Result<Replay, BrokerError> {
        let state = &mut *self.state();
        state.answers()?;
        budget.entries = state.rng.usize(1..=budget.entries.min(12));
        let current = state.current();
        let gone = |reason| Replay::Gone { resume: current.epoch.id(current.floor), reason };
        let replay = if after.epoch != current.epoch || after.seq > current.head() {
            gone(GapReason::Epoch)
        } else if after.seq < current.floor {
            gone(GapReason::Evicted)
        } else {
            let (found, reached) = current.read(filters, after.seq, up_to, budget);
            Replay::Read { found, reached }
        };
        self.0.record.count("replays");
        self.0.record.note(|| match &replay {
            Replay::Read { found, reached } => {
                format!("replay ({after}, {up_to}]: {} up to {reached}", found.len())
            }
            Replay::Gone { .. } => format!("replay ({after}, {up_to}]: {replay:?}"),
        });
        Ok(replay)
    }
}

impl Broker for SharedBroker {
    fn publish(
        &self,
        notification: Notification,
        key: Option<IdempotencyKey>,
    ) -> BoxFuture<'static, Result<Id, BrokerError>> {
        let broker = self.clone();
        Box::pin(async move {
            broker.travel().await;
            let fate = broker.state().fate();
            broker.0.record.count(fate.name());
            if fate == Fate::Lost {
                return Err(away("the publish was lost"));
            }
            let id = {
                let state = &mut *broker.state();
                state.answers()?;
                let text = notification.as_text().unwrap_or_default().to_owned();
                let id = state.store(Some(notification), key.as_ref());
                broker.0.record.note(|| format!("{text} is {id}: {}", fate.name()));
                id
            };
            broker.0.news.notify_waiters();
            match fate {
                Fate::AnswerLost => return Err(away("the response was lost")),
                Fate::Unanswered => sleep(WINDOW).await,
                Fate::Lost | Fate::Answered => {}
            }
            broker.travel().await;
            Ok(id)
        })
    }

    fn tail(&self, start: Start) -> BoxFuture<'static, Result<Tail, BrokerError>> {
        let broker = self.clone();
        Box::pin(async move {
            broker.travel().await;
            let tail = broker.open_tail(start)?;
            broker.travel().await;
            Ok(tail)
        })
    }

    fn replay(
        &self,
        filters: &Filters,
        after: Id,
        up_to: u64,
        budget: Budget,
    ) -> BoxFuture<'static, Result<Replay, BrokerError>> {
        let (broker, filters) = (self.clone(), filters.clone());
        Box::pin(async move {
            broker.travel().await;
            let replay = broker.read(&filters, after, up_to, budget)?;
            broker.travel().await;
            Ok(replay)
        })
    }

    fn max_payload(&self) -> usize {
        1 << 20
    }
}

impl State {
    pub(crate) fn current(&self) -> &History {
        self.histories.last().expect("there is always a history")
    }

    fn current_mut(&mut self) -> &mut History {
        self.histories.last_mut().expect("there is always a history")
    }

    pub(crate) fn history(&self, epoch: Epoch) -> Option<(usize, &History)> {
        self.histories.iter().enumerate().find(|(_, history)| history.epoch == epoch)
    }

    pub(crate) fn delay(&mut self) -> Duration {
        self.fault_rates.delay(&mut self.rng)
    }

    fn fate(&mut self) -> Fate {
        self.fault_rates.fate(&mut self.rng)
    }

    fn answers(&mut self) -> Result<(), BrokerError> {
        if !self.is_up {
            return Err(away("it is down"));
        }
        if self.fault_rates.fails(&mut self.rng) {
            return Err(away("it fails at random"));
        }
        Ok(())
    }

    fn store(&mut self, message: Option<Notification>, key: Option<&IdempotencyKey>) -> Id {
        let (now, epoch) = (Instant::now(), self.current().epoch);
        let key = key.map(|key| key.as_str().to_owned());
        if let Some(key) = &key
            && let Some((seen, seq)) = self.keys.get(key)
            && now.duration_since(*seen) <= WINDOW
        {
            return epoch.id(*seq);
        }
        let keep = self.keep;
        let seq = self.current_mut().store(message, keep);
        self.keys.extend(key.map(|key| (key, (now, seq))));
        epoch.id(seq)
    }

    fn begin(&mut self, next: impl FnOnce(&History, Epoch) -> History) {
        let epoch = Epoch::spread(self.rng.u64(..));
        let next = next(self.current(), epoch);
        let head = next.head();
        self.keys.retain(|_, (_, seq)| *seq <= head);
        self.histories.push(next);
    }
}

pub(super) fn away(problem: &str) -> BrokerError {
    BrokerError::Away { broker: "the model".to_owned(), problem: problem.to_owned() }
}

impl fmt::Debug for SharedBroker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedBroker")
    }
}
