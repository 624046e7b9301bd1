//! Publishes to a hub with NATS JetStream or Redis Streams as its broker and waits until a subscriber has the
//! notification. A broker that is not installed is left out.

use std::process::{Command, Stdio};
use std::time::Duration;

use criterion::{Criterion, Throughput};
use tidings_core::{Event, Hub, HubConfig, Interest, Notification, Subscription};
use tidings_message_queue::{BrokerConfig, connect};
use tidings_testkit::{LocalConfig, LocalNats, LocalRedis};
use tokio::runtime::{self, Runtime};
use url::Url;

pub(crate) fn bench(criterion: &mut Criterion) {
    let runtime =
        runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("tokio");
    let mut group = criterion.benchmark_group("publish to a broker");
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(3));
    group.sample_size(20).throughput(Throughput::Elements(1));
    if is_installed("nats-server") {
        let mut running = None;
        group.bench_function("NATS JetStream", |bencher| {
            // Criterion calls this once per sample, so the broker is kept.
            let (followed, _) = running.get_or_insert_with(|| {
                let nats = runtime.block_on(LocalNats::start(LocalConfig::default()));
                let nats = nats.expect("it starts");
                (Followed::over(&runtime, &nats.url()), nats)
            });
            bencher.iter(|| runtime.block_on(followed.publish()));
        });
    }
    if is_installed("redis-server") {
        let mut running = None;
        group.bench_function("Redis Streams", |bencher| {
            let (followed, _) = running.get_or_insert_with(|| {
                let redis = runtime.block_on(LocalRedis::start(LocalConfig::default()));
                let redis = redis.expect("it starts");
                (Followed::over(&runtime, &redis.url()), redis)
            });
            bencher.iter(|| runtime.block_on(followed.publish()));
        });
    }
    group.finish();
}

/// A hub with a broker, and its subscriber.
struct Followed {
    hub: Hub,
    subscription: Subscription,
    notification: Notification,
}

impl Followed {
    fn over(runtime: &Runtime, url: &Url) -> Self {
        runtime.block_on(async {
            let broker = connect(url.as_str(), BrokerConfig::default()).await.expect("it responds");
            let hub = Hub::connect(broker, HubConfig::default()).await.expect("it responds");
            let all = Interest::new(">".parse().expect("a filter"));
            let subscription = hub.subscribe("bench", all).expect("there are seats");
            let topic = "orders.new".parse().expect("a topic");
            let notification = Notification::text(topic, "x".repeat(256));
            Self { hub, subscription, notification }
        })
    }

    async fn publish(&mut self) {
        self.hub.publish(self.notification.clone()).await.expect("the broker stores it");
        while !matches!(self.subscription.next().await, Some(Event::Deliver(_))) {}
    }
}

fn is_installed(program: &str) -> bool {
    let answer = Command::new(program).arg("--version").stdout(Stdio::null()).status();
    let is_installed = answer.is_ok_and(|status| status.success());
    if !is_installed {
        eprintln!("{program} is not installed, so its benchmark is left out");
    }
    is_installed
}
