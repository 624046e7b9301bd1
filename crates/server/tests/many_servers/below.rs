//! Positions before the floor of the log: the server reads what follows from the broker, if the broker still has it.

use std::time::Duration;

use tidings_core::{GapReason, Position, Reason, SlowPolicy};
use tidings_transport::Shape;
use tokio::time::timeout;

use super::model::{Model, Way};
use super::plays::{every, every_over_brokers, every_shaped, is_answer, keeping};
use super::stage::Shared;
use crate::support::{Case, Follower, Raw, Running, eventually, flood, gaps};

/// The number of stored notifications. It is more than one portion of a lane, a stream or a poll.
const STORED: u64 = 2500;
/// The retention of the server.
const KEPT: usize = 10;

const TOPICS: [&str; 4] = ["a", "b", "c.x", "d.x"];

/// Filters, with the indexes of the topics that they match.
const FILTERS: [(&str, &[usize]); 4] =
    [("a", &[0]), ("b,c.x", &[1, 2]), ("*.x,b", &[1, 2, 3]), (">", &[0, 1, 2, 3])];

fn topic(seq: u64) -> usize {
    (seq % 4) as usize
}

fn expected(matching: &[usize], after: u64, upto: u64) -> Vec<u64> {
    (after + 1..=upto).filter(|&seq| matching.contains(&topic(seq))).collect()
}

fn filled(upto: u64) -> Model {
    let model = Model::default();
    for seq in 1..=upto {
        model.store(TOPICS[topic(seq)], seq.to_string());
    }
    model
}

async fn hub(case: &Case, way: &Way, policy: SlowPolicy) -> Running {
    let mut config = case.mover.config_of(way.hub(keeping(KEPT)).await);
    config.slow = policy;
    Running::start(config).await
}

#[test]
fn notifications_of_the_broker_arrive_and_then_live_ones() {
    every(async |case| {
        for policy in [SlowPolicy::Gap, SlowPolicy::Disconnect, SlowPolicy::KeepLatest] {
            let model = filled(STORED);
            let way = model.way();
            let hub = hub(case, &way, policy).await;
            assert_eq!(hub.hub.log().size().0, KEPT);
            way.replays.close();
            let id = |seq| hub.hub.epoch().id(seq);
            let mut followers = Vec::new();
            for (filters, matching) in FILTERS {
                for after in [0, 7, STORED - KEPT as u64 - 1] {
                    let position = Position::After(id(after));
                    let follower = hub.follow_in_background(&case.listed, filters, position);
                    followers.push((follower, matching, after));
                }
            }
            way.replays.has_waiting(followers.len()).await;
            // More than the server retains is published during the replays.
            let upto = STORED + 2 * KEPT as u64;
            for seq in STORED + 1..=upto {
                hub.publish(TOPICS[topic(seq)], seq.to_string()).await;
            }
            way.replays.open();
            for (follower, matching, after) in &mut followers {
                let expected = expected(matching, *after, upto);
                assert_eq!(follower.seqs(expected.len()).await, expected, "after {after}");
            }
            let last = hub.publish("b", "b").await.seq;
            for (follower, matching, _) in &mut followers {
                if matching.contains(&1) {
                    assert_eq!(follower.text().await, (last, "b".to_owned()));
                }
            }
            drop(followers);
            hub.stop().await;
        }
    });
}

#[test]
fn a_client_whose_replay_fails_is_disconnected_and_can_resume() {
    every(async |case| {
        let model = filled(2 * KEPT as u64);
        let way = model.way();
        let config = keeping(KEPT).replay_deadline(Duration::from_millis(200));
        let hub = Running::start(case.mover.config_of(way.hub(config).await)).await;
        let position = Position::After(hub.hub.epoch().id(2));
        way.fail_replays(true);
        let follower = hub.follow_at_once(&case.listed, "a", position).await;
        assert_eq!(follower.goodbye().await.code, Some(Reason::Unavailable.code()));
        way.fail_replays(false);
        let mut follower = hub.follow_at_once(&case.listed, "a", position).await;
        let expected = expected(&[0], 2, 2 * KEPT as u64);
        assert_eq!(follower.seqs(expected.len()).await, expected);
        drop(follower);
        hub.stop().await;
    });
}

#[test]
fn polls_that_do_not_wait_return_notifications_of_the_broker() {
    every_shaped(is_answer, async |case| {
        let model = filled(STORED);
        let way = model.way();
        let hub = hub(case, &way, SlowPolicy::Gap).await;
        let mut raw = Raw::connect(hub.address).await;
        for (filters, matching) in FILTERS {
            // The replay is held, so that the poll finds it in progress.
            way.replays.close();
            let filters = filters.replace('>', "%3E");
            let mut cursor = hub.hub.epoch().id(7).to_string();
            let mut read = Vec::new();
            loop {
                raw.send(case.request(&filters, &format!("&after={cursor}&wait=0"))).await;
                if read.is_empty() {
                    way.replays.has_waiting(1).await;
                    // An empty response would be wrong, because there are notifications.
                    let early = timeout(Duration::from_millis(60), raw.answer()).await;
                    assert!(early.is_err(), "{early:?}");
                    way.replays.open();
                }
                let answer = raw.answer().await.json();
                assert!(answer["gap"].is_null(), "{answer}");
                cursor = answer["cursor"].as_str().unwrap().to_owned();
                let notifications = answer["notifications"].as_array().unwrap();
                if notifications.is_empty() {
                    break;
                }
                for one in notifications {
                    read.push(one["data"].as_str().unwrap().parse::<u64>().unwrap());
                }
            }
            assert_eq!(cursor, model.head().to_string());
            assert_eq!(read, expected(matching, 7, STORED), "{filters}");
        }
        drop(raw);
        hub.stop().await;
    });
}

#[test]
fn at_most_sixteen_clients_are_served_from_the_broker_at_the_same_time() {
    every(async |case| {
        let model = filled(100);
        let way = model.way();
        let hub = hub(case, &way, SlowPolicy::Gap).await;
        way.replays.close();
        let mut followers = Vec::new();
        for _ in 0..50 {
            let position = Position::After(hub.hub.epoch().id(50));
            followers.push(hub.follow_in_background(&case.listed, ">", position));
        }
        eventually("they have seats", async || hub.hub.pool().len() == 50).await;
        way.replays.has_waiting(16).await;
        // A client that leaves makes room for another one.
        followers.drain(..25);
        eventually("they have left", async || hub.hub.pool().len() == 25).await;
        way.replays.has_waiting(16).await;
        way.replays.open();
        for follower in &mut followers {
            assert_eq!(follower.seqs(50).await, Vec::from_iter(51..=100));
        }
        drop(followers);
        hub.stop().await;
    });
}

#[test]
fn what_the_broker_has_evicted_is_a_gap_before_the_rest() {
    every(async |case| {
        for policy in [SlowPolicy::Gap, SlowPolicy::Disconnect, SlowPolicy::KeepLatest] {
            let model = filled(100);
            let hub = hub(case, &model.way(), policy).await;
            model.purge(60);
            let id = |seq| hub.hub.epoch().id(seq);
            for (after, missed) in [(5, Some(55)), (59, Some(1))] {
                let position = Position::After(id(after));
                let mut follower = hub.follow_at_once(&case.listed, ">", position).await;
                let gap = follower.gap().await;
                assert_eq!((gap.after, gap.resume), (id(after), id(60)));
                assert_eq!((gap.missed, gap.reason), (missed, GapReason::Evicted));
                assert_eq!(follower.seqs(40).await, Vec::from_iter(61..=100));
            }
            let mut whole = hub.follow_at_once(&case.listed, ">", Position::After(id(60))).await;
            assert_eq!(whole.seqs(40).await, Vec::from_iter(61..=100));
            let mut filtered = hub.follow_at_once(&case.listed, "a", Position::After(id(5))).await;
            assert_eq!(filtered.gap().await.missed, None);
            assert_eq!(filtered.seqs(10).await, expected(&[0], 60, 100));
            drop((whole, filtered));
            hub.stop().await;
        }
    });
}

#[test]
fn real_brokers_serve_what_the_server_no_longer_retains() {
    const PUBLISHED: u64 = 1200;
    /// More than one batch of a broker (512) and one portion of a lane (1,024).
    const IN_BROKER: u64 = 1100;
    every_over_brokers(async |case| {
        let stream = Shared::new(case.mover.broker.unwrap(), Some(IN_BROKER));
        let hub = stream.running(case.mover, keeping(KEPT)).await;
        hub.publish_many("a", PUBLISHED).await;
        let (id, floor) = (|seq| hub.hub.epoch().id(seq), PUBLISHED - IN_BROKER);
        for filters in ["a", "b,a", ">"] {
            let position = Position::After(id(floor));
            let mut follower = hub.follow_at_once(&case.listed, filters, position).await;
            let expected = Vec::from_iter(floor + 1..=PUBLISHED);
            assert_eq!(follower.seqs(expected.len()).await, expected, "{filters}");

            let position = Position::After(id(floor - 1));
            let mut follower = hub.follow_at_once(&case.listed, filters, position).await;
            let gap = follower.gap().await;
            assert_eq!((gap.after, gap.resume), (id(floor - 1), id(floor)));
            assert_eq!(gap.reason, GapReason::Evicted);
            assert_eq!(follower.seqs(expected.len()).await, expected, "{filters}");
        }
        // Each publish evicts the oldest notification of the broker.
        let position = Position::After(id(floor + 1));
        let mut none = hub.follow_at_once(&case.listed, "b", position).await;
        let live = hub.publish("b", "live").await;
        assert_eq!(none.text().await, (live.seq, "live".to_owned()));
        drop(none);
        hub.stop().await;
    });
}

#[test]
fn a_slow_reader_receives_from_the_broker_what_the_server_has_evicted() {
    every(async |case| {
        let (hub, mut slow, mut quick) = readers(case, SlowPolicy::Gap).await;
        let last = flood(&hub, &mut quick, 0).await;
        assert_eq!(slow.read_up_to(last, 0).await, []);
        hub.publish("t", "the next").await;
        assert_eq!(slow.text().await, (last.seq + 1, "the next".to_owned()));
        drop((slow, quick));
        hub.stop().await;
    });
}

#[test]
fn a_slow_reader_is_disconnected_if_that_is_the_policy_even_with_a_broker() {
    every_shaped(stays, async |case| {
        let (hub, slow, mut quick) = readers(case, SlowPolicy::Disconnect).await;
        flood(&hub, &mut quick, 0).await;
        drop(quick);
        assert_eq!(slow.goodbye().await.code, Some(Reason::TooSlow.code()));
        hub.stop().await;
    });
}

#[test]
fn a_slow_reader_receives_the_latest_if_that_is_the_policy_even_with_a_broker() {
    every_shaped(stays, async |case| {
        let (hub, mut slow, mut quick) = readers(case, SlowPolicy::KeepLatest).await;
        let (last, gaps) = gaps(&hub, &mut slow, &mut quick, 1).await;
        let gap = gaps.last().expect("it was slow");
        assert_eq!((gap.resume.seq, gap.reason), (last.seq - 1, GapReason::Lagged));
        drop((slow, quick));
        hub.stop().await;
    });
}

fn stays(shape: Shape) -> bool {
    !is_answer(shape)
}

/// A server with a reader that does not read and a quick one.
async fn readers(case: &Case, policy: SlowPolicy) -> (Running, Follower, Follower) {
    let model = Model::default();
    let hub = hub(case, &model.way(), policy).await;
    let slow = hub.follow(&case.listed, ">", Position::Live).await;
    let quick = hub.follow_at_once(&case.listed, ">", Position::Live).await;
    (hub, slow, quick)
}
