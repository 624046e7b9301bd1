//! A hub shuts down while something is on its way from the broker.

use std::time::Duration;

use tidings_core::{HubConfig, Position};

use super::model::Model;
use super::plays::{every, every_way, is_answer, keeping, post};
use crate::support::{Mover, Raw, Running, all_listed, eventually, masked};

/// A publish by request and one by message, both on their way.
async fn on_the_way(hub: &Running, mover: Mover) -> (Raw, Raw) {
    let mut asks = Raw::connect(hub.address).await;
    asks.send(post("t", "asked")).await;
    let upgrade = all_listed().into_iter().map(|listed| crate::support::Case { listed, mover });
    let case = upgrade.into_iter().find(|case| case.transport() == "websocket").unwrap();
    let mut says = Raw::connect(hub.address).await;
    says.send(case.request("t", "")).await;
    assert_eq!(says.head().await.status, 101);
    says.send(masked(0x81, b"said")).await;
    (asks, says)
}

async fn close_code(mut socket: Raw) -> u16 {
    loop {
        let (first, payload) = socket.frame().await;
        if first == 0x88 {
            return u16::from_be_bytes([payload[0], payload[1]]);
        }
    }
}

#[test]
fn publishes_on_the_way_are_answered_by_a_hub_that_shuts_down() {
    every_way(async |mover| {
        let model = Model::default();
        let way = model.way();
        let mut hub = way.running(mover, HubConfig::default()).await;
        way.answers.close();
        let (mut asks, says) = on_the_way(&hub, mover).await;
        way.answers.has_waiting(2).await;
        hub.ask_to_stop();
        eventually("it is closed", async || hub.hub.pool().closed().is_some()).await;
        way.answers.open();
        let answer = asks.answer().await;
        assert_eq!(answer.status, 200);
        assert!(answer.json()["id"].is_string());
        assert!(asks.rest().await.is_empty());
        assert_eq!(close_code(says).await, 1001);
        hub.ended().await;
        assert_eq!(model.head().seq, 2);
    });
}

#[test]
fn publishes_that_are_not_answered_do_not_keep_a_hub() {
    every_way(async |mover| {
        let way = Model::default().way();
        // Long enough for both publishes to arrive before the first one is given up.
        let publish_deadline = Duration::from_secs(3);
        let config = HubConfig::default().publish_deadline(publish_deadline);
        let mut hub = way.running(mover, config).await;
        way.answers.close();
        let (mut asks, says) = on_the_way(&hub, mover).await;
        way.answers.has_waiting(2).await;
        hub.ask_to_stop();
        assert_eq!(asks.answer().await.rejection(), (503, "unavailable".to_owned()));
        assert!(asks.rest().await.is_empty());
        // It is told whichever comes first.
        assert!(matches!(close_code(says).await, 1001 | 1013));
        hub.ended().await;
    });
}

#[test]
fn who_waits_for_the_broker_is_told_goodbye_where_it_stands() {
    every(async |case| {
        let model = Model::default();
        for seq in 1..=30 {
            model.store("t", seq.to_string());
        }
        let way = model.way();
        let mut hub = way.running(case.mover, keeping(10)).await;
        way.replays.close();
        let id = |seq| hub.hub.epoch().id(seq);
        let (mut streams, mut polls) = (Vec::new(), Vec::new());
        // More than are served at a time, below the log and ahead of it.
        for index in 0..40 {
            let after = id(if index % 2 == 0 { 5 } else { 31 });
            if is_answer(case.shape()) {
                // Our client's first poll is not held.
                let mut poll = Raw::connect(hub.address).await;
                poll.send(case.request("t", &format!("&after={after}"))).await;
                polls.push(poll);
            } else {
                streams.push(hub.follow(&case.listed, "t", Position::After(after)).await);
            }
        }
        eventually("they are there", async || hub.hub.pool().len() == 40).await;
        way.replays.has_waiting(16).await;
        hub.ask_to_stop();
        for stream in streams {
            assert_eq!(stream.goodbye().await.code, Some(1001));
        }
        for mut poll in polls {
            let answer = poll.answer().await.json();
            assert_eq!(answer["goodbye"]["reason"], "going_away", "{answer}");
        }
        hub.ended().await;
        way.replays.has_waiting(0).await;
    });
}
