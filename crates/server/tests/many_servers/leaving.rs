//! A server shuts down while a response of the broker is pending.

use std::time::Duration;

use tidings_core::{HubConfig, Position};
use tidings_transport::client::Arrival;

use super::model::Model;
use super::plays::{every, every_shaped, every_way, is_answer, keeping, post};
use crate::support::{Mover, Raw, Running, all_listed, eventually, masked};

/// Sends a publish by request and one by message.
async fn publish_twice(hub: &Running, mover: Mover) -> (Raw, Raw) {
    let mut request = Raw::connect(hub.address).await;
    request.send(post("t", "by a request")).await;
    let upgrade = all_listed().into_iter().map(|listed| crate::support::Case { listed, mover });
    let case = upgrade.into_iter().find(|case| case.transport() == "websocket").unwrap();
    let mut socket = Raw::connect(hub.address).await;
    socket.send(case.request("t", "")).await;
    assert_eq!(socket.head().await.status, 101);
    socket.send(masked(0x81, b"by a message")).await;
    (request, socket)
}

#[test]
fn a_server_that_shuts_down_answers_pending_publishes() {
    every_way(async |mover| {
        let model = Model::default();
        let way = model.way();
        let mut hub = way.running(mover, HubConfig::default()).await;
        way.answers.close();
        let (mut request, mut socket) = publish_twice(&hub, mover).await;
        way.answers.has_waiting(2).await;
        hub.ask_to_stop();
        eventually("it is closed", async || hub.hub.pool().closed().is_some()).await;
        way.answers.open();
        let answer = request.answer().await;
        assert_eq!(answer.status, 200);
        assert!(answer.json()["id"].is_string());
        assert!(request.rest().await.is_empty());
        assert_eq!(socket.frames_to_close().await.1, 1001);
        hub.ended().await;
        assert_eq!(model.head().seq, 2);
    });
}

#[test]
fn pending_publishes_do_not_keep_a_server_from_ending() {
    every_way(async |mover| {
        let way = Model::default().way();
        // Long enough for both publishes to arrive before the first one fails.
        let publish_deadline = Duration::from_secs(3);
        let config = HubConfig::default().publish_deadline(publish_deadline);
        let mut hub = way.running(mover, config).await;
        way.answers.close();
        let (mut request, mut socket) = publish_twice(&hub, mover).await;
        way.answers.has_waiting(2).await;
        hub.ask_to_stop();
        assert_eq!(request.answer().await.rejection(), (503, "unavailable".to_owned()));
        assert!(request.rest().await.is_empty());
        // The shutdown or the failed publish, whichever comes first.
        assert!(matches!(socket.frames_to_close().await.1, 1001 | 1013));
        hub.ended().await;
    });
}

#[test]
fn clients_receive_what_other_servers_publish_until_their_goodbye() {
    every_shaped(
        |shape| !is_answer(shape),
        async |case| {
            let model = Model::default();
            let mut config = case.mover.config_of(model.way().hub(HubConfig::default()).await);
            // Longer than the test takes. A lane sends the first goodbyes at once, and the others later.
            config.drain = Duration::from_secs(3600);
            let mut hub = Running::start(config).await;
            let after = Position::After(hub.hub.log().head());
            let mut followers = Vec::new();
            for _ in 0..60 {
                followers.push(hub.follow(&case.listed, "t", after).await);
            }
            eventually("they have seats", async || hub.hub.pool().len() == 60).await;
            hub.ask_to_stop();
            eventually("it is closed", async || hub.hub.pool().closed().is_some()).await;
            model.store("t", "late");
            let mut received = 0;
            for mut follower in followers {
                match follower.news().await {
                    Arrival::Notification(_) => received += 1,
                    Arrival::Goodbye(_) => {}
                    other => panic!("{other:?}"),
                }
            }
            assert!(received >= 20, "{received} of 60 clients received it");
            hub.ended().await;
        },
    );
}

#[test]
fn a_client_that_waits_for_the_broker_receives_the_goodbye_at_its_position() {
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
        // More than are served at a time, before the log and ahead of it.
        for index in 0..40 {
            let after = id(if index % 2 == 0 { 5 } else { 31 });
            if is_answer(case.shape()) {
                // The first poll of our client is not held.
                let mut poll = Raw::connect(hub.address).await;
                poll.send(case.request("t", &format!("&after={after}"))).await;
                polls.push(poll);
            } else {
                streams.push(hub.follow(&case.listed, "t", Position::After(after)).await);
            }
        }
        eventually("they have seats", async || hub.hub.pool().len() == 40).await;
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
