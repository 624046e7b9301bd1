//! Publishes to NATS and to Redis, and reads back what it published. It starts a server of each that is
//! installed; with a URL it uses one that runs:
//!
//! ```sh
//! cargo run -p tidings-examples --example message_queue
//! cargo run -p tidings-examples --example message_queue nats://127.0.0.1:4222
//! cargo run -p tidings-examples --example message_queue redis://127.0.0.1:6379
//! ```

use anyhow::{Context, ensure};
use tidings::core::{
    Event, Hub, HubConfig, Id, IdempotencyKey, Interest, Notification, Position, Subscription,
    Topic,
};
use tidings::message_queue::{BrokerConfig, connect};
use tidings_testkit::{LocalConfig, LocalError, LocalNats, LocalRedis};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    if let Some(url) = std::env::args().nth(1) {
        return publish_and_consume(&url).await;
    }
    // Each has a free port and a directory of its own, and ends when it is dropped.
    let nats = if_installed(LocalNats::start(LocalConfig::default()).await)?;
    let redis = if_installed(LocalRedis::start(LocalConfig::default()).await)?;
    let urls = [nats.as_ref().map(LocalNats::url), redis.as_ref().map(LocalRedis::url)];
    ensure!(urls.iter().any(Option::is_some), "there is no message queue to publish to");
    for url in urls.into_iter().flatten() {
        publish_and_consume(url.as_str()).await?;
    }
    Ok(())
}

async fn publish_and_consume(url: &str) -> anyhow::Result<()> {
    println!("{url}");
    let broker = connect(url, BrokerConfig::default()).await?;
    let hub = Hub::connect(broker.clone(), HubConfig::default()).await?;
    let interest = Interest::new("orders.*".parse()?);
    let mut live = hub.subscribe("example", interest.clone())?;

    let topic: Topic = "orders.new".parse()?;
    let order = |item: &'static str| Notification::text(topic.clone(), item);
    let first = hub.publish(order("one teapot")).await?;
    println!("  published one teapot: stored as {first}");
    // Whoever only publishes needs no hub.
    let second = broker.publish(order("two cups"), None).await?;
    println!("  published two cups, without a hub: stored as {second}");
    // Whose answer was lost tries again with the same key, a UUID for example.
    let key: IdempotencyKey = format!("follows-{second}").parse()?;
    let third = broker.publish(order("three spoons"), Some(key.clone())).await?;
    println!("  published three spoons, with a key: stored as {third}");
    let again = broker.publish(order("three spoons"), Some(key)).await?;
    println!("  published three spoons again, with the same key: it is {again} already");

    println!("  a subscriber from before the first:");
    consume(&mut live, third).await?;
    println!("  one that has read as far as {first}, and comes back to another hub:");
    let other = Hub::connect(broker, HubConfig::default()).await?;
    consume(&mut other.read(other.join("example")?, interest, Position::After(first)), third).await
}

/// Prints what comes, up to the last.
async fn consume(subscription: &mut Subscription, last: Id) -> anyhow::Result<()> {
    loop {
        let event = subscription.next().await.context("the hub closed")?;
        let Event::Deliver(entry) = event else { continue };
        let (id, sent) = (entry.id(), entry.notification());
        println!("    {id} {}: {}", sent.topic(), sent.as_text().unwrap_or("(binary)"));
        if id == last {
            return Ok(());
        }
    }
}

/// Says how to get a server that is not there.
fn if_installed<T>(started: Result<T, LocalError>) -> Result<Option<T>, LocalError> {
    if let Err(missing @ LocalError::Missing { .. }) = started {
        println!("{missing}");
        return Ok(None);
    }
    started.map(Some)
}
