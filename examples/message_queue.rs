//! Publishes to NATS and to Redis, and reads the notifications back. Starts a server of each, which needs nats-server
//! and redis-server, or uses the one at a URL:
//!
//! ```sh
//! cargo run -p tidings-examples --example message_queue
//! cargo run -p tidings-examples --example message_queue redis://127.0.0.1:6379
//! ```

use anyhow::Context;
use tidings::core::{Event, Hub, HubConfig, Id, Interest, Notification, Position, Subscription};
use tidings::message_queue::{BrokerConfig, connect};
use tidings_testkit::{LocalConfig, LocalNats, LocalRedis};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    if let Some(url) = std::env::args().nth(1) {
        return publish_and_consume(&url).await;
    }
    // Each server has a free port and its own directory, and ends when it is dropped.
    let nats = LocalNats::start(LocalConfig::default()).await?;
    let redis = LocalRedis::start(LocalConfig::default()).await?;
    publish_and_consume(nats.url().as_str()).await?;
    publish_and_consume(redis.url().as_str()).await
}

async fn publish_and_consume(url: &str) -> anyhow::Result<()> {
    println!("{url}");
    let broker = connect(url, BrokerConfig::default()).await?;
    let hub = Hub::connect(broker.clone(), HubConfig::default()).await?;
    let interest = Interest::new("orders.*".parse()?);
    let mut live = hub.subscribe("example", interest.clone())?;

    let order = |item: &'static str| anyhow::Ok(Notification::text("orders.new".parse()?, item));
    let first = hub.publish(order("one teapot")?).await?;
    println!("  published one teapot: stored as {first}");
    // If the response is lost, a retry with the same key, such as a UUID, stores nothing twice.
    let key = Some(format!("follows-{first}").parse()?);
    let second = broker.publish(order("two cups")?, key.clone()).await?;
    println!("  published two cups, with a key and without a hub: stored as {second}");
    let again = broker.publish(order("two cups")?, key).await?;
    println!("  published two cups again, with the same key: already stored as {again}");
    println!("  a subscriber that joined before the first publish receives:");
    consume(&mut live, second).await?;
    println!("  a subscriber that resumes after {first} at another hub receives:");
    let other = Hub::connect(broker, HubConfig::default()).await?;
    consume(&mut other.read(other.join("example")?, interest, Position::After(first)), second).await
}

/// Prints the notifications up to the one with the id `last`.
async fn consume(subscription: &mut Subscription, last: Id) -> anyhow::Result<()> {
    let mut id = None;
    while id != Some(last) {
        let Event::Deliver(entry) = subscription.next().await.context("the hub closed")? else {
            continue;
        };
        let sent = entry.notification();
        println!("    {} {}: {}", entry.id(), sent.topic(), sent.as_text().unwrap_or("(binary)"));
        id = Some(entry.id());
    }
    Ok(())
}
