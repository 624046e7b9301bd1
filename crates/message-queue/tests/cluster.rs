//! A cluster of three NATS servers that loses one.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use tidings_core::Notification;
use tidings_core::broker::{Broker, Start};
use tidings_message_queue::{BrokerConfig, connect};
use tidings_testkit::{LocalConfig, LocalNatsCluster};
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;

const SOON: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_acknowledged_notification_is_lost_with_one_of_three_servers() {
    let mut cluster = LocalNatsCluster::start(3, LocalConfig::default()).await.unwrap();
    let config = BrokerConfig::default().replicas(3);
    let broker = connect(&cluster.url(), config).await.unwrap();
    // A publish that failed may still be stored, so the last sequence number is known only at the end.
    let (end, ends) = watch::channel(u64::MAX);
    let publisher = tokio::spawn(publish_until_so_many(broker.clone(), 600, end));
    let (sender, killed) = oneshot::channel();
    let epoch = broker.tail(Start::Newest(10)).await.unwrap().epoch;
    let follower = tokio::spawn(follow(broker, epoch, ends, sender));
    timeout(SOON, killed).await.expect("the first hundred arrive in time").unwrap();
    cluster.kill(0).await.unwrap();

    let acknowledged =
        timeout(SOON, publisher).await.expect("every publish succeeds in time").unwrap();
    let arrived = timeout(SOON, follower).await.expect("everything arrives in time").unwrap();
    for (seq, word) in &acknowledged {
        let found = arrived.iter().find(|(other, _)| other == seq);
        assert_eq!(found.map(|(_, word)| word), Some(word), "at {seq}");
    }
    cluster.start_again(0).await.unwrap();
}

async fn publish_until_so_many(
    broker: Arc<dyn Broker>,
    count: usize,
    end: watch::Sender<u64>,
) -> Vec<(u64, String)> {
    let mut acknowledged = Vec::new();
    let mut number = 0;
    while acknowledged.len() < count {
        number += 1;
        let word = number.to_string();
        let notification = Notification::text("a".parse().unwrap(), word.clone());
        if let Ok(id) = broker.publish(notification, None).await {
            acknowledged.push((id.seq, word));
        }
    }
    end.send_replace(acknowledged.last().map_or(0, |(seq, _)| *seq));
    acknowledged
}

/// Collects what arrives. Opens the tail again after the last message if it ends.
async fn follow(
    broker: Arc<dyn Broker>,
    epoch: tidings_core::Epoch,
    mut ends: watch::Receiver<u64>,
    going: oneshot::Sender<()>,
) -> Vec<(u64, String)> {
    let (mut arrived, mut last, mut going) = (Vec::new(), 0, Some(going));
    while last < *ends.borrow() {
        let Ok(mut tail) = broker.tail(Start::After(epoch.id(last))).await else { continue };
        assert_eq!(tail.epoch, epoch, "the epoch has not changed");
        while last < *ends.borrow() {
            let next = tokio::select! {
                next = tail.arrivals.next() => next,
                Ok(()) = ends.changed() => continue,
            };
            let Some(Ok(stored)) = next else { break };
            assert_eq!(stored.seq, last + 1);
            last = stored.seq;
            let notification = stored.notification.expect("a hub has published it");
            arrived.push((last, notification.as_text().unwrap_or_default().to_owned()));
            if last == 100
                && let Some(going) = going.take()
            {
                let _ = going.send(());
            }
        }
    }
    arrived
}
