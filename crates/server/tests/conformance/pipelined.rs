//! Pipelining: bytes after a request in the same packet.

use tidings_core::HubConfig;
use tidings_transport::Shape;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{
    Raw, Running, eventually, every_mover, every_on_our_connections, every_pipelining,
    every_poll_without_broker, every_shaped, every_websocket, masked,
};

const POST: &str = "POST /topics/t HTTP/1.1\r\nHost: hub\r\nContent-Length: 5\r\n\r\nfirst";

#[test]
fn a_publish_and_a_subscription_in_one_packet_are_answered_in_order() {
    every_pipelining(async |case| {
        let hub = case.hub().await;
        let mut raw = Raw::connect(hub.address).await;
        raw.send(format!("{POST}{}", case.request("t", "&after=earliest"))).await;
        let published = raw.answer().await;
        assert_eq!(published.status, 200);
        assert_eq!(published.json()["id"], hub.hub.epoch().id(1).to_string());
        assert!(matches!(raw.head().await.status, 101 | 200));
        // Every transport sends this payload unchanged.
        raw.until(b"first").await;
        drop(raw);
        hub.stop().await;
    });
}

#[test]
fn many_publishes_in_one_packet_are_answered_before_the_subscription_after_them() {
    every_pipelining(async |case| {
        let hub = case.hub().await;
        let mut raw = Raw::connect(hub.address).await;
        let head = hub.hub.log().head();
        raw.send(POST.repeat(40) + &case.request("t", &format!("&after={head}"))).await;
        for seq in 1..=40 {
            let answer = raw.answer().await;
            assert_eq!(answer.json()["id"], hub.hub.epoch().id(seq).to_string());
        }
        assert!(matches!(raw.head().await.status, 101 | 200));
        // From a broker they arrive a little after the responses, so a poll may return only some of them.
        let count = if case.polls() && case.mover.broker.is_some() { 1 } else { 40 };
        for _ in 0..count {
            raw.until(b"first").await;
        }
        drop(raw);
        hub.stop().await;
    });
}

#[test]
fn frames_in_the_packet_of_the_handshake_are_read() {
    every_websocket(async |case| {
        let hub = case.hub().await;
        let mut raw = Raw::connect(hub.address).await;
        let frames = [masked(0x81, b"one"), masked(0x89, b"ping"), masked(0x81, b"two")];
        let mut packet = case.request("t", "").into_bytes();
        packet.extend(frames.concat());
        raw.send(packet).await;
        assert_eq!(raw.head().await.status, 101);
        let mut frames = Vec::new();
        for _ in 0..3 {
            frames.push(raw.frame().await);
        }
        // A pong may come between the two messages, which come back in order.
        assert!(frames.contains(&(0x8a, b"ping".to_vec())), "{frames:?}");
        frames.retain(|(first, _)| *first == 0x81);
        assert_eq!(frames, [(0x81, b"one".to_vec()), (0x81, b"two".to_vec())]);
        drop(raw);
        hub.stop().await;
    });
}

#[test]
fn a_held_poll_is_answered_before_the_request_after_it() {
    every_shaped(polls, async |case| {
        let hub = case.hub().await;
        let mut raw = Raw::connect(hub.address).await;
        let head = hub.hub.log().head();
        let held = case.request("t", &format!("&after={head}&wait=20"));
        raw.send(format!("{held}GET /healthz HTTP/1.1\r\nHost: hub\r\n\r\n")).await;
        eventually("it is held", async || hub.hub.pool().len() == 1).await;
        hub.publish("t", "news").await;
        let answer = raw.answer().await.json();
        assert_eq!(answer["notifications"][0]["data"], "news");
        assert_eq!(raw.answer().await.text(), "ok\n");
        drop(raw);
        hub.stop().await;
    });
}

#[test]
fn polls_follow_each_other_on_one_connection() {
    every_shaped(polls, async |case| {
        let hub = case.hub().await;
        let mut raw = Raw::connect(hub.address).await;
        let mut cursor = hub.hub.log().head().to_string();
        for number in 0..20 {
            raw.send(case.request("t", &format!("&after={cursor}"))).await;
            eventually("it is held", async || hub.hub.pool().len() == 1).await;
            hub.publish("t", number.to_string()).await;
            let answer = raw.answer().await.json();
            assert_eq!(answer["notifications"][0]["data"], number.to_string());
            cursor = answer["cursor"].as_str().unwrap().to_owned();
        }
        drop(raw);
        hub.stop().await;
    });
}

#[test]
fn a_request_in_single_bytes_is_a_request() {
    every_mover(async |mover| {
        let hub = Running::start(mover.config(HubConfig::default()).await).await;
        let mut raw = Raw::connect(hub.address).await;
        raw.stream.set_nodelay(true).unwrap();
        for byte in POST.bytes() {
            raw.send([byte]).await;
        }
        assert_eq!(raw.answer().await.status, 200);
        drop(raw);
        hub.stop().await;
    });
}

#[test]
fn requests_without_end_are_answered_as_fast_as_their_answers_are_taken() {
    const REQUESTS: usize = 20_000;
    every_mover(async |mover| {
        let hub = mover.hub().await;
        let (mut answers, mut requests) = Raw::connect(hub.address).await.stream.into_split();
        let sending = tokio::spawn(async move {
            let all = "GET /healthz HTTP/1.1\r\nHost: hub\r\n\r\n".repeat(REQUESTS - 1)
                + "GET /healthz HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n";
            requests.write_all(all.as_bytes()).await.unwrap();
            requests
        });
        // More than fits into the sockets, so that each side has to wait for the other.
        let mut all = String::new();
        answers.read_to_string(&mut all).await.unwrap();
        assert_eq!(all.matches("HTTP/1.1 200 ").count(), REQUESTS);
        drop(sending.await.unwrap());
        hub.stop().await;
    });
}

#[test]
fn a_client_that_disconnects_right_after_its_request_keeps_no_seat() {
    every_on_our_connections(async |case| {
        let hub = case.hub().await;
        let head = hub.hub.log().head();
        for _ in 0..50 {
            drop(case.subscribe(&hub, "t", &format!("&after={head}&wait=60"), "").await);
        }
        // Long before a heartbeat or another write would fail.
        eventually("every seat is free", async || {
            hub.metric("tidings_connections").await == 1 && hub.hub.pool().is_empty()
        })
        .await;
        hub.stop().await;
    });
}

fn polls(shape: Shape) -> bool {
    matches!(shape, Shape::Answer { .. })
}

/// One read of the log covers 4,096 notifications. The notification that was published in the same packet comes after
/// those.
#[test]
fn a_poll_that_is_not_held_returns_what_was_published_right_before_it() {
    // The poll reads the log of the hub, so a broker makes no difference.
    every_poll_without_broker(async |case| {
        let hub = case.hub().await;
        let start = hub.hub.log().head();
        hub.publish_many("others", 4096).await;
        let mut raw = Raw::connect(hub.address).await;
        // After this answer the lane is at the head of the log.
        raw.send(case.request("t", "&wait=0")).await;
        assert_eq!(raw.answer().await.status, 200);
        raw.send(format!("{POST}{}", case.request("t", &format!("&after={start}&wait=0")))).await;
        assert_eq!(raw.answer().await.status, 200);
        assert_eq!(raw.answer().await.json()["notifications"][0]["data"], "first");
        drop(raw);
        hub.stop().await;
    });
}
