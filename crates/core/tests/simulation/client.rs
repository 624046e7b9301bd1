//! A client: it reads from one hub until it is disconnected, and resumes at another hub from its position.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use fastrand::Rng;
use tidings_core::{Event, Hub, Interest, Position, SlowPolicy, Subscription};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::broker::SharedBroker;
use super::check::Reader;
use super::faults::chance;
use super::record::Record;

pub(crate) struct Client {
    reader: Arc<Mutex<Reader>>,
    connection: Option<Connection>,
    broker: SharedBroker,
    rng: Rng,
    is_slow: bool,
}

struct Connection {
    hub: usize,
    reading: JoinHandle<()>,
}

/// How often a reader may be polled without an event while the simulated time does not advance.
const MOST_POLLS: u32 = 1_000;

const FILTERS: [&str; 8] = [">", "a", "b.>", "a.*", "a,b.x", "a.*,b.>", "*", "quiet"];

const POLICIES: [SlowPolicy; 6] = [
    SlowPolicy::Gap,
    SlowPolicy::Gap,
    SlowPolicy::Gap,
    SlowPolicy::Gap,
    SlowPolicy::Disconnect,
    SlowPolicy::KeepLatest,
];

impl Client {
    pub(crate) fn any(number: usize, broker: SharedBroker, record: Record, mut rng: Rng) -> Self {
        let filters = rng.choice(FILTERS).unwrap_or(">");
        let policy = rng.choice(POLICIES).unwrap_or_default();
        let interest = Interest::new(filters.parse().expect("these are filters"));
        record.note(|| format!("client {number} wants {filters}, {policy:?}"));
        let reader =
            Reader::new(format!("client {number}"), interest, policy, broker.clone(), record);
        let is_slow = chance(&mut rng, 30);
        let reader = Arc::new(Mutex::new(reader));
        Self { reader, connection: None, broker, rng, is_slow }
    }

    pub(crate) fn connect(&mut self, hub: &Hub, number: usize) {
        let Ok(seat) = hub.join("simulated") else { return };
        let (interest, last) = {
            let reader = lock(&self.reader);
            (reader.interest.clone(), reader.last_event)
        };
        let position = match last {
            Some(last) => Position::After(last),
            None if self.rng.bool() => Position::Earliest,
            None => Position::Live,
        };
        let subscription = hub.read(seat, interest, position);
        lock(&self.reader).opened(subscription.position());
        let (broker, rng) = (self.broker.clone(), self.rng.fork());
        let reading = follow(subscription, self.reader.clone(), broker, rng, self.is_slow);
        self.connection = Some(Connection { hub: number, reading: tokio::spawn(reading) });
    }

    /// Breaks the connection. Events that were not received are lost.
    pub(crate) fn cut(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.reading.abort();
        }
    }

    pub(crate) fn cut_from(&mut self, hub: usize) {
        if self.connection.as_ref().is_some_and(|connection| connection.hub == hub) {
            self.cut();
        }
    }

    /// Removes a connection that has ended.
    pub(crate) async fn is_connected(&mut self) -> bool {
        let ended = self.connection.take_if(|connection| connection.reading.is_finished());
        if let Some(Connection { reading, .. }) = ended
            && let Err(error) = reading.await
        {
            std::panic::resume_unwind(error.into_panic());
        }
        self.connection.is_some()
    }

    pub(crate) fn has_all(&self) -> bool {
        lock(&self.reader).has_all()
    }

    pub(crate) fn note_place(&self) {
        lock(&self.reader).note_place();
    }
}

async fn follow(
    mut subscription: Subscription,
    reader: Arc<Mutex<Reader>>,
    broker: SharedBroker,
    mut rng: Rng,
    is_slow: bool,
) {
    while let Some(event) = next(&mut subscription, &reader).await {
        on_event(&reader, &event, &subscription);
        if lock(&reader).has_failed() {
            return;
        }
        // Transports send the events that are available together.
        for _ in 0..rng.u32(0..4) {
            let Some(event) = subscription.try_next() else { break };
            on_event(&reader, &event, &subscription);
        }
        let reader_pauses = broker.state().fault_rates.reader_pauses;
        if is_slow && chance(&mut rng, reader_pauses) {
            sleep(Duration::from_millis(rng.u64(0..1500))).await;
        }
    }
}

/// Waits for the next event. Fails if the reader is polled [`MOST_POLLS`] times while the simulated time does not
/// advance, because that would never end.
async fn next(subscription: &mut Subscription, reader: &Mutex<Reader>) -> Option<Event> {
    let (mut next, mut since, mut polls) = (pin!(subscription.next()), Instant::now(), 0);
    poll_fn(|context| {
        if since < Instant::now() {
            (since, polls) = (Instant::now(), 0);
        }
        polls += 1;
        if polls > MOST_POLLS {
            lock(reader).fail("is polled again and again without an event");
            return Poll::Ready(None);
        }
        next.as_mut().poll(context)
    })
    .await
}

fn on_event(reader: &Mutex<Reader>, event: &Event, subscription: &Subscription) {
    let mut reader = lock(reader);
    reader.on_event(event);
    if !matches!(event, Event::Goodbye(_)) {
        reader.on_position(subscription.position());
    }
}

fn lock(reader: &Mutex<Reader>) -> MutexGuard<'_, Reader> {
    reader.lock().unwrap_or_else(PoisonError::into_inner)
}
