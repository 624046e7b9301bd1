//! The hubs: started, killed, closed, and started again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fastrand::Rng;
use tidings_core::{BrokerError, Heartbeat, Hub, HubConfig, Reason, Retention};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::book::Book;
use super::broker::SharedBroker;
use super::weather::chance;

/// Every hub there is; cheap to clone.
#[derive(Clone)]
pub(crate) struct Hubs {
    places: Arc<Mutex<Vec<Place>>>,
    broker: SharedBroker,
    book: Book,
}

enum Place {
    Down,
    Starting { since: Instant, hub: JoinHandle<Result<Hub, BrokerError>> },
    Up(Hub),
}

pub(crate) const PUBLISH_DEADLINE: Duration = Duration::from_secs(2);

/// How long a hub may take to start, whatever the broker does short of not answering.
const START_DEADLINE: Duration = Duration::from_secs(20);

impl Hubs {
    pub(crate) fn new(count: usize, broker: SharedBroker, book: Book) -> Self {
        let places = (0..count).map(|_| Place::Down).collect();
        Self { places: Arc::new(Mutex::new(places)), broker, book }
    }

    pub(crate) fn count(&self) -> usize {
        self.places().len()
    }

    /// One of those that are up, be it closed or not.
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
            self.book.count("hubs started");
            self.book.note(|| format!("hub {number} starts, keeps {}", config.retention.entries));
            let hub = tokio::spawn(Hub::connect(Arc::new(self.broker.clone()), config));
            *place = Place::Starting { since: Instant::now(), hub };
        }
    }

    pub(crate) fn close(&self, number: usize) {
        if let Place::Up(hub) = &self.places()[number] {
            self.book.count("hubs closed");
            self.book.note(|| format!("hub {number} closes"));
            hub.close(Reason::GoingAway);
        }
    }

    pub(crate) fn kill(&self, number: usize) {
        let before = std::mem::replace(&mut self.places()[number], Place::Down);
        if let Place::Starting { hub, .. } = &before {
            hub.abort();
        }
        if !matches!(before, Place::Down) {
            self.book.count("hubs killed");
            self.book.note(|| format!("hub {number} is gone"));
        }
    }

    /// Looks after those that were starting.
    pub(crate) async fn settle(&self) {
        for number in 0..self.count() {
            let before = std::mem::replace(&mut self.places()[number], Place::Down);
            let after = match before {
                Place::Starting { hub, .. } if hub.is_finished() => match hub.await {
                    Ok(Ok(hub)) => {
                        self.book.note(|| format!("hub {number} is up at {}", hub.log().head()));
                        Place::Up(hub)
                    }
                    Ok(Err(_)) => Place::Down,
                    Err(error) => std::panic::resume_unwind(error.into_panic()),
                },
                Place::Starting { since, .. } if since.elapsed() > START_DEADLINE => {
                    self.book.fail(format!("hub {number} does not come up"));
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
    // Where there is no heartbeat for an hour, nothing but the news themselves wakes a reader.
    let interval = Duration::from_millis(if rng.bool() { 700 } else { 3_600_000 });
    HubConfig::default()
        .retention(Retention::default().entries(entries))
        .heartbeat(Heartbeat::default().interval(interval))
        .publish_deadline(PUBLISH_DEADLINE)
}
