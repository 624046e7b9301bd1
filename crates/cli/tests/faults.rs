//! The guarantees of servers that share a broker, while servers and brokers are killed. A publish that has a response
//! is stored. Each client receives every notification that matches its filters once and in order, whichever servers it
//! was connected to.
//!
//! Each test starts real programs and its own real broker.

#[path = "faults/crowd.rs"]
mod crowd;
#[path = "faults/nodes.rs"]
mod nodes;
#[path = "faults/publishers.rs"]
mod publishers;

use std::time::Duration;

use tidings::core::{Id, Kind};
use tidings::transport::client::{Publisher, Target};
use tidings_testkit::{LocalConfig, LocalNats, LocalNatsCluster, LocalRedis};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::crowd::{Crowd, Received};
use crate::nodes::Nodes;
use crate::publishers::{Published, publish};

/// How long a broker is stopped.
const AWAY: Duration = Duration::from_secs(10);

/// How many notifications are stored between two kills.
const STORED_PER_KILL: usize = 60;

/// Flags of servers that retain so little that clients that resume are often served from the broker.
const FEW: [&str; 2] = ["--retain", "40"];

/// The longest that an attempt to publish may take: the server's publish deadline and the delays of a busy machine.
const BOUNDED: Duration = Duration::from_secs(60);

fn seed() -> u64 {
    let given = std::env::var("TIDINGS_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| fastrand::u64(..));
    eprintln!("TIDINGS_SEED={seed}");
    seed
}

/// Publishes a first notification. All clients start after it.
async fn start(nodes: &Nodes) -> Id {
    let mut url = nodes.at(0);
    url.set_path("/topics/a");
    let mut publisher = Publisher::connect(Target::new(url)).await.unwrap();
    publisher.publish(Kind::Text, "the start".into()).await.unwrap()
}

fn check(received: &[Received], published: &Published, start: Id) {
    let gaps: Vec<_> = received.iter().flat_map(|one| &one.gaps).collect();
    assert!(gaps.is_empty(), "nothing was lost, but {} gaps came: {:?}", gaps.len(), gaps[0]);
    received.iter().for_each(|one| one.check(start, &published.record));
    let (hops, cuts) =
        received.iter().fold((0, 0), |(hops, cuts), one| (hops + one.hops, cuts + one.cuts));
    eprintln!(
        "{} stored, {} clients, {hops} connections, {cuts} cuts, {} retries, {} unavailable, longest {:?}",
        published.record.len(),
        received.len(),
        published.retries,
        published.unavailable,
        published.longest,
    );
    assert!(published.longest < BOUNDED, "{:?}", published.longest);
}

/// Kills and restarts servers while 50 clients move between them and publishers publish to all of them.
async fn servers_are_killed(hubs: usize, broker: &str) {
    let seed = seed();
    let nodes = Nodes::start(hubs, broker, &FEW);
    let start = start(&nodes).await;
    let crowd = Crowd::follow(&nodes, 50, start, Some(120), seed);
    let (stored, mut is_stored) = watch::channel(0);
    let mut publishing = Box::pin(publish(&nodes, 6, 100, Duration::from_millis(40), seed, stored));
    let mut random = fastrand::Rng::with_seed(seed);
    let mut killed = 0;
    let published = loop {
        tokio::select! {
            published = &mut publishing => break published,
            // Counted in notifications and not in seconds. A slow machine could otherwise not restart servers as fast
            // as they are killed.
            _ = is_stored.wait_for(|stored| *stored >= (killed + 1) * STORED_PER_KILL) => {
                let place = random.usize(..hubs);
                nodes.kill(place);
                killed += 1;
                let (again, broker) = (nodes.clone(), broker.to_owned());
                let started = move || again.start_again(place, &broker, &FEW);
                tokio::task::spawn_blocking(started).await.unwrap();
            }
        }
    };
    eprintln!("{killed} servers killed");
    check(&crowd.received().await, &published, start);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_on_nats_are_killed_and_nothing_is_lost() {
    let nats = LocalNats::start(LocalConfig::default()).await.unwrap();
    servers_are_killed(2, nats.url().as_str()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_servers_on_nats_are_killed_and_nothing_is_lost() {
    let nats = LocalNats::start(LocalConfig::default()).await.unwrap();
    servers_are_killed(3, nats.url().as_str()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_on_redis_are_killed_and_nothing_is_lost() {
    let redis = LocalRedis::start(LocalConfig::default()).await.unwrap();
    servers_are_killed(2, redis.url().as_str()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_servers_on_redis_are_killed_and_nothing_is_lost() {
    let redis = LocalRedis::start(LocalConfig::default()).await.unwrap();
    servers_are_killed(3, redis.url().as_str()).await;
}

/// Stops the broker in the middle of a load. Publishes are rejected in time, and clients stay connected.
async fn broker_is_stopped(broker: &str, mut change: impl AsyncFnMut(bool)) {
    let seed = seed();
    let nodes = Nodes::start(2, broker, &[]);
    let start = start(&nodes).await;
    let staying = Crowd::follow(&nodes, 30, start, None, seed);
    let hopping = Crowd::follow(&nodes, 30, start, Some(60), !seed);
    let publishing =
        publish(&nodes, 4, 80, Duration::from_millis(50), seed, watch::Sender::default());
    let meanwhile = async {
        sleep(Duration::from_secs(1)).await;
        change(false).await;
        sleep(AWAY).await;
        change(true).await;
        Instant::now()
    };
    let (published, _back) = tokio::join!(publishing, meanwhile);
    let stayed = staying.received().await;
    assert!(stayed.iter().all(|one| one.cuts == 0), "all clients have stayed connected");
    assert!(published.unavailable > 0, "publishes were rejected while the broker was stopped");
    check(&stayed, &published, start);
    check(&hopping.received().await, &published, start);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nats_is_stopped_for_ten_seconds_and_nothing_is_lost() {
    let mut nats = LocalNats::start(LocalConfig::default()).await.unwrap();
    let url = nats.url();
    broker_is_stopped(url.as_str(), async |is_running| match is_running {
        false => nats.kill().await.unwrap(),
        true => nats.start_again().await.unwrap(),
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_is_stopped_for_ten_seconds_and_nothing_is_lost() {
    let mut redis = LocalRedis::start(LocalConfig::default()).await.unwrap();
    let url = redis.url();
    broker_is_stopped(url.as_str(), async |is_running| match is_running {
        false => redis.kill().await.unwrap(),
        true => redis.start_again().await.unwrap(),
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_three_nats_servers_is_killed_and_nothing_is_lost() {
    let seed = seed();
    let mut cluster = LocalNatsCluster::start(3, LocalConfig::default()).await.unwrap();
    let nodes = Nodes::start(2, &cluster.url(), &["--replicas", "3"]);
    let start = start(&nodes).await;
    let crowd = Crowd::follow(&nodes, 50, start, Some(100), seed);
    let publishing =
        publish(&nodes, 4, 120, Duration::from_millis(50), seed, watch::Sender::default());
    let meanwhile = async {
        for round in 0..2 {
            sleep(Duration::from_millis(1500)).await;
            let index = (seed as usize + round) % 3;
            cluster.kill(index).await.unwrap();
            sleep(Duration::from_millis(1500)).await;
            cluster.start_again(index).await.unwrap();
        }
    };
    let (published, ()) = tokio::join!(publishing, meanwhile);
    check(&crowd.received().await, &published, start);
}
