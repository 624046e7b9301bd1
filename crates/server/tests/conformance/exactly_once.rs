//! A client is disconnected at random and continues on any transport. Each notification that matches its filters
//! arrives exactly once and in order, or is part of a gap that the client receives.

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use tidings_core::{Filters, HubConfig, Id, Notification, Position, Retention};
use tidings_transport::client::Arrival;

use crate::support::{Follower, Mover, Running, all_listed, every_mover, in_time};

const TOPICS: [&str; 4] = ["a", "b", "a.b", "a.c"];
const FILTERS: [&str; 4] = ["a", "a.*", ">", "b,a.c"];
/// The retention. It is small, so that a client that is away misses some notifications.
const KEPT: usize = 25;

#[derive(Clone, Debug)]
enum Step {
    Publish {
        topic: usize,
        number: usize,
    },
    /// Reads this percentage of the notifications that wait for the client.
    Read {
        percent: usize,
    },
    /// Disconnects, and continues on one of the transports.
    Hop {
        transport: usize,
    },
}

struct Reader {
    filters: Filters,
    follower: Follower,
    at: Id,
}

/// The topic and the text of what was published, from the sequence number 1 on.
type Published = Vec<(&'static str, String)>;

impl Reader {
    fn wants(&self, published: &Published, seq: u64) -> bool {
        self.filters.matches(&published[seq as usize - 1].0.parse().unwrap())
    }

    /// The sequence numbers after the position of the reader that match its filters.
    fn waiting(&self, published: &Published) -> Vec<u64> {
        let after = self.at.seq + 1..=published.len() as u64;
        after.filter(|&seq| self.wants(published, seq)).collect()
    }

    async fn read_up_to(&mut self, target: u64, published: &Published) {
        while self.at.seq < target {
            let (upto, at) = match self.follower.arrival().await {
                Arrival::Notification(received) => {
                    let id = received.id.unwrap();
                    assert!(self.wants(published, id.seq), "{id} does not match the filters");
                    assert_eq!(received.payload, published[id.seq as usize - 1].1);
                    assert!(id.seq > self.at.seq, "{id} arrived again, at {}", self.at);
                    (id.seq - 1, id)
                }
                Arrival::Gap(gap) => {
                    assert!(gap.resume.seq > self.at.seq, "{gap:?} at {}", self.at);
                    (gap.after.seq, gap.resume)
                }
                Arrival::Heartbeat(Some(id)) => (id.seq, id),
                other => panic!("{other:?}"),
            };
            let mut passed = self.at.seq + 1..=upto;
            let skipped = passed.find(|&seq| self.wants(published, seq));
            assert_eq!(skipped, None, "it was skipped without a gap");
            self.at = if at.seq > self.at.seq { at } else { self.at };
        }
    }
}

async fn play(mover: Mover, filters: &str, steps: &[Step]) {
    let retention = Retention::default().entries(KEPT);
    let hub = Running::start(mover.config(HubConfig::default().retention(retention)).await).await;
    let transports = all_listed();
    let mut published = Published::new();
    let at = hub.hub.log().head();
    let follower = hub.follow(&transports[0], filters, Position::After(at)).await;
    let mut reader = Reader { filters: filters.parse().unwrap(), follower, at };
    for step in steps {
        match *step {
            Step::Publish { topic, number } => {
                for _ in 0..number {
                    let text = format!("{} of {}", published.len(), TOPICS[topic]);
                    let topic_of = TOPICS[topic].parse().unwrap();
                    hub.hub.publish(Notification::text(topic_of, text.clone())).await.unwrap();
                    published.push((TOPICS[topic], text));
                }
            }
            Step::Read { percent } => {
                let waiting = reader.waiting(&published);
                if let Some(&target) = waiting.get(waiting.len() * percent / 101) {
                    reader.read_up_to(target, &published).await;
                }
            }
            Step::Hop { transport } => {
                let listed = &transports[transport % transports.len()];
                let position = Position::After(reader.at);
                reader.follower = hub.follow(listed, filters, position).await;
            }
        }
    }
    if let Some(&last) = reader.waiting(&published).last() {
        reader.read_up_to(last, &published).await;
    }
    drop(reader);
    hub.stop().await;
}

#[test]
fn each_notification_arrives_exactly_once_and_in_order_or_is_part_of_a_gap() {
    let step = prop_oneof![
        3 => (0..TOPICS.len(), 1..20_usize).prop_map(|(topic, number)| Step::Publish { topic, number }),
        2 => (0..=100_usize).prop_map(|percent| Step::Read { percent }),
        2 => any::<usize>().prop_map(|transport| Step::Hop { transport }),
    ];
    let strategy = (0..FILTERS.len(), prop::collection::vec(step, 1..25));
    every_mover(async |mover| {
        // The runner is not asynchronous, so it plays each case on another runtime in another thread.
        let played = std::thread::scope(|scope| {
            let playing = scope.spawn(|| {
                let config =
                    ProptestConfig { cases: 20, failure_persistence: None, ..Default::default() };
                let runtime =
                    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                TestRunner::new(config).run(&strategy, |(filters, steps)| {
                    runtime.block_on(in_time(play(mover, FILTERS[filters], &steps)));
                    Ok(())
                })
            });
            playing.join()
        });
        played.unwrap().unwrap();
    });
}
