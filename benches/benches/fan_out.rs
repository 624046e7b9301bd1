//! Delivers one notification to many subscribers in memory, on one thread. The clock stops when the last one has it.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use criterion::{Criterion, Throughput};
use tidings_core::{Event, Hub, Interest, Notification, Subscription};
use tidings_counts::{json, topic};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;

pub(crate) fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("deliver in memory");
    for subscribers in [1, 100, 10_000] {
        group.throughput(Throughput::Elements(subscribers as u64));
        // Criterion calls this once a sample, so the subscribers are kept.
        let mut followed = None;
        group.bench_function(format!("{subscribers} subscribers"), |bencher| {
            let Followed { runtime, hub, last } =
                followed.get_or_insert_with(|| Followed::by(subscribers));
            let notification = Notification::text(topic(), json());
            bencher.to_async(&*runtime).iter(async || {
                hub.publish(notification.clone()).await.expect("it is open");
                last.notified().await;
            });
        });
    }
    group.finish();
}

/// A hub and its subscribers, each in a task of its own.
struct Followed {
    runtime: Runtime,
    hub: Hub,
    /// Notified by the last subscriber that has a notification.
    last: Arc<Notify>,
}

impl Followed {
    fn by(subscribers: usize) -> Self {
        let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
        let (hub, last) = (Hub::default(), Arc::new(Notify::new()));
        let received = Arc::new(AtomicUsize::new(0));
        runtime.block_on(async {
            for _ in 0..subscribers {
                let all = Interest::new(">".parse().expect("a filter"));
                let subscription = hub.subscribe("bench", all).expect("there are seats");
                let (received, last) = (received.clone(), last.clone());
                tokio::spawn(read(subscription, move || {
                    let before = received.fetch_add(1, Ordering::Relaxed);
                    if (before + 1).is_multiple_of(subscribers) {
                        last.notify_one();
                    }
                }));
            }
        });
        Self { runtime, hub, last }
    }
}

async fn read(mut subscription: Subscription, receive: impl Fn()) {
    while let Some(event) = subscription.next().await {
        if let Event::Deliver(entry) = event {
            black_box(entry.notification().payload());
            receive();
        }
    }
}
