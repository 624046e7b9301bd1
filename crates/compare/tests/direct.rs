//! The engines read directly, as a transport's client would be.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use futures::StreamExt;
use tidings_compare::contenders::direct::{
    JetStreamClient, JetStreamPublisher, NatsClient, NatsPublisher, RedisClient, RedisPublisher,
};
use tidings_core::{Id, Kind, Position};
use tidings_testkit::{LocalConfig, LocalNats, LocalRedis};
use tidings_transport::client::{Arrival, Arrivals, Client, ConnectPublisher, Target};
use tokio::time::timeout;
use url::Url;

const PATIENCE: Duration = Duration::from_secs(120);

fn target(server: &Url, position: Position) -> Target {
    let mut url = server.clone();
    url.set_path("/topics/news.local");
    let local = Some("127.0.0.5".parse().unwrap());
    Target { position, local, ..Target::new(url) }
}

async fn next(arrivals: &mut Arrivals) -> (Option<Id>, String) {
    match timeout(PATIENCE, arrivals.next()).await.unwrap().unwrap().unwrap() {
        Arrival::Notification(received) => {
            (received.id, String::from_utf8(received.payload.to_vec()).unwrap())
        }
        other => panic!("{other:?}"),
    }
}

/// Everything published once the subscription stands arrives, and is counted.
async fn what_is_published_arrives(
    server: &Url,
    client: &dyn Client,
    publisher: ConnectPublisher,
) -> Vec<Id> {
    let target = target(server, Position::Live);
    let mut publisher = publisher(Target::new(target.url.clone())).await.unwrap();
    publisher.publish(Kind::Text, "before".into()).await.unwrap();
    let mut arrivals = client.connect(target.clone()).await.unwrap();
    assert!(target.meter.requests.load(Relaxed) <= 1);
    let mut ids = Vec::new();
    for at in 0..3 {
        let payload = format!("{at} {}", ".".repeat(1000));
        publisher.publish(Kind::Text, payload.clone().into()).await.unwrap();
        let (id, arrived) = next(&mut arrivals).await;
        assert_eq!(arrived, payload);
        ids.extend(id);
    }
    let (received, sent) = (target.meter.received.load(Relaxed), target.meter.sent.load(Relaxed));
    assert!((3_000..8_000).contains(&received), "{received}");
    assert!((1..2_000).contains(&sent), "{sent}");
    ids
}

async fn a_position_is_read_from(server: &Url, client: &dyn Client, ids: &[Id]) {
    let [first, second, third] = ids[..] else { panic!("{ids:?}") };
    assert!(first.seq < second.seq && second.seq < third.seq);
    let mut after = client.connect(target(server, Position::After(first))).await.unwrap();
    assert_eq!(next(&mut after).await.0, Some(second));
    assert_eq!(next(&mut after).await.0, Some(third));
    let mut earliest = client.connect(target(server, Position::Earliest)).await.unwrap();
    assert_eq!(next(&mut earliest).await.1, "before");
}

#[tokio::test]
async fn core_nats_delivers_from_now_on() {
    let server = LocalNats::start(LocalConfig::default()).await.unwrap();
    let ids = what_is_published_arrives(&server.url(), &NatsClient, NatsPublisher::boxed).await;
    assert_eq!(ids, [], "there are none on the wire");
}

#[tokio::test]
async fn an_ordered_consumer_delivers_from_any_position() {
    let server = LocalNats::start(LocalConfig::default()).await.unwrap();
    let ids =
        what_is_published_arrives(&server.url(), &JetStreamClient, JetStreamPublisher::boxed).await;
    a_position_is_read_from(&server.url(), &JetStreamClient, &ids).await;
}

#[tokio::test]
async fn a_redis_stream_is_read_from_any_position() {
    // It is asked from other addresses of loopback, which its protected mode takes for other machines.
    let settings = ["--protected-mode", "no"].map(str::to_owned).to_vec();
    let server =
        LocalRedis::start(LocalConfig { settings, ..LocalConfig::default() }).await.unwrap();
    let ids = what_is_published_arrives(&server.url(), &RedisClient, RedisPublisher::boxed).await;
    a_position_is_read_from(&server.url(), &RedisClient, &ids).await;
}

/// Whoever reads is told that the server is gone, and does not wait for ever.
async fn the_end_is_told(server: &Url, client: &dyn Client, kill: impl AsyncFnOnce()) {
    let mut arrivals = client.connect(target(server, Position::Live)).await.unwrap();
    kill().await;
    let end = timeout(PATIENCE, arrivals.next()).await;
    let end = end.unwrap_or_else(|_| panic!("{} waits for ever", client.transport()));
    assert!(end.is_none_or(|arrival| arrival.is_err()));
}

#[tokio::test]
async fn a_server_that_dies_ends_its_connections() {
    let mut nats = LocalNats::start(LocalConfig::default()).await.unwrap();
    let url = nats.url();
    the_end_is_told(&url, &NatsClient, async || nats.kill().await.unwrap()).await;

    nats.start_again().await.unwrap();
    let mut stream = url.clone();
    stream.set_path("/topics/news.local");
    let publisher = JetStreamPublisher::boxed(Target::new(stream)).await.unwrap();
    drop(publisher);
    the_end_is_told(&url, &JetStreamClient, async || nats.kill().await.unwrap()).await;

    let settings = ["--protected-mode", "no"].map(str::to_owned).to_vec();
    let mut redis =
        LocalRedis::start(LocalConfig { settings, ..LocalConfig::default() }).await.unwrap();
    let url = redis.url();
    the_end_is_told(&url, &RedisClient, async || redis.kill().await.unwrap()).await;
}
