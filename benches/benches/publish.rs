//! Publishes in memory: how long a publisher waits.

use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput};
use tidings_core::{Hub, HubConfig, Interest, Notification, Retention};
use tokio::runtime;

use crate::tally::Tally;

/// Notifications in one log that has room for all of them.
const ROOM: u64 = 10_000;

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("publish in memory");
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_millis(2000));
    group.sample_size(30);
    group.throughput(Throughput::Elements(1));
    group.bench_function("no subscriber", |bencher| bencher.iter_custom(into_room));
    group.bench_function("1000 subscribers", |bencher| {
        bencher.iter_custom(|count| to_waiting(1000, count));
    });
    // Criterion calls this once a sample, so what is expensive to set up is kept.
    let mut full = None;
    group.bench_function("full log", |bencher| {
        let hub = full.get_or_insert_with(full_hub);
        let notification = notification();
        bencher.iter(|| send(hub, &notification));
    });
    group.finish();
}

/// Returns a hub whose log evicts.
fn full_hub() -> Hub {
    let hub = Hub::default();
    let notification = notification();
    while hub.log().tail().seq == 0 {
        send(&hub, &notification);
    }
    hub
}

/// Publishes into a log that never evicts. Its memory is new, and so not the fastest.
fn into_room(count: u64) -> Duration {
    let notification = notification();
    let mut elapsed = Duration::ZERO;
    let mut left = count;
    while left > 0 {
        let retention = Retention { entries: ROOM as usize, bytes: usize::MAX };
        let hub = Hub::new(HubConfig { retention, ..HubConfig::default() });
        let now = left.min(ROOM);
        let begun = Instant::now();
        for _ in 0..now {
            send(&hub, &notification);
        }
        elapsed += begun.elapsed();
        left -= now;
        assert_eq!(hub.log().tail().seq, 0, "nothing was evicted");
    }
    elapsed
}

/// Publishes to subscribers that sleep. Only the publish is timed. It wakes them, and they run after it because there
/// is one thread.
fn to_waiting(readers: usize, count: u64) -> Duration {
    let runtime = runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(async {
        let (hub, tally) = (Hub::default(), Tally::new(readers));
        for _ in 0..readers {
            let all = Interest::new(">".parse().expect("a filter"));
            let mut subscription = hub.subscribe("bench", all).expect("there are seats");
            let tally = tally.clone();
            tokio::spawn(async move {
                while subscription.next().await.is_some() {
                    tally.received();
                }
            });
        }
        let notification = notification();
        // They begin to wait in the first round.
        send(&hub, &notification);
        let mut elapsed = Duration::ZERO;
        for _ in 0..count {
            tally.all().await;
            let begun = Instant::now();
            send(&hub, &notification);
            elapsed += begun.elapsed();
        }
        tally.all().await;
        elapsed
    })
}

fn send(hub: &Hub, notification: &Notification) {
    hub.publish(notification.clone()).now().expect("it has no broker").expect("it is open");
}

fn notification() -> Notification {
    Notification::text("orders.new".parse().expect("a topic"), "x".repeat(256))
}
