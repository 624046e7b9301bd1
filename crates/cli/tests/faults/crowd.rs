//! Those who follow: clients of every transport, that stay or hop from hub to hub with their position.

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

/// How long a client waits for what must arrive, on a machine that is many times slower as well.
const PATIENCE: Duration = Duration::from_secs(120);

/// What one client was told.
pub(crate) struct Told {
    filters: Filters,
    /// Sequence numbers and payloads, as they came.
    seen: Vec<(u64, String)>,
    pub(crate) gaps: Vec<Gap>,
    pub(crate) hops: usize,
    /// How often a connection ended that it did not end itself.
    pub(crate) cuts: usize,
}

/// Clients at their work.
pub(crate) struct Crowd(JoinSet<Told>);

impl Crowd {
    /// So many, who read from behind `start`; they hop after so many arrivals at the most, or stay.
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

    /// What they were told, once each has come to the end of every topic that it follows.
    pub(crate) async fn told(mut self) -> Vec<Told> {
        let mut all = Vec::new();
        while let Some(told) = self.0.join_next().await {
            all.push(told.unwrap());
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
) -> Told {
    let names = FILTERS[client % FILTERS.len()];
    let filters: Filters = names.parse().unwrap();
    let ends = TOPICS.iter().filter(|topic| filters.matches(&topic.parse().unwrap())).count();
    let (mut at, mut ended) = (start, 0);
    let mut told = Told { filters, seen: Vec::new(), gaps: Vec::new(), hops: 0, cuts: 0 };
    // Heartbeats come for as long as a hub runs, so what counts is news.
    let mut news = Instant::now();
    while ended < ends {
        assert!(news.elapsed() < PATIENCE, "nothing comes to {names} at {at}");
        let transport = &listed[random.usize(..listed.len())];
        let mut url = nodes.any(&mut random);
        url.set_path(&format!("/topics/{names}"));
        let target = Target::new(url).position(Position::After(at));
        // A hub that has been killed is not there, and another one is.
        let Ok(mut arrivals) = transport.client.connect(target).await else {
            tokio::task::yield_now().await;
            continue;
        };
        let stay = hop_after.map_or(usize::MAX, |most| random.usize(1..=most));
        for _ in 0..stay {
            let next = timeout(PATIENCE, arrivals.next()).await;
            match next.unwrap_or_else(|_| panic!("nothing comes to {names} at {at}")) {
                Some(Ok(Arrival::Notification(received))) => {
                    news = Instant::now();
                    let id = received.id.expect("our clients ask for ids");
                    let payload = String::from_utf8(received.payload.to_vec()).unwrap();
                    ended += usize::from(payload.starts_with("the end of "));
                    told.seen.push((id.seq, payload));
                    at = id;
                }
                Some(Ok(Arrival::Gap(gap))) => {
                    told.gaps.push(gap);
                    at = gap.resume;
                }
                Some(Ok(Arrival::Heartbeat(position))) => {
                    assert!(news.elapsed() < PATIENCE, "nothing comes to {names} at {at}");
                    at = position.unwrap_or(at);
                }
                Some(Ok(Arrival::Goodbye(_)) | Err(_)) | None => {
                    told.cuts += 1;
                    break;
                }
                Some(Ok(other)) => panic!("nobody asked: {other:?}"),
            }
            if ended == ends {
                break;
            }
        }
        told.hops += 1;
    }
    told
}

impl Told {
    /// Whether it was told everything behind `start` that is for it, once, in order and as it was published.
    pub(crate) fn check(&self, start: Id, record: &Record) {
        let is_for_it = |(_, (topic, _)): &(&u64, &(&str, String))| {
            self.filters.matches(&topic.parse().unwrap())
        };
        let expected: Vec<(u64, &str)> = record
            .range(start.seq + 1..)
            .filter(is_for_it)
            .map(|(&seq, (_, payload))| (seq, payload.as_str()))
            .collect();
        let seen: Vec<(u64, &str)> =
            self.seen.iter().map(|(seq, payload)| (*seq, payload.as_str())).collect();
        let differs = seen.iter().zip(&expected).position(|(one, other)| one != other);
        if let Some(at) = differs {
            panic!("{}: {:?} was due, and {:?} came", self.filters, expected[at], seen[at]);
        }
        assert_eq!(seen.len(), expected.len(), "{}: lost or too many at the end", self.filters);
    }
}
