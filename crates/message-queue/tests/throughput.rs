//! Measures the throughput of each broker on this machine. Prints figures and asserts nothing.
//!
//! `cargo test --release -p tidings-message-queue --test throughput -- --ignored --nocapture --test-threads 1`

use std::sync::Arc;
use std::time::Instant;

use futures::{StreamExt, stream};
use tidings_core::Notification;
use tidings_core::broker::{Broker, Start};
use tidings_message_queue::{BrokerConfig, connect};
use tidings_testkit::{LocalConfig, LocalNats, LocalRedis};

const MESSAGES: u64 = 300_000;
const PUBLISHES: u64 = 50_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn nats() {
    let server = LocalNats::start(LocalConfig::default()).await.unwrap();
    measure("NATS", server.url().as_str()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn redis() {
    let config = LocalConfig { flush_each_write: false, ..LocalConfig::default() };
    let server = LocalRedis::start(config).await.unwrap();
    measure("Redis, appendfsync everysec", server.url().as_str()).await;
}

async fn measure(local: &str, url: &str) {
    let broker = connect(url, BrokerConfig::default()).await.unwrap();
    for at_once in [1, 64, 1024] {
        let count = if at_once == 1 { PUBLISHES / 10 } else { PUBLISHES };
        let took = publish(&broker, count, at_once).await;
        println!("{local}: publish, {at_once} at once: {:.0}/s", count as f64 / took);
    }
    publish(&broker, MESSAGES, 1024).await;
    let began = Instant::now();
    let tail = broker.tail(Start::Newest(MESSAGES)).await.unwrap();
    let arrived = tail.arrivals.take(MESSAGES as usize).all(|stored| async move { stored.is_ok() });
    assert!(arrived.await);
    let rate = MESSAGES as f64 / began.elapsed().as_secs_f64();
    println!("{local}: tail of stored messages, 128 bytes: {rate:.0}/s");
}

/// Publishes `count` notifications, `at_once` at a time, and measures the seconds.
async fn publish(broker: &Arc<dyn Broker>, count: u64, at_once: usize) -> f64 {
    let began = Instant::now();
    let publishes = stream::iter(0..count).map(|_| {
        let notification = Notification::text("some.topic".parse().unwrap(), "x".repeat(128));
        broker.publish(notification, None)
    });
    publishes
        .buffer_unordered(at_once)
        .for_each(|id| async move {
            id.unwrap();
        })
        .await;
    began.elapsed().as_secs_f64()
}
