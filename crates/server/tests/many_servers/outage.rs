//! An outage of the broker.

use std::time::{Duration, Instant};

use futures::future::join_all;
use tidings_core::{Heartbeat, HubConfig, Position};
use tidings_transport::Shape;
use tidings_transport::client::Arrival;

use super::plays::{every_broker, post};
use super::stage::Own;
use crate::support::{Case, Raw, Running, all_listed, eventually, masked};

const DEADLINE: Duration = Duration::from_secs(2);

/// Longer than the hold of a poll in this scenario and than many intervals of heartbeats.
const STAYS: Duration = Duration::from_millis(1200);

fn config() -> HubConfig {
    // Not every client of this scenario responds to pings.
    HubConfig::default()
        .publish_deadline(DEADLINE)
        .heartbeat(Heartbeat::default().interval(Duration::from_millis(100)).strikes(u8::MAX))
}

/// Publishes with a key until the notification is stored.
async fn publish_until_stored(hub: &Running, text: &str) {
    eventually("it is stored", async || {
        let plain = post("t", text);
        let keyed =
            plain.replacen("Host: hub", &format!("Host: hub\r\nIdempotency-Key: {text}"), 1);
        Raw::request(hub.address, keyed).await.status == 200
    })
    .await;
}

#[test]
fn nothing_is_lost_in_an_outage_of_the_broker_and_clients_stay_connected() {
    every_broker(async |mover| {
        let mut broker = Own::start(mover.broker.unwrap()).await;
        let stream = broker.stream();
        let one = stream.running(mover, config()).await;
        let other = stream.running(mover, config()).await;
        let mut followers = Vec::new();
        for hub in [&one, &other] {
            for listed in all_listed() {
                let case = Case { listed: listed.clone(), mover };
                let follower = hub.follow(&listed, "t?wait=1", Position::Live).await;
                followers.push((case, follower));
            }
        }
        let first = one.publish("t", "before").await;
        for (_, follower) in &mut followers {
            assert_eq!(follower.text().await, (first.seq, "before".to_owned()));
        }
        let upgrade = followers.iter().map(|(case, _)| case.clone());
        let upgrade = upgrade.into_iter().find(|case| case.shape() == Shape::Upgrade).unwrap();
        let mut socket = Raw::connect(one.address).await;
        socket.send(upgrade.request("t", "")).await;
        assert_eq!(socket.head().await.status, 101);
        let name = "tidings_broker_connected";
        assert_eq!(one.metric(name).await, 1);

        broker.stop().await;
        for hub in [&one, &other] {
            eventually("it is not connected", async || hub.metric(name).await == 0).await;
        }
        let answer = Raw::request(one.address, post("t", "in vain")).await;
        assert_eq!(answer.rejection(), (503, "unavailable".to_owned()));
        assert_eq!(answer.header("retry-after"), Some("1"));

        socket.send(masked(0x81, b"in vain as well")).await;
        let code = loop {
            let (first, payload) = socket.frame().await;
            match first {
                0x88 => break u16::from_be_bytes([payload[0], payload[1]]),
                0x89 => socket.send(masked(0x8a, &payload)).await,
                other => panic!("{other:x}"),
            }
        };
        assert_eq!(code, 1013);

        // Other clients stay connected and receive heartbeats. A poll returns its position at the end of its hold.
        let since = Instant::now();
        let waiting = followers.iter_mut().map(async |(case, follower)| {
            while since.elapsed() < STAYS {
                match follower.arrival().await {
                    Arrival::Heartbeat(at) => assert!(at.is_none_or(|id| id == first)),
                    other => panic!("{}: {other:?}", case.name()),
                }
            }
        });
        join_all(waiting).await;
        for hub in [&one, &other] {
            let mut raw = Raw::connect(hub.address).await;
            for wait in [0, 1] {
                let query = format!("transport=long-polling&after={first}&wait={wait}");
                raw.send(format!("GET /topics/t?{query} HTTP/1.1\r\nHost: hub\r\n\r\n")).await;
                let answer = raw.answer().await.json();
                assert_eq!(answer["cursor"], first.to_string(), "{answer}");
                assert!(answer["gap"].is_null(), "{answer}");
            }
        }

        // A publish that is retried until it is stored is stored once.
        let meanwhile = async {
            publish_until_stored(&one, "during-1").await;
            publish_until_stored(&other, "during-2").await;
        };
        let (_, ()) = tokio::join!(broker.start_again(), meanwhile);
        for hub in [&one, &other] {
            eventually("it is connected again", async || hub.metric(name).await == 1).await;
        }
        one.publish("t", "after-1").await;
        other.publish("t", "after-2").await;
        for (case, follower) in &mut followers {
            let mut texts = Vec::new();
            let mut at = first.seq;
            while texts.last().is_none_or(|text| text != "after-2") {
                let (seq, text) = follower.text().await;
                assert_eq!(seq, at + 1, "{}: {text} after {texts:?}", case.name());
                at = seq;
                texts.push(text);
            }
            // A publish that failed may have been stored or not.
            texts.retain(|text: &String| !text.starts_with("in vain"));
            assert_eq!(texts, ["during-1", "during-2", "after-1", "after-2"], "{}", case.name());
        }
        drop((followers, socket));
        one.stop().await;
        other.stop().await;
    });
}
