//! Publishes that wait for the broker, and requests and messages after them.

use std::time::Duration;

use tidings_core::{HubConfig, Position};
use tokio::io::AsyncWriteExt;

use super::model::Model;
use super::plays::{HEALTH, every, every_lane, every_shaped, every_way, post};
use crate::support::{Case, Raw, Running, eventually, masked};
use tidings_transport::Shape;

const TEXT: u8 = 0x81;
const PING: u8 = 0x89;
const CLOSE: u8 = 0x88;

/// A short deadline, for publishes to which the broker does not respond.
fn impatient() -> HubConfig {
    HubConfig::default().publish_deadline(Duration::from_secs(1))
}

fn upgrades(shape: Shape) -> bool {
    shape == Shape::Upgrade
}

async fn socket(case: &Case, hub: &Running) -> Raw {
    let mut socket = Raw::connect(hub.address).await;
    socket.send(case.request("t", "")).await;
    assert_eq!(socket.head().await.status, 101);
    socket
}

fn code((first, payload): &(u8, Vec<u8>)) -> u16 {
    assert_eq!(*first, CLOSE, "{payload:?}");
    u16::from_be_bytes([payload[0], payload[1]])
}

#[test]
fn requests_after_a_pending_publish_are_answered_in_order() {
    every_way(async |mover| {
        let model = Model::default();
        let way = model.way();
        let hub = way.running(mover, HubConfig::default()).await;
        let id = |seq| hub.hub.epoch().id(seq).to_string();
        way.answers.close();
        let mut raw = Raw::connect(hub.address).await;
        let lost = "GET /lost HTTP/1.1\r\nHost: hub\r\n\r\n";
        raw.send(format!("{HEALTH}{}{lost}{}{HEALTH}", post("t", "1"), post("t", "2"))).await;
        assert_eq!(raw.answer().await.text(), "ok\n");
        way.answers.has_waiting(1).await;
        // Further requests come while it is pending.
        raw.send(post("t", "3")).await;
        raw.send(HEALTH).await;
        // Another connection does not wait.
        assert_eq!(Raw::request(hub.address, HEALTH).await.status, 200);
        assert_eq!(model.head().seq, 1, "the second publish did not wait for the first");
        way.answers.open();
        assert_eq!(raw.answer().await.json()["id"], id(1));
        assert_eq!(raw.answer().await.status, 404);
        assert_eq!(raw.answer().await.json()["id"], id(2));
        assert_eq!(raw.answer().await.text(), "ok\n");
        assert_eq!(raw.answer().await.json()["id"], id(3));
        assert_eq!(raw.answer().await.text(), "ok\n");
        raw.send(HEALTH).await;
        assert_eq!(raw.answer().await.text(), "ok\n");
        drop(raw);
        hub.stop().await;
    });
}

#[test]
fn if_one_of_many_fails_the_rest_of_the_request_is_not_published() {
    every_way(async |mover| {
        let model = Model::default();
        let way = model.way();
        let hub = way.running(mover, impatient()).await;
        let body = "{\"topic\":\"t\",\"data\":\"x\"}\n".repeat(5);
        let post = format!(
            "POST /topics HTTP/1.1\r\nHost: hub\r\nContent-Type: application/x-ndjson\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let id = |seq| format!("{{\"id\":\"{}\"}}", hub.hub.epoch().id(seq));
        way.take_upto(2);
        let answer = Raw::request(hub.address, &post).await;
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
        let text = answer.text();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!((&lines[..2], lines.len()), (&[id(1).as_str(), &id(2)][..], 5));
        assert!(lines[2].contains("\"unavailable\"") && lines[2].contains("line 3: "), "{text}");
        assert!(lines[3..].iter().all(|line| line.contains("\"not_published\"")), "{text}");
        assert_eq!(hub.metric("tidings_published_total").await, 2);

        // The broker does not respond in time. The next request on the connection still gets a response.
        way.take_upto(u64::MAX);
        way.answers.close();
        let mut raw = Raw::connect(hub.address).await;
        raw.send(format!("{post}{HEALTH}")).await;
        way.answers.has_waiting(1).await;
        assert_eq!(model.head().seq, 3, "the next one did not wait for the first");
        assert_eq!(raw.answer().await.status, 503);
        assert_eq!(raw.answer().await.text(), "ok\n");
        assert_eq!(model.head().seq, 3);
        drop(raw);
        way.answers.open();
        hub.stop().await;
    });
}

#[test]
fn a_subscription_after_a_pending_publish_begins_at_its_position() {
    every(async |case| {
        let model = Model::default();
        let way = model.way();
        let hub = way.running(case.mover, HubConfig::default()).await;
        way.answers.close();
        let mut raw = Raw::connect(hub.address).await;
        let subscribe = case.request("t", "&after=earliest");
        raw.send(format!("{}{subscribe}", post("t", "first"))).await;
        way.answers.has_waiting(1).await;
        assert!(hub.hub.pool().is_empty());
        way.answers.open();
        assert_eq!(raw.answer().await.status, 200);
        assert!(matches!(raw.head().await.status, 101 | 200));
        raw.until(b"first").await;
        drop(raw);
        hub.stop().await;
    });
}

#[test]
fn a_half_closed_client_receives_all_responses() {
    // hyper ends the connection when the client closes its side.
    every_lane(async |mover| {
        let way = Model::default().way();
        let hub = way.running(mover, HubConfig::default()).await;
        way.answers.close();
        let mut raw = Raw::connect(hub.address).await;
        raw.send(format!("{}{HEALTH}{}{HEALTH}", post("t", "1"), post("t", "2"))).await;
        raw.stream.shutdown().await.unwrap();
        way.answers.has_waiting(1).await;
        // Once another connection has got two responses, the lane has seen the end.
        for _ in 0..2 {
            assert_eq!(Raw::request(hub.address, HEALTH).await.status, 200);
        }
        way.answers.open();
        let all = String::from_utf8(raw.rest().await).unwrap();
        assert_eq!(all.matches("HTTP/1.1 200 ").count(), 4, "{all}");
        hub.stop().await;
    });
}

#[test]
fn a_publish_is_delivered_even_if_its_client_leaves_before_the_response() {
    every(async |case| {
        let way = Model::default().way();
        let hub = way.running(case.mover, HubConfig::default()).await;
        let mut follower = hub.follow_at_once(&case.listed, "t", Position::Live).await;
        let mut seq = 0;
        let upgrades = upgrades(case.shape());
        for is_reset in [false, true] {
            for is_message in [false, true].into_iter().take(if upgrades { 2 } else { 1 }) {
                way.answers.close();
                let mut raw = if is_message {
                    let mut socket = socket(case, &hub).await;
                    socket.send(masked(TEXT, b"news")).await;
                    socket
                } else {
                    Raw::connect(hub.address).await
                };
                if !is_message {
                    raw.send(post("t", "news")).await;
                }
                way.answers.has_waiting(1).await;
                seq += 1;
                if is_reset {
                    raw.reset();
                } else {
                    drop(raw);
                }
                assert_eq!(follower.text().await, (seq, "news".to_owned()));
                way.answers.open();
                way.answers.has_waiting(0).await;
                let others = if case.polls() { 0..=1 } else { 1..=1 };
                eventually("it is gone", async || {
                    // One requests the metric, and one is the follower.
                    hub.metric("tidings_connections").await == 2
                        && others.contains(&hub.hub.pool().len())
                })
                .await;
            }
        }
        drop(follower);
        hub.stop().await;
    });
}

#[test]
fn a_publish_that_the_broker_does_not_answer_fails_in_time() {
    every_way(async |mover| {
        let way = Model::default().way();
        let hub = way.running(mover, impatient()).await;
        way.answers.close();
        let mut raw = Raw::connect(hub.address).await;
        raw.send(format!("{}{HEALTH}{}", post("t", "1"), post("t", "2"))).await;
        let answer = raw.answer().await;
        assert_eq!(answer.rejection(), (503, "unavailable".to_owned()));
        assert_eq!(answer.header("retry-after"), Some("1"));
        assert_eq!(raw.answer().await.status, 200);
        assert_eq!(raw.answer().await.status, 503);
        way.answers.open();
        raw.send(post("t", "3")).await;
        assert_eq!(raw.answer().await.status, 200);
        drop(raw);
        hub.stop().await;
    });
}

#[test]
fn messages_and_pings_of_one_read_keep_their_order() {
    every_shaped(upgrades, async |case| {
        let model = Model::default();
        let way = model.way();
        let hub = way.running(case.mover, HubConfig::default()).await;
        way.answers.close();
        let mut socket = socket(case, &hub).await;
        let mut packet = Vec::new();
        for number in 0..30 {
            packet.extend(masked(TEXT, number.to_string().as_bytes()));
            if number == 9 {
                packet.extend(masked(PING, b"ping"));
            }
        }
        // The last message is split between two packets.
        let rest = packet.split_off(packet.len() - 3);
        socket.send(packet).await;
        way.answers.has_waiting(1).await;
        socket.send(rest).await;
        assert_eq!(Raw::request(hub.address, HEALTH).await.status, 200);
        assert_eq!(model.head().seq, 1, "the second message did not wait for the first");
        way.answers.open();
        let mut frames = Vec::new();
        while frames.len() < 31 {
            frames.push(socket.frame().await);
        }
        let pong = frames.iter().position(|(first, _)| *first == 0x8a).expect("a pong");
        // The messages come back from the broker, so the pong may overtake them.
        assert_eq!(frames.remove(pong).1, b"ping");
        let texts: Vec<_> = frames.iter().map(|(_, text)| String::from_utf8_lossy(text)).collect();
        assert_eq!(texts, (0..30).map(|number| number.to_string()).collect::<Vec<_>>());
        drop(socket);
        hub.stop().await;
    });
}

#[test]
fn messages_before_a_close_are_published_before_the_close_is_answered() {
    every_shaped(upgrades, async |case| {
        let model = Model::default();
        let way = model.way();
        let hub = way.running(case.mover, HubConfig::default()).await;
        way.answers.close();
        let mut socket = socket(case, &hub).await;
        let close = masked(CLOSE, &1000_u16.to_be_bytes());
        socket.send([masked(TEXT, b"one"), masked(TEXT, b"two"), close].concat()).await;
        way.answers.has_waiting(1).await;
        way.answers.open();
        let closed = loop {
            let frame = socket.frame().await;
            if frame.0 != TEXT {
                break frame;
            }
        };
        assert_eq!(code(&closed), 1000);
        assert_eq!(model.head().seq, 2);
        assert!(socket.rest().await.is_empty());
        eventually("its seat is free", async || hub.hub.pool().is_empty()).await;
        hub.stop().await;
    });
}

#[test]
fn a_message_that_is_not_stored_ends_only_its_own_connection() {
    every_shaped(upgrades, async |case| {
        let model = Model::default();
        let way = model.way();
        let hub = way.running(case.mover, impatient()).await;
        let mut other = hub.follow_at_once(&case.listed, "t", Position::Live).await;
        way.answers.close();
        let mut socket = socket(case, &hub).await;
        socket.send([masked(TEXT, b"one"), masked(TEXT, b"two")].concat()).await;
        let ended = loop {
            let frame = socket.frame().await;
            if frame.0 != TEXT {
                break frame;
            }
        };
        assert_eq!(code(&ended), 1013);
        assert_eq!(model.head().seq, 1, "the message after it was published");
        drop(socket);
        way.answers.open();
        hub.publish("t", "still here").await;
        assert_eq!(other.text().await.1, "one");
        assert_eq!(other.text().await.1, "still here");
        drop(other);
        hub.stop().await;
    });
}
