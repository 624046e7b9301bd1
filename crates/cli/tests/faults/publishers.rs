//! Publishers. Each retries with the same idempotency key until the server confirms that the notification is stored.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tidings::core::{Id, Kind};
use tidings::transport::client::{ClientError, Publisher, Target};
use tidings_testkit::LIMIT;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::nodes::Nodes;

pub(crate) const TOPICS: [&str; 4] = ["a", "b", "a.b", "a.c"];

/// Topic and payload of each stored notification, by sequence number.
pub(crate) type Record = BTreeMap<u64, (&'static str, String)>;

/// The outcome of all publishers.
#[derive(Default)]
pub(crate) struct Published {
    pub(crate) record: Record,
    /// The number of failed attempts, each of which was retried.
    pub(crate) retries: usize,
    /// The number of attempts that a server rejected because its broker cannot be reached.
    pub(crate) unavailable: usize,
    /// The duration of the longest attempt.
    pub(crate) longest: Duration,
}

/// Runs `publishers` publishers. Each publishes `number` notifications, one every `pace`, to random servers. After all
/// of them, publishes a last notification to every topic. `stored` counts the stored ones, without the last.
pub(crate) async fn publish(
    nodes: &Nodes,
    publishers: usize,
    number: usize,
    pace: Duration,
    seed: u64,
    stored: watch::Sender<usize>,
) -> Published {
    let published = Arc::new(Mutex::new(Published::default()));
    let mut running = JoinSet::new();
    for publisher in 0..publishers {
        let (nodes, published, stored) = (nodes.clone(), published.clone(), stored.clone());
        running.spawn(async move {
            let mut random = fastrand::Rng::with_seed(seed ^ publisher as u64);
            let mut ticks = tokio::time::interval(pace);
            for at in 0..number {
                ticks.tick().await;
                let topic = TOPICS[random.usize(..TOPICS.len())];
                let payload = format!("{at} of publisher {publisher}");
                until_stored(&nodes, topic, payload, &mut random, &published).await;
                stored.send_modify(|stored| *stored += 1);
            }
        });
    }
    while let Some(ended) = running.join_next().await {
        ended.unwrap();
    }
    // A new seed. With that of a publisher, the servers would take the notifications for retries of its keys.
    let mut random = fastrand::Rng::with_seed(!seed);
    for topic in TOPICS {
        until_stored(nodes, topic, format!("the end of {topic}"), &mut random, &published).await;
    }
    let mut published = published.lock().unwrap_or_else(PoisonError::into_inner);
    std::mem::take(&mut published)
}

async fn until_stored(
    nodes: &Nodes,
    topic: &'static str,
    payload: String,
    random: &mut fastrand::Rng,
    published: &Mutex<Published>,
) {
    let key = format!("{:x}", random.u128(..)).parse().unwrap();
    let until = Instant::now() + LIMIT;
    loop {
        let mut url = nodes.any(random);
        url.set_path(&format!("/topics/{topic}"));
        let began = Instant::now();
        let attempt = async {
            let mut publisher = Publisher::connect(Target::new(url)).await?;
            publisher.publish_once(Kind::Text, payload.clone().into(), &key).await
        };
        let outcome = attempt.await;
        let mut published = published.lock().unwrap_or_else(PoisonError::into_inner);
        published.longest = published.longest.max(began.elapsed());
        if published.note(topic, &payload, outcome) {
            return;
        }
        assert!(Instant::now() < until, "{payload:?} to {topic} is not stored within {LIMIT:?}");
    }
}

impl Published {
    /// Records the outcome of an attempt. Returns `true` if the notification is stored.
    fn note(
        &mut self,
        topic: &'static str,
        payload: &str,
        outcome: Result<Id, ClientError>,
    ) -> bool {
        match outcome {
            Ok(id) => {
                let other = self.record.insert(id.seq, (topic, payload.to_owned()));
                assert_eq!(other, None, "two notifications have the id {id}");
                true
            }
            Err(error) => {
                assert!(!error.is_final(), "{error}");
                if let ClientError::Rejected { retry_after, .. } = error {
                    assert!(retry_after.is_some(), "the response has a Retry-After");
                    self.unavailable += 1;
                }
                self.retries += 1;
                false
            }
        }
    }
}
