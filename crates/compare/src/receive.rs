//! The receiving side: each client reads what arrives, times it and checks it off.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt as _;
use hdrhistogram::Histogram;
use tidings_transport::client::{Arrival, Arrivals, Received};
use tokio::sync::Notify;

use crate::check::{Checker, Integrity};
use crate::clock;
use crate::record::{Latency, histogram};
use crate::schedule::Regime;
use crate::stamp::Stamp;

/// Histograms a regime. Clients share them: one each would be a quarter of a gigabyte for a thousand.
const SHARDS: usize = 8;

/// Index of what is published before the first regime.
pub(crate) const WARM_UP: u8 = 0;

/// What all clients of one cell have received so far.
#[derive(Debug)]
pub(crate) struct Board {
    /// Marks what belongs to this cell.
    pub(crate) run: u32,
    tallies: Vec<Tally>,
    lanes: Vec<Crossing>,
    checkers: Vec<Mutex<Checker>>,
    first_ending: Mutex<Option<String>>,
}

/// One regime's deliveries.
#[derive(Debug)]
pub(crate) struct Tally {
    delivered: Crossing,
    last_ns: AtomicU64,
    latency: Vec<Mutex<Histogram<u64>>>,
}

/// A count, and a bell for when it reaches what is waited for.
#[derive(Debug)]
pub(crate) struct Crossing {
    count: AtomicU64,
    target: AtomicU64,
    reached: Notify,
}

/// The index that stamps carry for this regime.
pub(crate) fn index(regime: Regime) -> u8 {
    regime as u8 + 1
}

impl Board {
    pub(crate) fn new(run: u32, clients: usize, lanes: usize) -> Self {
        Self {
            run,
            // The warm-up is checked and not timed.
            tallies: [false, true, true, false].map(Tally::new).into(),
            lanes: (0..lanes).map(|_| Crossing::default()).collect(),
            checkers: (0..clients).map(|_| Mutex::new(Checker::new(lanes))).collect(),
            first_ending: Mutex::new(None),
        }
    }

    pub(crate) fn clients(&self) -> usize {
        self.checkers.len()
    }

    pub(crate) fn tally(&self, regime: u8) -> &Tally {
        &self.tallies[usize::from(regime)]
    }

    /// How many clients have what this lane published last.
    pub(crate) fn lane(&self, lane: u16) -> &Crossing {
        &self.lanes[usize::from(lane)]
    }

    /// Reads one client's connection until it ends; nothing else ends it but being dropped.
    pub(crate) async fn read(&self, client: usize, mut arrivals: Arrivals) {
        let ending = loop {
            match arrivals.next().await {
                Some(Ok(Arrival::Notification(received))) => self.take(client, &received),
                Some(Ok(Arrival::Gap(_))) => lock(&self.checkers[client]).gap(),
                Some(Ok(Arrival::Heartbeat(_))) => {}
                Some(Ok(Arrival::Goodbye(goodbye))) => break goodbye.reason,
                Some(Err(error)) => break error.to_string(),
                None => break "the connection ended".to_owned(),
            }
        };
        lock(&self.checkers[client]).disconnected();
        lock(&self.first_ending).get_or_insert(ending);
    }

    fn take(&self, client: usize, received: &Received) {
        let now = clock::now_ns();
        let Some(stamp) = Stamp::read(&received.payload).filter(|stamp| stamp.run == self.run)
        else {
            return;
        };
        let Some(tally) = self.tallies.get(usize::from(stamp.regime)) else { return };
        if !lock(&self.checkers[client]).take(&stamp, received.id) {
            return;
        }
        if let Some(latency) = tally.latency.get(client % SHARDS) {
            lock(latency).saturating_record(now.saturating_sub(stamp.intended_ns));
        }
        tally.last_ns.fetch_max(now, Ordering::Relaxed);
        tally.delivered.add_one();
        self.lanes[usize::from(stamp.lane)].add_one();
    }

    /// What went wrong; `sent` is how many each lane published.
    pub(crate) fn verdict(&self, sent: &[u32]) -> Integrity {
        let mut all = Integrity::default();
        self.checkers.iter().for_each(|checker| all.add(lock(checker).verdict(sent)));
        all
    }

    pub(crate) fn first_ending(&self) -> Option<String> {
        lock(&self.first_ending).clone()
    }
}

impl Tally {
    fn new(timed: bool) -> Self {
        let shards = if timed { SHARDS } else { 0 };
        Self {
            delivered: Crossing::default(),
            last_ns: AtomicU64::new(0),
            latency: (0..shards).map(|_| Mutex::new(histogram())).collect(),
        }
    }

    /// Waits until so many deliveries were made; `false` where `patience` ends first.
    pub(crate) async fn wait_for(&self, deliveries: u64, patience: Duration) -> bool {
        self.delivered.wait_for(deliveries, patience).await
    }

    pub(crate) fn deliveries(&self) -> u64 {
        self.delivered.count.load(Ordering::SeqCst)
    }

    /// When the last delivery was made.
    pub(crate) fn last_ns(&self) -> u64 {
        self.last_ns.load(Ordering::SeqCst)
    }

    pub(crate) fn latency(&self) -> Option<Latency> {
        let mut all = histogram();
        for shard in &self.latency {
            all.add(&*lock(shard)).expect("the bounds are the same");
        }
        Latency::of(&all)
    }
}

impl Default for Crossing {
    fn default() -> Self {
        Self { count: AtomicU64::new(0), target: AtomicU64::new(u64::MAX), reached: Notify::new() }
    }
}

impl Crossing {
    fn add_one(&self) {
        let count = self.count.fetch_add(1, Ordering::SeqCst) + 1;
        if count >= self.target.load(Ordering::SeqCst) {
            self.reached.notify_one();
        }
    }

    /// Starts again from none.
    pub(crate) fn reset(&self) {
        self.target.store(u64::MAX, Ordering::SeqCst);
        self.count.store(0, Ordering::SeqCst);
    }

    /// Waits until the count is `target`; `false` where `patience` ends first. One waits at a time.
    pub(crate) async fn wait_for(&self, target: u64, patience: Duration) -> bool {
        self.target.store(target, Ordering::SeqCst);
        let reached = async {
            // A bell that rang for an earlier target is still stored: look again, whoever rang.
            while self.count.load(Ordering::SeqCst) < target {
                self.reached.notified().await;
            }
        };
        tokio::time::timeout(patience, reached).await.is_ok()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidings_core::Kind;
    use tidings_transport::client::ClientError;

    fn arrival(seq: u32, run: u32) -> Result<Arrival, ClientError> {
        let stamp = Stamp { run, regime: index(Regime::Steady), lane: 0, seq, intended_ns: 0 };
        let payload = stamp.payload(64);
        Ok(Arrival::Notification(Received { id: None, topic: None, kind: Kind::Text, payload }))
    }

    #[tokio::test]
    async fn what_is_read_is_timed_and_checked_off() {
        let board = Board::new(7, 1, 1);
        let arrivals = [arrival(0, 7), arrival(0, 99), arrival(2, 7), arrival(2, 7)];
        board.read(0, futures::stream::iter(arrivals).boxed()).await;

        let tally = board.tally(index(Regime::Steady));
        assert_eq!(tally.deliveries(), 2, "neither the other run's nor the duplicate");
        assert!(tally.latency().is_some());
        let found = board.verdict(&[4]);
        let expected = Integrity { lost: 2, duplicated: 1, reordered: 0, gaps: 0, disconnected: 1 };
        assert_eq!(found, expected);
        assert_eq!(board.first_ending().as_deref(), Some("the connection ended"));
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_ends_with_the_last_delivery_or_with_patience() {
        let board = std::sync::Arc::new(Board::new(7, 1, 1));
        let waiting = tokio::spawn({
            let board = board.clone();
            async move { board.tally(1).wait_for(2, Duration::from_secs(10)).await }
        });
        tokio::task::yield_now().await;
        let arrivals = futures::stream::iter([arrival(0, 7), arrival(1, 7)]);
        board.read(0, arrivals.boxed()).await;
        assert!(waiting.await.unwrap());
        assert!(!board.tally(1).wait_for(3, Duration::from_secs(10)).await);
    }
}
