//! Delivers one notification to many clients of each transport over loopback. The clock stops when the last one has it.
//!
//! Server and clients run in the same process, so the figures are only for comparing commits. `tidings compare` uses
//! separate processes. A long-polling client sends a new request before the next notification, so each round includes
//! one request per client.

use std::hint::black_box;
use std::io;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput};
use futures::StreamExt;
use tidings_core::{Hub, Notification};
use tidings_server::{Listed, Server, transports};
use tidings_transport::client::{Arrival, Arrivals, Client, ClientError, Target};
use tokio::runtime;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};
use url::Url;

use crate::tally::Tally;

pub(crate) fn bench(criterion: &mut Criterion) {
    allow_many_files();
    let runtime =
        runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("tokio");
    let mut group = criterion.benchmark_group("deliver over loopback");
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_millis(3000));
    group.sample_size(20);
    // WebTransport needs a listener with TLS, and would be compared with the others in the clear.
    let plain = |listed: &Listed| listed.server.name() != "webtransport";
    for listed in transports().into_iter().filter(plain) {
        for clients in [1, 100, 1000] {
            group.throughput(Throughput::Elements(clients as u64));
            let id = BenchmarkId::new(listed.client.transport(), format!("{clients} clients"));
            // Criterion calls this once per sample, so the clients are kept.
            let mut followed = None;
            group.bench_function(id, |bencher| {
                let followed: &mut Followed = followed.get_or_insert_with(|| {
                    runtime.block_on(Followed::by(&*listed.client, clients))
                });
                bencher.iter(|| runtime.block_on(followed.deliver()));
            });
            if let Some(followed) = followed {
                runtime.block_on(followed.end());
            }
        }
    }
    group.finish();
}

type Unexpected = Option<Result<Arrival, ClientError>>;

/// A server and its clients, each in a separate task.
struct Followed {
    hub: Hub,
    notification: Notification,
    clients: JoinSet<Unexpected>,
    tally: Tally,
    stop: oneshot::Sender<()>,
    running: JoinHandle<io::Result<()>>,
}

impl Followed {
    async fn by(client: &dyn Client, count: usize) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let hub = Hub::default();
        let server = Server::builder(hub.clone()).configure(|config| config.drain = Duration::ZERO);
        let server = server.bind("127.0.0.1:0").await.expect("a free port");
        let address = server.local_addrs()[0];
        let running = tokio::spawn(server.serve(async {
            // An error means that the sender was dropped, which also stops the server.
            let _ = stopped.await;
        }));

        let url: Url = format!("http://{address}/topics/orders.new").parse().expect("a URL");
        let (mut clients, tally) = (JoinSet::new(), Tally::new(count));
        for _ in 0..count {
            let arrivals =
                client.connect(Target::new(url.clone())).await.expect("the hub has seats");
            clients.spawn(follow(arrivals, tally.clone()));
        }
        let topic = "orders.new".parse().expect("a topic");
        let notification = Notification::text(topic, "x".repeat(256));
        Self { hub, notification, clients, tally, stop, running }
    }

    /// Publishes and waits until the last client has the notification. This is the measured work.
    async fn deliver(&mut self) {
        self.hub
            .publish(self.notification.clone())
            .try_outcome()
            .expect("the hub has no broker")
            .expect("the hub is open");
        tokio::select! {
            () = self.tally.all() => {}
            Some(ended) = self.clients.join_next() => panic!("a client has ended: {ended:?}"),
        }
    }

    async fn end(mut self) {
        self.clients.shutdown().await;
        self.stop.send(()).expect("the hub runs");
        self.running.await.expect("the server does not panic").expect("the server succeeds");
    }
}

/// Reads until something unexpected arrives or the connection ends.
async fn follow(mut arrivals: Arrivals, tally: Tally) -> Unexpected {
    loop {
        match arrivals.next().await {
            Some(Ok(Arrival::Notification(received))) => {
                black_box(received.payload);
                tally.received();
            }
            Some(Ok(Arrival::Heartbeat(_))) => {}
            other => return other,
        }
    }
}

/// Raises the limit on open files. Each client needs two, because both ends are in this process.
fn allow_many_files() {
    rlimit::increase_nofile_limit(u64::MAX).expect("up to the maximum is always allowed");
}
