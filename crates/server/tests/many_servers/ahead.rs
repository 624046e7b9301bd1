//! Positions ahead of the log of a server, because another server was faster.

use std::time::Duration;

use tidings_core::{GapReason, Heartbeat, HubConfig, Id, Kind, Position};
use tidings_transport::client::Arrival;

use super::model::{Model, Way};
use super::plays::{every, every_shaped, is_answer, keeping};
use crate::support::{Case, Raw, Running, eventually};

/// Starts two servers. `published` notifications are published through the first one, and the second one does not
/// receive them yet. Returns the model, the broker of the second server, both servers and the ids, beginning with that
/// of the start.
async fn one_and_other(
    case: &Case,
    config: HubConfig,
    published: usize,
) -> (Model, Way, Running, Running, Vec<Id>) {
    let model = Model::default();
    let lagging = model.way();
    lagging.hold_at(0);
    let one = model.way().running(case.mover, config.clone()).await;
    let other = lagging.running(case.mover, config).await;
    let mut publisher = one.publisher("t").await;
    let mut ids = vec![one.hub.epoch().id(0)];
    for number in 1..=published {
        ids.push(publisher.publish(Kind::Text, number.to_string().into()).await.unwrap());
    }
    (model, lagging, one, other, ids)
}

#[test]
fn a_position_of_another_server_is_accepted_at_once_and_what_follows_arrives() {
    every(async |case| {
        let (model, lagging, one, other, ids) = one_and_other(case, HubConfig::default(), 3).await;
        let mut followers = Vec::new();
        for (seq, id) in ids.iter().enumerate().skip(1) {
            for filters in ["t", ">", "other,t"] {
                let position = Position::After(*id);
                let follower = other.follow_at_once(&case.listed, filters, position).await;
                followers.push((follower, seq as u64));
            }
        }
        eventually("they have seats", async || other.hub.pool().len() == followers.len()).await;
        // The server receives one after the other, and each client receives only what follows its own position.
        for upto in 1..=3 {
            lagging.hold_at(upto);
            other.comes_to(upto).await;
        }
        model.store("t", "4");
        lagging.hold_at(4);
        for (follower, seq) in &mut followers {
            for next in *seq + 1..=4 {
                assert_eq!(follower.text().await, (next, next.to_string()), "after {seq}");
            }
        }
        lagging.release();
        let last = one.publish("t", "live").await;
        for (follower, _) in &mut followers {
            assert_eq!(follower.text().await, (last.seq, "live".to_owned()));
        }
        drop(followers);
        one.stop().await;
        other.stop().await;
    });
}

#[test]
fn many_clients_ahead_of_the_log_are_served_at_once() {
    every(async |case| {
        let (model, lagging, one, other, ids) = one_and_other(case, HubConfig::default(), 5).await;
        let mut followers = Vec::new();
        for _ in 0..60 {
            followers.push(other.follow_at_once(&case.listed, "t", Position::After(ids[5])).await);
        }
        eventually("they have seats", async || other.hub.pool().len() == 60).await;
        model.store("t", "6");
        // The log passes all of their positions at once.
        lagging.release();
        for follower in &mut followers {
            assert_eq!(follower.text().await, (6, "6".to_owned()));
        }
        drop(followers);
        one.stop().await;
        other.stop().await;
    });
}

#[test]
fn heartbeats_of_a_client_ahead_of_the_log_contain_its_own_position() {
    every_shaped(
        |shape| !is_answer(shape),
        async |case| {
            let heartbeat =
                Heartbeat::default().interval(Duration::from_millis(30)).strikes(u8::MAX);
            let config = HubConfig::default().heartbeat(heartbeat);
            let (_, _, one, other, ids) = one_and_other(case, config, 3).await;
            let mut follower =
                other.follow_at_once(&case.listed, "t", Position::After(ids[2])).await;
            for _ in 0..6 {
                match follower.arrival().await {
                    Arrival::Heartbeat(at) => assert!(at.is_none_or(|id| id == ids[2])),
                    other => panic!("{other:?}"),
                }
            }
            drop(follower);
            one.stop().await;
            other.stop().await;
        },
    );
}

#[test]
fn a_poll_ahead_of_the_log_that_does_not_wait_keeps_its_cursor() {
    every_shaped(is_answer, async |case| {
        let (_, lagging, one, other, ids) = one_and_other(case, HubConfig::default(), 3).await;
        let mut raw = Raw::connect(other.address).await;
        for _ in 0..3 {
            raw.send(case.request("t", &format!("&after={}&wait=0", ids[2]))).await;
            let answer = raw.answer().await.json();
            assert_eq!(answer["cursor"], ids[2].to_string(), "{answer}");
            assert_eq!(answer["notifications"].as_array().map(Vec::len), Some(0), "{answer}");
            assert!(answer["gap"].is_null(), "{answer}");
        }
        lagging.release();
        other.comes_to(3).await;
        raw.send(case.request("t", &format!("&after={}&wait=0", ids[2]))).await;
        assert_eq!(raw.answer().await.json()["notifications"][0]["data"], "3");
        drop(raw);
        one.stop().await;
        other.stop().await;
    });
}

#[test]
fn a_position_far_ahead_is_one_of_another_epoch() {
    every(async |case| {
        let (_, lagging, one, other, _) = one_and_other(case, HubConfig::default(), 3).await;
        let position = one.hub.epoch().id(1_000_000);
        for hub in [&one, &other] {
            let mut follower =
                hub.follow_at_once(&case.listed, ">", Position::After(position)).await;
            let gap = follower.gap().await;
            assert_eq!((gap.after, gap.resume), (position, hub.hub.epoch().id(0)));
            assert_eq!((gap.missed, gap.reason), (None, GapReason::Epoch));
            lagging.release();
            assert_eq!(follower.seqs(3).await, [1, 2, 3]);
        }
        one.stop().await;
        other.stop().await;
    });
}

#[test]
fn a_client_ahead_of_the_log_receives_a_gap_if_the_epoch_changes() {
    every(async |case| {
        let (model, lagging, one, other, ids) = one_and_other(case, HubConfig::default(), 3).await;
        let mut follower = other.follow_at_once(&case.listed, ">", Position::After(ids[3])).await;
        eventually("it has a seat", async || other.hub.pool().len() == 1).await;
        model.roll_back(2, 1);
        lagging.release();
        let gap = follower.gap().await;
        assert_eq!((gap.after, gap.reason), (ids[3], GapReason::Epoch));
        assert_eq!((gap.resume.epoch, gap.resume.seq), (model.head().epoch, 0));
        assert_eq!(follower.seqs(1).await, [1]);
        drop(follower);
        one.stop().await;
        other.stop().await;
    });
}

#[test]
fn a_client_ahead_of_the_log_receives_a_gap_if_the_rest_is_purged_first() {
    every(async |case| {
        let (model, lagging, one, other, ids) = one_and_other(case, keeping(100), 3).await;
        let mut follower = other.follow_at_once(&case.listed, ">", Position::After(ids[2])).await;
        eventually("it has a seat", async || other.hub.pool().len() == 1).await;
        model.store("t", "4");
        model.purge(4);
        model.cut();
        lagging.release();
        let gap = follower.gap().await;
        assert_eq!((gap.after, gap.resume.seq, gap.missed), (ids[2], 4, Some(2)));
        model.store("t", "5");
        assert_eq!(follower.text().await, (5, "5".to_owned()));
        drop(follower);
        one.stop().await;
        other.stop().await;
    });
}
