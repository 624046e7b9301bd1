//! Two servers share one NATS server and have the same notifications. When one of them stops, its client resumes at the
//! other one and loses nothing. Needs nats-server:
//!
//! ```sh
//! cargo run -p tidings-examples --example two_nodes
//! ```

use anyhow::ensure;
use futures::StreamExt;
use tidings::core::{Hub, HubConfig, Notification, Position, Reason};
use tidings::transport::client::{Arrival, Client, Target};
use tidings::{message_queue::connect, server::Server, sse::SseClient};
use tidings_testkit::{LocalConfig, LocalNats};
use tokio::task::JoinSet;

const LAST: usize = 20;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let nats = LocalNats::start(LocalConfig::default()).await?;
    let (mut hubs, mut urls, mut serving) = (Vec::new(), Vec::new(), JoinSet::new());
    for _ in 1..=2 {
        let broker = connect(nats.url().as_str(), Default::default()).await?;
        hubs.push(Hub::connect(broker, HubConfig::default()).await?);
        let server = Server::builder(hubs[hubs.len() - 1].clone()).bind("127.0.0.1:0").await?;
        urls.push(format!("http://{}/topics/orders", server.local_addrs()[0]));
        serving.spawn(server.serve(std::future::pending()));
    }
    let client = tokio::spawn(consume(urls));
    for number in 1..=LAST {
        if number == LAST / 2 {
            hubs[0].close(Reason::GoingAway); // node 1 stops
        }
        let hub = &hubs[usize::from(number >= LAST / 2)];
        hub.publish(Notification::text("orders".parse()?, number.to_string())).await?;
    }
    let received = client.await??;
    println!("published {LAST}, received {0}, lost {1}", received.len(), LAST - received.len());
    ensure!(
        received.into_iter().eq(1..=LAST),
        "the client has not received each once and in order"
    );
    Ok(())
}

/// Reads from node 1 until its connection ends, and then from node 2. If all nodes have the same address,
/// `tidings::transport::client::follow` reconnects and resumes in the same way.
async fn consume(urls: Vec<String>) -> anyhow::Result<Vec<usize>> {
    let (mut received, mut position) = (Vec::new(), Position::Earliest);
    for (node, url) in (1..).zip(urls) {
        let target = Target::new(url.parse()?).position(position);
        let mut arrivals = SseClient.connect(target).await?;
        while received.last() != Some(&LAST) {
            let Some(Ok(arrival)) = arrivals.next().await else { break };
            let Arrival::Notification(order) = arrival else { continue };
            received.push(str::from_utf8(&order.payload)?.parse()?);
            println!("client: {} from node {node}", received[received.len() - 1]);
            position = order.id.map_or(position, Position::After);
        }
    }
    Ok(received)
}
