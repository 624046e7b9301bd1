//! Shutdown: every client receives a goodbye, and the server ends in bounded time.

use std::time::{Duration, Instant};

use tidings_core::{HubConfig, Position, Reason};
use tidings_transport::Shape;
use tokio::task::JoinSet;

use crate::support::{
    PATIENCE, Raw, Running, all_listed, cases_of, eventually, every, every_mover,
    every_mover_and_session, every_on_our_connections, every_shaped,
};

const STREAMS: usize = 100;

fn polls(shape: Shape) -> bool {
    matches!(shape, Shape::Answer { .. })
}

#[test]
fn a_shutdown_sends_a_goodbye_to_every_stream() {
    every(async |case| {
        let mut hub = case.hub().await;
        let after = Position::After(hub.hub.log().head());
        let mut streams = JoinSet::new();
        for _ in 0..STREAMS {
            streams.spawn(hub.follow(&case.listed, "t", after).await.goodbye());
        }
        eventually("all have a seat", async || hub.hub.pool().len() == STREAMS).await;
        hub.ask_to_stop();
        while let Some(goodbye) = streams.join_next().await {
            let goodbye = goodbye.unwrap();
            assert_eq!(goodbye.code, Some(Reason::GoingAway.code()));
            assert!(goodbye.is_worth_reconnecting());
        }
        hub.ended().await;
    });
}

#[test]
fn the_goodbyes_are_spread_over_the_drain() {
    // The same holds for held polls.
    every_on_our_connections(async |case| {
        let mut config = case.config(HubConfig::default()).await;
        config.drain = Duration::from_secs(1);
        let mut hub = Running::start(config).await;
        let after = Position::After(hub.hub.log().head());
        let mut streams = JoinSet::new();
        for _ in 0..50 {
            let follower = hub.follow(&case.listed, "t", after).await;
            streams.spawn(async move {
                follower.goodbye().await;
                Instant::now()
            });
        }
        eventually("all have a seat", async || hub.hub.pool().len() == 50).await;
        hub.ask_to_stop();
        let times = streams.join_all().await;
        let (first, last) = (times.iter().min().unwrap(), times.iter().max().unwrap());
        assert!(last.duration_since(*first) > Duration::from_millis(500), "{times:?}");
        hub.ended().await;
    });
}

#[test]
fn what_was_published_before_the_end_arrives_before_the_goodbye() {
    // The next poll of a polling client may find that the server has ended.
    every_shaped(
        |shape| !polls(shape),
        async |case| {
            let mut hub = case.hub().await;
            let mut follower = hub.follow(&case.listed, "t", Position::Live).await;
            hub.publish_numbers(1..=50).await;
            hub.ask_to_stop();
            assert_eq!(follower.seqs(50).await, Vec::from_iter(1..=50));
            assert_eq!(follower.goodbye().await.code, Some(Reason::GoingAway.code()));
            hub.ended().await;
        },
    );
}

#[test]
fn clients_that_do_not_leave_are_cut_off() {
    every_mover_and_session(async |mover| {
        let mut config = mover.config(HubConfig::default().max_payload(5 << 20)).await;
        config.drain = Duration::ZERO;
        // Longer than the test waits, so that it does not end the stalled clients.
        config.write_deadline = 10 * PATIENCE;
        let mut hub = Running::start(config).await;
        hub.publish("t", "x".repeat(5 << 20)).await;
        let mut stalled = Vec::new();
        for case in cases_of(mover) {
            let mut one = case.subscribe_narrow(&hub, "t", "&after=earliest").await;
            one.accepted().await;
            stalled.push(one);
        }
        let mut half = Raw::connect(hub.address).await;
        half.send("POST /topics/t HTTP/1.1\r\nHost: hub\r\nContent-Length: 9\r\n\r\nhalf").await;
        hub.ask_to_stop();
        hub.ended().await;
        for cut in stalled {
            cut.rest().await;
        }
        half.rest().await;
    });
}

#[test]
fn a_server_without_clients_ends_at_once() {
    every_mover(async |mover| {
        let mut config = mover.config(HubConfig::default()).await;
        // Longer than the test waits for the end.
        config.drain = 10 * PATIENCE;
        let hub = Running::start(config).await;
        // The server does not wait for an idle connection.
        let mut idle = Raw::connect(hub.address).await;
        idle.send("GET /healthz HTTP/1.1\r\nHost: hub\r\n\r\n").await;
        assert_eq!(idle.answer().await.status, 200);
        hub.stop().await;
        assert!(idle.rest().await.is_empty());
    });
}

#[test]
fn a_held_poll_is_answered_with_a_goodbye_and_its_connection_is_not_waited_for() {
    every_shaped(polls, async |case| {
        let hub = case.hub().await;
        let head = hub.hub.log().head();
        let mut raw = Raw::connect(hub.address).await;
        raw.send(case.request("t", &format!("&after={head}&wait=60"))).await;
        eventually("it is held", async || hub.hub.pool().len() == 1).await;
        let stopping = hub.stop();
        let (answer, ()) = tokio::join!(raw.answer(), stopping);
        assert_eq!(answer.json()["goodbye"]["reason"], "going_away");
    });
}

#[test]
fn during_the_drain_delay_the_server_is_not_ready_and_serves_all_clients() {
    every_on_our_connections(async |case| {
        let mut config = case.config(HubConfig::default()).await;
        config.drain_delay = Duration::from_secs(3600);
        let mut hub = Running::start(config).await;
        let ready = Raw::get(hub.address, "/readyz").await;
        assert_eq!((ready.status, ready.text().as_str()), (200, "ready\n"));

        let after = Position::After(hub.hub.log().head());
        let mut before = hub.follow(&case.listed, "t", after).await;
        hub.ask_to_stop();
        eventually("it is not ready", async || {
            Raw::get(hub.address, "/readyz").await.status == 503
        })
        .await;
        let answer = Raw::get(hub.address, "/readyz").await;
        assert_eq!(answer.rejection(), (503, "going_away".to_owned()));
        assert_eq!(Raw::get(hub.address, "/healthz").await.status, 200);
        let mut since = hub.follow(&case.listed, "t", after).await;
        assert_eq!(Raw::request(hub.address, POST).await.status, 200);
        assert_eq!(before.text().await.1, "x");
        assert_eq!(since.text().await.1, "x");
        assert_eq!(hub.metric("tidings_rejected_total").await, 0, "a probe is not a rejection");

        hub.hub.close(Reason::GoingAway);
        // A polling client has no poll that could be answered with the goodbye.
        if !case.polls() {
            assert_eq!(before.goodbye().await.code, Some(1001));
            assert_eq!(since.goodbye().await.code, Some(1001));
        }
        hub.ended().await;
    });
}

const POST: &str = "POST /topics/t HTTP/1.1\r\nHost: hub\r\nContent-Length: 1\r\n\r\nx";

#[test]
fn a_server_ends_after_the_drain_delay() {
    every_mover(async |mover| {
        let mut config = mover.config(HubConfig::default()).await;
        config.drain_delay = Duration::from_millis(1);
        Running::start(config).await.stop().await;
    });
}

#[test]
fn clients_of_all_transports_receive_the_goodbye() {
    every_mover(async |mover| {
        let mut hub = mover.hub().await;
        let after = Position::After(hub.hub.log().head());
        let mut streams = JoinSet::new();
        for listed in all_listed().iter().cycle().take(30) {
            streams.spawn(hub.follow(listed, "t", after).await.goodbye());
        }
        eventually("all have a seat", async || hub.hub.pool().len() == 30).await;
        hub.ask_to_stop();
        let goodbyes = tokio::time::timeout(PATIENCE, streams.join_all()).await.unwrap();
        assert!(goodbyes.iter().all(|goodbye| goodbye.code == Some(1001)), "{goodbyes:?}");
        hub.ended().await;
    });
}
