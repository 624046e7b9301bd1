//! How sessions end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use quinn::TransportConfig;
use tidings_core::{Heartbeat, HubConfig};
use tidings_transport::client::Client;

use super::client::{Lines, closed, open, open_at, sessions, start};
use crate::support::{eventually, in_time};

#[tokio::test]
async fn a_client_that_closes_its_session_frees_its_seat_at_once() {
    in_time(async {
        let hub = start(HubConfig::default(), |_| {}).await;
        let session = open(&hub, "/topics/t").await;
        Lines::of(&session).await.next().await;
        assert_eq!(hub.hub.pool().len(), 1);
        session.close(0, b"done");
        eventually("its seat is free", async || hub.hub.pool().is_empty()).await;
        eventually("its connection is closed", async || {
            hub.metric("tidings_connections").await == 1
        })
        .await;
        hub.stop().await;
    })
    .await;
}

/// The client of WebTransport, as a program has it.
fn our_client() -> Arc<dyn Client> {
    let mut listed = tidings_server::transports().into_iter();
    listed.find(|listed| listed.server.name() == "webtransport").unwrap().client
}

#[tokio::test]
async fn a_program_that_waits_for_its_client_may_exit_at_once() {
    in_time(async {
        let hub = start(HubConfig::default(), |_| {}).await;
        let target = sessions(&hub).target("t");
        let (sender, exited) = tokio::sync::oneshot::channel();
        let seats = hub.hub.clone();
        std::thread::spawn(move || {
            // If one of its tasks must still run after this, it does not.
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let client = our_client();
                let mut arrivals = client.connect(target).await.unwrap();
                arrivals.next().await.unwrap().unwrap();
                assert_eq!(seats.pool().len(), 1);
                drop(arrivals);
                client.closed().await;
            });
            sender.send(()).unwrap();
        });
        exited.await.unwrap();
        // The idle timeout of the server is 75 s.
        eventually("its seat is free", async || hub.hub.pool().is_empty()).await;
        hub.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_client_that_vanishes_is_detected_by_the_idle_timeout() {
    in_time(async {
        let heartbeat = Heartbeat::default().interval(Duration::from_secs(1)).strikes(3);
        let hub = start(HubConfig::default().heartbeat(heartbeat), |_| {}).await;
        // Nothing is sent once the runtime of the client is gone, as if its machine had lost its power.
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let there = sessions(&hub).clone();
        let (sender, connected) = tokio::sync::oneshot::channel();
        runtime.spawn(async move {
            let url = format!("https://localhost:{}/topics/t", there.address.port());
            let session = open_at(&there, &url, None, TransportConfig::default()).await;
            let mut lines = Lines::of(&session).await;
            sender.send(()).unwrap();
            // It answers for longer than the idle timeout.
            loop {
                lines.next().await;
            }
        });
        connected.await.unwrap();
        tokio::time::sleep(Duration::from_secs(4)).await;
        assert_eq!(hub.hub.pool().len(), 1, "it is still there");
        let vanished = Instant::now();
        runtime.shutdown_background();
        eventually("its seat is free", async || hub.hub.pool().is_empty()).await;
        assert!(vanished.elapsed() > Duration::from_secs(1), "it has sent something");
        hub.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_cut_off_by_the_write_deadline() {
    in_time(async {
        let hub = start(HubConfig::default().max_payload(5 << 20), |config| {
            config.write_deadline = Duration::from_secs(1);
        })
        .await;
        hub.publish("t", "x".repeat(5 << 20)).await;
        let session = open(&hub, "/topics/t?after=earliest").await;
        let lines = Lines::of(&session).await;
        let (code, reason) = closed(&session).await;
        assert_eq!((code, &*reason), (1013, "too slow, try again later"));
        drop(lines);
        eventually("its seat is free", async || hub.hub.pool().is_empty()).await;
        let too_slow = "tidings_disconnected_total{reason=\"too_slow\"}";
        eventually("it is counted", async || hub.metric(too_slow).await == 1).await;
        hub.stop().await;
    })
    .await;
}

#[tokio::test]
async fn at_the_shutdown_the_goodbye_comes_before_the_code() {
    in_time(async {
        let mut hub = start(HubConfig::default(), |_| {}).await;
        let session = open(&hub, "/topics/t").await;
        let mut lines = Lines::of(&session).await;
        hub.publish("t", "the last").await;
        hub.ask_to_stop();
        assert_eq!(lines.news().await["data"], "the last");
        assert_eq!(lines.news().await["goodbye"]["reason"], "going_away");
        assert_eq!(closed(&session).await, (1001, "the server is going away".to_owned()));
        hub.ended().await;
    })
    .await;
}
