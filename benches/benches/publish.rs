//! What a publisher waits for.

use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tidings_benches::Tally;
use tidings_core::{Hub, HubConfig, Interest, Notification, Retention};
use tokio::runtime;

/// How many notifications go into one log that has room for all of them.
const ROOM: u64 = 10_000;

fn publish(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("publish");
    group.throughput(Throughput::Elements(1));
    group.bench_function("0 wait", |bencher| bencher.iter_custom(into_room));
    group.bench_function("1000 wait", |bencher| {
        bencher.iter_custom(|count| to_waiting(1000, count));
    });
    // Criterion calls this once a sample, so what is dear to set up is kept from one to the next.
    let mut full = None;
    group.bench_function("the log is full", |bencher| {
        let hub = full.get_or_insert_with(full_hub);
        let notification = notification();
        bencher.iter(|| send(hub, &notification));
    });
    group.finish();
}

/// A hub that has begun to evict.
fn full_hub() -> Hub {
    let hub = Hub::default();
    let notification = notification();
    while hub.log().tail().seq == 0 {
        send(&hub, &notification);
    }
    hub
}

/// Into a log that never has to evict. It is memory that nobody has used yet, and so not the quickest.
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

/// To readers each of whom sleeps until it is woken. Only the publish is timed: it wakes them, and they run
/// once it is over, for there is one thread.
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
        // The first round is for them to fall asleep.
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

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .sample_size(30);
    targets = publish
}
criterion_main!(benches);
