//! A full server rejects further clients, and the rejection contains when to try again.

use std::time::Duration;

use tidings_core::{HubConfig, Limits, Position};
use tidings_server::Listed;
use tidings_transport::client::ClientError;

use crate::support::{
    Case, Peer, Raw, Running, all_listed, eventually, every, every_mover_without_broker,
    every_on_our_connections,
};

async fn assert_full(hub: &Running, listed: &Listed, filters: &str) {
    let rejected = hub.try_follow(listed, filters, Position::Live).await;
    match rejected.map(|_| "connected").expect_err("it is full") {
        ClientError::Rejected { status, retry_after, message, .. } => {
            assert_eq!(status, 503);
            // The reason of a closed session has no header.
            let is_session = listed.server.name() == "webtransport";
            let expected = (!is_session).then_some(Duration::from_secs(5));
            assert_eq!(retry_after, expected);
            assert!(message.contains("try again later"), "{message}");
        }
        other => panic!("{other}"),
    }
}

/// A client that keeps its seat until it is dropped. A polling client of ours has a seat only during a request.
async fn seated(case: &Case, hub: &Running, filters: &str) -> Peer {
    let after = hub.hub.log().head();
    case.subscribe(hub, filters, &format!("&after={after}"), "").await
}

/// WebTransport is one more, if the server of this case has it.
fn all_of(case: &Case) -> Vec<Listed> {
    let session = case.is_session().then(|| case.listed.clone());
    all_listed().into_iter().chain(session).collect()
}

#[test]
fn a_full_pool_rejects_clients_until_a_seat_is_free() {
    every_on_our_connections(async |case| {
        let limits = Limits::default().total(2);
        let config = case.config(HubConfig::default().limits(limits)).await;
        let hub = Running::start(config).await;
        let one = seated(case, &hub, "t").await;
        let two = seated(case, &hub, "t").await;
        eventually("both have a seat", async || hub.hub.pool().len() == 2).await;
        for other in all_of(case) {
            assert_full(&hub, &other, "t").await;
        }
        drop(one);
        eventually("one has left", async || hub.hub.pool().len() == 1).await;
        let mut three = hub.follow(&case.listed, "t", Position::Live).await;
        hub.publish("t", "welcome").await;
        assert_eq!(three.text().await.1, "welcome");
        drop(two);
        drop(three);
        hub.stop().await;
    });
}

#[test]
fn one_transport_can_be_full_while_the_others_are_not() {
    every(async |case| {
        let limits = Limits::default().transport(case.transport(), 1);
        let config = case.config(HubConfig::default().limits(limits)).await;
        let hub = Running::start(config).await;
        let one = seated(case, &hub, "t").await;
        eventually("it has its seat", async || hub.hub.pool().len() == 1).await;
        for other in all_of(case) {
            if other.server.name() == case.transport() {
                assert_full(&hub, &other, "t").await;
            } else {
                hub.try_follow(&other, "t", Position::Live).await.unwrap();
            }
        }
        drop(one);
        hub.stop().await;
    });
}

#[test]
fn a_server_full_of_filters_serves_clients_with_few() {
    every_on_our_connections(async |case| {
        let limits = Limits::default().filters(70);
        let config = case.config(HubConfig::default().limits(limits)).await;
        let hub = Running::start(config).await;
        let many = (0..64).map(|number| format!("a{number}.*")).collect::<Vec<_>>().join(",");
        let greedy = seated(case, &hub, &many).await;
        eventually("it has its seat", async || hub.hub.pool().len() == 1).await;
        for other in all_of(case) {
            assert_full(&hub, &other, &many).await;
            hub.try_follow(&other, "a.*,b.*,c.>,d", Position::Live).await.unwrap();
        }
        drop(greedy);
        eventually("it has left", async || hub.hub.pool().is_empty()).await;
        hub.follow(&case.listed, &many, Position::Live).await;
        hub.stop().await;
    });
}

#[test]
fn a_connection_over_the_limit_is_answered_and_closed() {
    every_on_our_connections(async |case| {
        let mut config = case.config(HubConfig::default()).await;
        config.max_connections = 2;
        let hub = Running::start(config).await;
        let one = seated(case, &hub, "t").await;
        let two = seated(case, &hub, "t").await;
        eventually("both have a seat", async || hub.hub.pool().len() == 2).await;

        let mut third = Raw::connect(hub.address).await;
        third.send("GET /transports HTTP/1.1\r\nHost: hub\r\n\r\n").await;
        let answer = third.answer().await;
        assert_eq!(answer.rejection(), (503, "full".to_owned()));
        assert_eq!(answer.header("retry-after"), Some("5"));
        assert!(third.rest().await.is_empty(), "the connection is closed");
        for other in all_of(case) {
            assert_full(&hub, &other, "t").await;
        }
        // If the liveness probe failed, a full server would be restarted.
        assert_eq!(Raw::get(hub.address, "/healthz").await.status, 200);

        drop(two);
        eventually("it has left", async || hub.hub.pool().len() == 1).await;
        eventually("its connection is free", async || {
            let mut raw = Raw::connect(hub.address).await;
            raw.try_send("GET /transports HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n")
                .await;
            String::from_utf8(raw.rest().await).unwrap().starts_with("HTTP/1.1 200")
        })
        .await;
        drop(one);
        hub.stop().await;
    });
}

/// The server waits for the request of at most 1,024 connections over the limit. Further connections are answered at
/// once.
#[test]
fn connections_far_over_the_limit_are_answered_at_once() {
    /// One connection within the limit, and those over it whose request is waited for.
    const WAITED_FOR: usize = 1 + 1024;
    rlimit::increase_nofile_limit(u64::MAX).unwrap();
    every_mover_without_broker(async |mover| {
        let mut config = mover.config(HubConfig::default()).await;
        config.max_connections = 1;
        let hub = Running::start(config).await;
        eventually("one more gets a response", async || {
            // They are closed after some seconds, and a slow machine opens few in that time.
            let mut held = Vec::new();
            for _ in 0..WAITED_FOR {
                held.push(Raw::connect(hub.address).await);
            }
            let one_more = Raw::connect(hub.address).await;
            one_more.rest().await.starts_with(b"HTTP/1.1 503 ")
        })
        .await;
        hub.stop().await;
    });
}
