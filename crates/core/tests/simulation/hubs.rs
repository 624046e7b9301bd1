//! The hubs, which are started, killed and closed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fastrand::Rng;
use tidings_core::{BrokerError, Heartbeat, Hub, HubConfig, Reason, Retention};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::broker::SharedBroker;
use super::faults::chance;
use super::record::Record;

/// All hubs. All clones are the same set of hubs.
#[derive(Clone)]
pub(crate) struct Hubs {
    places: Arc<Mutex<Vec<Place>>>,
    broker: SharedBroker,
    record: Record,
}

enum Place {
    Down,
    Starting { since: Instant, hub: JoinHandle<Result<Hub, BrokerError>> },
    Up(Hub),
}

pub(crate) const PUBLISH_DEADLINE: Duration = Duration::from_secs(2);

/// How long a hub may take to start if the broker responds, even with failures.
const START_DEADLINE: Duration = Duration::from_secs(20);

impl Hubs {
    pub(crate) fn new(count: usize, broker: SharedBroker, record: Record) -> Self {
        let places = (0..count).map(|_| Place::Down).collect();
        Self { places: Arc::new(Mutex::new(places)), broker, record }
    }

    pub(crate) fn count(&self) -> usize {
        self.places().len()
    }

    /// One of the hubs that are up, which may be closed.
    pub(crate) fn any(&self, rng: &mut Rng) -> Option<Hub> {
        let up = self.up();
        rng.choice(up).map(|(_, hub)| hub)
    }

    pub(crate) fn up(&self) -> Vec<(usize, Hub)> {
        let places = self.places();
        let up = places.iter().enumerate().filter_map(|(number, place)| match place {
            Place::Up(hub) => Some((number, hub.clone())),
            Place::Down | Place::Starting { .. } => None,
        });
        up.collect()
    }

    pub(crate) fn are_all_open(&self) -> bool {
        let up = self.up();
        up.len() == self.count() && up.iter().all(|(_, hub)| hub.pool().closed().is_none())
    }

    pub(crate) fn start(&self, number: usize, rng: &mut Rng) {
        let place = &mut self.places()[number];
        if matches!(place, Place::Down) {
            let config = config(rng);
            self.record.count("hubs started");
            self.record.note(|| format!("hub {number} starts, keeps {}", config.retention.entries));
            let hub = tokio::spawn(Hub::connect(Arc::new(self.broker.clone()), config));
            *place = Place::Starting { since: Instant::now(), hub };
        }
    }

    pub(crate) fn close(&self, number: usize) {
        if let Place::Up(hub) = &self.places()[number] {
            self.record.count("hubs closed");
            self.record.note(|| format!("hub {number} closes"));
            hub.close(Reason::GoingAway);
        }
    }

    pub(crate) fn kill(&self, number: usize) {
        let before = std::mem::replace(&mut self.places()[number], Place::Down);
        if let Place::Starting { hub, .. } = &before {
            hub.abort();
        }
        if !matches!(before, Place::Down) {
            self.record.count("hubs killed");
            self.record.note(|| format!("hub {number} is gone"));
        }
    }

    /// Takes the hubs that have started, and fails if one takes longer than [`START_DEADLINE`].
    pub(crate) async fn settle(&self) {
        for number in 0..self.count() {
            let before = std::mem::replace(&mut self.places()[number], Place::Down);
            let after = match before {
                Place::Starting { hub, .. } if hub.is_finished() => match hub.await {
                    Ok(Ok(hub)) => {
                        self.record.note(|| format!("hub {number} is up at {}", hub.log().head()));
                        Place::Up(hub)
                    }
                    Ok(Err(_)) => Place::Down,
                    Err(error) => std::panic::resume_unwind(error.into_panic()),
                },
                Place::Starting { since, .. } if since.elapsed() > START_DEADLINE => {
                    self.record.fail(format!("hub {number} does not come up"));
                    Place::Down
                }
                other => other,
            };
            self.places()[number] = after;
        }
    }

    fn places(&self) -> MutexGuard<'_, Vec<Place>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn config(rng: &mut Rng) -> HubConfig {
    let entries = if chance(rng, 25) { 200 } else { rng.usize(4..=32) };
    // With a heartbeat once an hour, only notifications wake a reader.
    let interval = Duration::from_millis(if rng.bool() { 700 } else { 3_600_000 });
    HubConfig::default()
        .retention(Retention::default().entries(entries))
        .heartbeat(Heartbeat::default().interval(interval))
        .publish_deadline(PUBLISH_DEADLINE)
}
