//! Delivers one notification to many subscribers in memory, on one thread. The clock stops when the last one has it.

use std::hint::black_box;

use criterion::{Criterion, Throughput};
use tidings_core::{Event, Hub, Interest, Notification, Subscription};
use tidings_counts::{json, topic};
use tokio::runtime::{Builder, Runtime};

use crate::tally::Tally;

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("deliver in memory");
    for subscribers in [1, 100, 10_000] {
        group.throughput(Throughput::Elements(subscribers as u64));
        // Criterion calls this once per sample, so the subscribers are kept.
        let mut followed = None;
        group.bench_function(format!("{subscribers} subscribers"), |bencher| {
            let Followed { runtime, hub, tally } =
                followed.get_or_insert_with(|| Followed::by(subscribers));
            let notification = Notification::text(topic(), json());
            bencher.to_async(&*runtime).iter(async || {
                hub.publish(notification.clone()).await.expect("the hub is open");
                tally.all().await;
            });
        });
    }
    group.finish();
}

/// A hub and its subscribers, each in a separate task.
struct Followed {
    runtime: Runtime,
    hub: Hub,
    tally: Tally,
}

impl Followed {
    fn by(subscribers: usize) -> Self {
        let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
        let (hub, tally) = (Hub::default(), Tally::new(subscribers));
        runtime.block_on(async {
            for _ in 0..subscribers {
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
