//! Subscribers by every transport, which stay on one server or move from server to server with their position.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use tidings::core::{Filters, Gap, Id, Position};
use tidings::server::{Listed, transports};
use tidings::transport::client::{Arrival, Target};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::nodes::Nodes;
use crate::publishers::{Record, TOPICS};

const FILTERS: [&str; 5] = ["a", "a.*", ">", "b,a.c", "*"];

/// How long a client waits for the next event. It is enough for a machine that is many times slower.
const PATIENCE: Duration = Duration::from_secs(120);

/// What one client has received.
pub(crate) struct Received {
    filters: Filters,
    /// Sequence numbers and payloads, in the order of arrival.
    seen: Vec<(u64, String)>,
    pub(crate) gaps: Vec<Gap>,
    pub(crate) hops: usize,
    /// How many connections ended that the client did not end.
    pub(crate) cuts: usize,
}

/// A number of running clients.
pub(crate) struct Crowd(JoinSet<Received>);

impl Crowd {
    /// Starts `clients` clients that read from after `start`. Each moves to another server after at most `hop_after`
    /// events, or stays if that is `None`.
    pub(crate) fn follow(
        nodes: &Nodes,
        clients: usize,
        start: Id,
        hop_after: Option<usize>,
        seed: u64,
    ) -> Self {
        let listed = Arc::new(transports());
        let mut running = JoinSet::new();
        for client in 0..clients {
            let random = fastrand::Rng::with_seed(seed ^ (client as u64) << 32);
            let (nodes, listed) = (nodes.clone(), listed.clone());
            running.spawn(one(nodes, listed, client, start, hop_after, random));
        }
        Self(running)
    }

    /// Waits until each client has received the last notification of all its topics.
    pub(crate) async fn received(mut self) -> Vec<Received> {
        let mut all = Vec::new();
        while let Some(received) = self.0.join_next().await {
            all.push(received.unwrap());
        }
        all
    }
}

async fn one(
    nodes: Nodes,
    listed: Arc<Vec<Listed>>,
    client: usize,
    start: Id,
    hop_after: Option<usize>,
    mut random: fastrand::Rng,
) -> Received {
    let names = FILTERS[client % FILTERS.len()];
    let filters: Filters = names.parse().unwrap();
    let ends = TOPICS.iter().filter(|topic| filters.matches(&topic.parse().unwrap())).count();
    let (mut at, mut ended) = (start, 0);
    let mut received = Received { filters, seen: Vec::new(), gaps: Vec::new(), hops: 0, cuts: 0 };
    // The time of the last notification. Heartbeats do not count, because a running server always sends them.
    let mut news = Instant::now();
    while ended < ends {
        assert!(news.elapsed() < PATIENCE, "{names} receives nothing after {at}");
        let transport = &listed[random.usize(..listed.len())];
        let mut url = nodes.any(&mut random);
        url.set_path(&format!("/topics/{names}"));
        let target = Target::new(url).position(Position::After(at));
        // A server that was just killed cannot be reached, but another one can.
        let Ok(mut arrivals) = transport.client.connect(target).await else {
            tokio::task::yield_now().await;
            continue;
        };
        let stay = hop_after.map_or(usize::MAX, |most| random.usize(1..=most));
        for _ in 0..stay {
            let next = timeout(PATIENCE, arrivals.next()).await;
            match next.unwrap_or_else(|_| panic!("{names} receives nothing after {at}")) {
                Some(Ok(Arrival::Notification(notification))) => {
                    news = Instant::now();
                    let id = notification.id.expect("our clients request ids");
                    let payload = String::from_utf8(notification.payload.to_vec()).unwrap();
                    ended += usize::from(payload.starts_with("the end of "));
                    received.seen.push((id.seq, payload));
                    at = id;
                }
                Some(Ok(Arrival::Gap(gap))) => {
                    received.gaps.push(gap);
                    at = gap.resume;
                }
                Some(Ok(Arrival::Heartbeat(position))) => {
                    assert!(news.elapsed() < PATIENCE, "{names} receives nothing after {at}");
                    at = position.unwrap_or(at);
                }
                Some(Ok(Arrival::Goodbye(_)) | Err(_)) | None => {
                    received.cuts += 1;
                    break;
                }
                Some(Ok(other)) => panic!("unexpected reply: {other:?}"),
            }
            if ended == ends {
                break;
            }
        }
        received.hops += 1;
    }
    received
}

impl Received {
    /// Asserts that the client has received everything after `start` that matches its filters, once, in order and as it
    /// was published.
    pub(crate) fn check(&self, start: Id, record: &Record) {
        let matches = |(_, (topic, _)): &(&u64, &(&str, String))| {
            self.filters.matches(&topic.parse().unwrap())
        };
        let expected: Vec<(u64, &str)> = record
            .range(start.seq + 1..)
            .filter(matches)
            .map(|(&seq, (_, payload))| (seq, payload.as_str()))
            .collect();
        let seen: Vec<(u64, &str)> =
            self.seen.iter().map(|(seq, payload)| (*seq, payload.as_str())).collect();
        let differs = seen.iter().zip(&expected).position(|(one, other)| one != other);
        if let Some(at) = differs {
            panic!("{}: expected {:?}, received {:?}", self.filters, expected[at], seen[at]);
        }
        assert_eq!(seen.len(), expected.len(), "{}: lost or too many at the end", self.filters);
    }
}
