//! One notification to many readers in core, on one thread; the clock stops when the last one has it.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tidings_benches::Tally;
use tidings_core::{Event, Hub, Interest, Notification, Subscription};
use tokio::runtime::{Builder, Runtime};

fn fan_out(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("fan_out");
    for readers in [1, 100, 10_000] {
        group.throughput(Throughput::Elements(readers as u64));
        // Criterion calls this once a sample, so the readers are kept from one to the next.
        let mut followed = None;
        group.bench_function(BenchmarkId::from_parameter(readers), |bencher| {
            let Followed { runtime, hub, tally } =
                followed.get_or_insert_with(|| Followed::by(readers));
            let topic = "orders.new".parse().expect("a topic");
            let notification = Notification::text(topic, "x".repeat(256));
            bencher.to_async(&*runtime).iter(async || {
                hub.publish(notification.clone()).await.expect("it is open");
                tally.all().await;
            });
        });
    }
    group.finish();
}

/// A hub and those who follow it, each in a task of its own.
struct Followed {
    runtime: Runtime,
    hub: Hub,
    tally: Tally,
}

impl Followed {
    fn by(readers: usize) -> Self {
        let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
        let (hub, tally) = (Hub::default(), Tally::new(readers));
        runtime.block_on(async {
            for _ in 0..readers {
                let all = Interest::new(">".parse().expect("a filter"));
                let subscription = hub.subscribe("bench", all).expect("there are seats");
                tokio::spawn(read(subscription, tally.clone()));
            }
        });
        Self { runtime, hub, tally }
    }
}

async fn read(mut subscription: Subscription, tally: Tally) {
    while let Some(event) = subscription.next().await {
        if let Event::Deliver(entry) = event {
            black_box(entry.notification().payload());
            tally.received();
        }
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .sample_size(30);
    targets = fan_out
}
criterion_main!(benches);
