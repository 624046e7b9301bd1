//! Floods: each costs the peer its connection, or its own time, and no other client notices it.

use std::time::Duration;

use tidings_core::{HubConfig, Position};
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use super::frames::{
    CANCEL, CONTINUATION, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, GOAWAY, HEADERS, PING,
    RST_STREAM, SETTINGS, events, fields, frame, get, pseudo,
};
use crate::support::{PATIENCE, Raw, Running, all_listed, eventually, every_mover_without_broker};

/// Sends these bytes `times` times, or until the server has closed the connection or takes no more. Returns how many
/// bytes were sent.
async fn flood(raw: &mut Raw, bytes: &[u8], times: usize) -> usize {
    for number in 0..times {
        let sent = timeout(Duration::from_secs(2), raw.stream.write_all(bytes)).await;
        if !matches!(sent, Ok(Ok(()))) {
            return number * bytes.len();
        }
    }
    times * bytes.len()
}

/// Asserts that another client is served, and that the connection of the flood is gone.
async fn is_unharmed(hub: &Running) {
    let listed = &all_listed()[1];
    let mut other = hub.follow(listed, "t", Position::Live).await;
    hub.publish("t", "news").await;
    assert_eq!(other.text().await.1, "news");
    drop(other);
    eventually("no seat is left", async || hub.hub.pool().is_empty()).await;
    // The last one is that of the request for the metrics.
    let open = async || hub.metric("tidings_connections").await;
    eventually("no connection is left", async || open().await <= 1).await;
}

#[test]
fn requests_that_are_reset_at_once_end_the_connection() {
    every_mover_without_broker(async |mover| {
        let hub = mover.hub().await;
        let mut raw = Raw::http2(hub.address, &[]).await;
        let pairs = (0..10_000).flat_map(|number| {
            let stream = 2 * number + 1;
            let reset = frame(RST_STREAM, 0, stream, &CANCEL.to_be_bytes());
            [events(stream, "t"), reset]
        });
        raw.try_send(pairs.collect::<Vec<_>>().concat()).await;
        assert_eq!(raw.next_of(GOAWAY).await.code(), ENHANCE_YOUR_CALM);
        drop(raw);
        is_unharmed(&hub).await;
        hub.stop().await;
    });
}

#[test]
fn a_head_without_an_end_ends_the_connection() {
    every_mover_without_broker(async |mover| {
        let hub = mover.hub().await;
        for name in ["x-a", "x-b"] {
            let mut raw = Raw::http2(hub.address, &[]).await;
            raw.send(frame(HEADERS, END_STREAM, 1, &pseudo("GET", "/healthz"))).await;
            // One is of headers, and the other is empty.
            let block = if name == "x-a" { fields(&[(name, "1")]).repeat(1000) } else { vec![] };
            flood(&mut raw, &frame(CONTINUATION, 0, 1, &block), 100_000).await;
            assert_eq!(raw.next_of(GOAWAY).await.code(), ENHANCE_YOUR_CALM, "{name}");
        }
        is_unharmed(&hub).await;
        hub.stop().await;
    });
}

#[test]
fn a_list_of_headers_that_is_too_large_is_rejected_and_the_connection_stays() {
    every_mover_without_broker(async |mover| {
        let hub = mover.hub().await;
        let mut raw = Raw::http2(hub.address, &[]).await;
        let mut block = pseudo("GET", "/healthz");
        block.extend(fields(&[("x-long", &"x".repeat(100))]).repeat(150));
        let (first, rest) = block.split_at(10_000);
        raw.send(frame(HEADERS, END_STREAM, 1, first)).await;
        raw.send(frame(CONTINUATION, END_HEADERS, 1, rest)).await;
        let head = raw.next_frame().await;
        assert_eq!((head.kind, head.stream, head.is_ok()), (HEADERS, 1, false));
        raw.send(get(3, "/healthz")).await;
        loop {
            let head = raw.next_of(HEADERS).await;
            if head.stream == 3 {
                assert!(head.is_ok());
                break;
            }
        }
        hub.stop().await;
    });
}

#[test]
fn a_peer_that_requests_replies_and_reads_none_is_cut_off() {
    every_mover_without_broker(async |mover| {
        let mut config = mover.config(HubConfig::default()).await;
        config.write_deadline = Duration::from_millis(500);
        let hub = Running::start(config).await;
        for (kind, payload) in [(PING, &[0; 8][..]), (SETTINGS, &[])] {
            let mut raw = Raw::http2(hub.address, &[]).await;
            let frames = frame(kind, 0, 0, payload).repeat(1000);
            let sent = flood(&mut raw, &frames, 10_000).await;
            // The buffers of the two sockets hold what the server has not read.
            assert!(sent < 100 << 20, "{sent} bytes were read");
            raw.rest().await;
        }
        is_unharmed(&hub).await;
        hub.stop().await;
    });
}

#[test]
fn a_peer_that_reads_the_replies_to_its_flood_stops_no_other() {
    every_mover_without_broker(async |mover| {
        let mut config = mover.config(HubConfig::default()).await;
        config.workers = std::num::NonZeroUsize::MIN;
        let hub = Running::start(config).await;
        let raw = Raw::http2(hub.address, &[]).await;
        let (mut reader, mut writer) = raw.stream.into_split();
        let reading = tokio::spawn(async move {
            tokio::io::copy(&mut reader, &mut tokio::io::sink()).await.map(drop)
        });
        let writing = tokio::spawn(async move {
            let frames = frame(PING, 0, 0, &[0; 8]).repeat(1000);
            while writer.write_all(&frames).await.is_ok() {}
        });
        for _ in 0..20 {
            let answer = timeout(PATIENCE, Raw::get(hub.address, "/healthz")).await;
            assert_eq!(answer.expect("it is served").status, 200);
        }
        writing.abort();
        reading.abort();
        is_unharmed(&hub).await;
        hub.stop().await;
    });
}
