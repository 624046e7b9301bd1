//! Resumes: a subscriber reads a full log from the oldest notification to the newest.

use std::cell::OnceCell;
use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput};
use tidings_core::{Event, Hub, HubConfig, Interest, Notification, Position, Retention};
use tokio::runtime;

/// One notification in so many has the rare topic.
const RARE: usize = 100;

pub(crate) fn bench(criterion: &mut Criterion) {
    // A subscription has a heartbeat, which needs a timer.
    let runtime = runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let _inside = runtime.enter();
    let mut group = criterion.benchmark_group("resume from the start");
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_millis(2000));
    group.sample_size(20);
    for entries in [10_000, 65_536] {
        // Criterion calls a benchmark once a sample, and only those that were chosen. The first call fills the log.
        let hub = OnceCell::new();
        group.throughput(Throughput::Elements(entries as u64));
        for (name, filters) in [("all of", ">"), ("1 % of", "orders.rare")] {
            group.bench_function(BenchmarkId::new(name, entries), |bencher| {
                let hub = hub.get_or_init(|| full(entries));
                let matching = holds(hub, filters);
                bencher.iter(|| assert_eq!(read(hub, filters), matching));
            });
        }
    }
    group.finish();
}

/// Reads everything, as a client that resumes does, and returns how many there were.
fn read(hub: &Hub, filters: &str) -> usize {
    let interest = Interest::new(filters.parse().expect("filters"));
    let seat = hub.join("bench").expect("there are seats");
    let mut subscription = hub.read(seat, interest, Position::Earliest);
    let mut count = 0;
    while let Some(event) = subscription.try_next() {
        let Event::Deliver(entry) = black_box(event) else { panic!("there is no gap") };
        black_box(entry.notification().payload());
        count += 1;
    }
    count
}

/// Returns a hub with so many notifications, after as many that were evicted.
fn full(entries: usize) -> Hub {
    let retention = Retention { entries, bytes: usize::MAX };
    let hub = Hub::new(HubConfig { retention, ..HubConfig::default() });
    for number in 0..2 * entries {
        let topic = if number.is_multiple_of(RARE) { "orders.rare" } else { "orders.usual" };
        let topic = topic.parse().expect("a topic");
        let published = hub.publish(Notification::text(topic, "x".repeat(256))).now();
        published.expect("it has no broker").expect("it is open");
    }
    assert_eq!(hub.log().size().0, entries, "it is full");
    hub
}

/// Returns how many of the retained notifications match, by their numbers.
fn holds(hub: &Hub, filters: &str) -> usize {
    let retained = hub.log().tail().seq..hub.log().head().seq;
    match filters {
        ">" => retained.count(),
        _ => retained.filter(|number| number.is_multiple_of(RARE as u64)).count(),
    }
}
