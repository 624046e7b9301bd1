//! Two hubs over one NATS are one: a client whose node stops goes on at the other, and loses nothing. Needs
//! the program nats-server:
//!
//! ```sh
//! cargo run -p tidings-examples --example two_nodes
//! ```

use std::time::Duration;

use anyhow::{Context, ensure};
use futures::StreamExt;
use tidings::core::{Hub, HubConfig, Kind, Position};
use tidings::transport::client::{Arrival, Client, Publisher, Target};
use tidings::{message_queue, server, sse::SseClient};
use tidings_testkit::{LocalConfig, LocalNats};
use tokio::{net::TcpListener, sync::oneshot, task::JoinSet, time};

const LAST: usize = 20;
const PATIENCE: Duration = Duration::from_secs(10);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let nats = LocalNats::start(LocalConfig::default()).await?;
    let (mut urls, mut publishers) = (Vec::new(), Vec::new());
    let (mut stops, mut serving) = (Vec::new(), JoinSet::new());
    for node in 1..=2 {
        let broker = message_queue::connect(nats.url().as_str(), Default::default()).await?;
        let config = server::Config::new(Hub::connect(broker, HubConfig::default()).await?);
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/topics/orders", listener.local_addr()?);
        println!("node {node}: serves {url}");
        let (stop, stopped) = oneshot::channel::<()>();
        serving.spawn(server::run(listener, config, async { drop(stopped.await) }));
        stops.push(stop);
        publishers.push(Publisher::connect(Target::new(url.parse()?)).await?);
        urls.push(url);
    }
    let ((), received) = tokio::try_join!(publish(publishers, stops.remove(0)), consume(urls))?;
    drop(stops); // stops node 2 as well
    serving.join_all().await.into_iter().collect::<Result<(), _>>()?;

    let ([one, two], all) = ([0, 1].map(|node| received[node].len()), received.concat());
    let lost = (1..=LAST).filter(|number| !all.contains(number)).count();
    println!("published {LAST}; received {one} from node 1, {two} from node 2; lost {lost}");
    ensure!(all.into_iter().eq(1..=LAST), "not each of them once, in order");
    Ok(())
}

/// Publishes through node 1, and through node 2 once that does not take it.
async fn publish(mut nodes: Vec<Publisher>, stop: oneshot::Sender<()>) -> anyhow::Result<()> {
    let (mut node, mut stop) = (1, Some(stop));
    for number in 1..=LAST {
        if number > LAST / 2 && stop.take().is_some() {
            println!("node 1: stops");
        }
        // What failed may be stored all the same. With its key it is stored once, whichever node is asked.
        let key = format!("order-{number}").parse()?;
        loop {
            let publisher = nodes.get_mut(node - 1).context("no node is left")?;
            match publisher.publish_once(Kind::Text, number.to_string().into(), &key).await {
                Ok(_) => break println!("publisher: {number} through node {node}"),
                Err(error) => println!("publisher: {number} not through node {node}: {error}"),
            }
            node += 1;
        }
        time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

/// Reads from node 1 until that ends, and from node 2 what follows. Where all nodes have one address,
/// `tidings::transport::client::follow` does this by itself.
async fn consume(urls: Vec<String>) -> anyhow::Result<Vec<Vec<usize>>> {
    let (mut received, mut position) = (Vec::new(), Position::Earliest);
    for (node, url) in (1..).zip(urls) {
        println!("client: asks node {node} for {position:?}");
        let target = Target { position, ..Target::new(url.parse()?) };
        let mut arrivals = SseClient.connect(target).await?;
        let mut here = Vec::new();
        while let Ok(Some(Ok(arrival))) = time::timeout(PATIENCE, arrivals.next()).await {
            let Arrival::Notification(order) = arrival else { continue };
            here.push(str::from_utf8(&order.payload)?.parse()?);
            println!("client: {} from node {node}", here[here.len() - 1]);
            position = order.id.map_or(position, Position::After);
            if here.ends_with(&[LAST]) {
                break;
            }
        }
        received.push(here);
        // In earnest, too, it takes a moment to come back. What is published in it is kept.
        time::sleep(Duration::from_millis(300)).await;
    }
    Ok(received)
}
