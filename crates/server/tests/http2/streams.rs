//! The streams of one connection: how many there may be, and one that is not read.

use std::time::Duration;

use tidings_core::{HubConfig, Retention};

use super::frames::{
    CANCEL, DATA, END_HEADERS, END_STREAM, HEADERS, INITIAL_WINDOW_SIZE, REFUSED_STREAM,
    RST_STREAM, events, fields, frame, get, pseudo, window_update,
};
use crate::support::{Raw, Running, eventually, every_mover_without_broker};

const TOO_SLOW: &str = "tidings_disconnected_total{reason=\"too_slow\"}";

/// The largest window.
const WIDE: u32 = (1 << 31) - 1;

#[test]
fn a_stream_that_is_not_read_loses_its_seat_and_its_neighbours_go_on() {
    every_mover_without_broker(async |mover| {
        let mut config = mover.config(HubConfig::default()).await;
        config.write_deadline = Duration::from_millis(700);
        let hub = Running::start(config).await;
        let mut raw = Raw::http2(hub.address, &[(INITIAL_WINDOW_SIZE, 0)]).await;
        // A stream, a poll and the response to a request with closed windows, and a stream with an open one.
        let poll = get(3, "/topics/t?after=earliest");
        let page = get(5, "/transports");
        raw.send([events(1, "t"), poll, page, events(7, "t")].concat()).await;
        raw.send([window_update(7, WIDE), window_update(0, 1 << 30)].concat()).await;
        eventually("they have their seats", async || hub.hub.pool().len() == 3).await;
        hub.publish("t", "first").await;
        let (mut reset, mut data) = (Vec::new(), String::new());
        while reset.len() < 3 {
            let frame = raw.next_frame().await;
            match frame.kind {
                RST_STREAM => reset.push((frame.stream, frame.code())),
                DATA => {
                    assert_eq!(frame.stream, 7);
                    data += std::str::from_utf8(&frame.payload).unwrap();
                }
                kind => assert_eq!(kind, HEADERS),
            }
        }
        reset.sort_unstable();
        assert_eq!(reset, [(1, CANCEL), (3, CANCEL), (5, CANCEL)]);
        assert!(data.contains("first"), "{data}");
        eventually("their seats are free", async || hub.hub.pool().len() == 1).await;
        assert_eq!(hub.metric(TOO_SLOW).await, 3);
        hub.publish("t", "second").await;
        raw.data_until(7, "second").await;
        drop(raw);
        hub.stop().await;
    });
}

#[test]
fn a_stream_that_is_read_again_gets_a_gap_and_not_a_queue() {
    every_mover_without_broker(async |mover| {
        let retention = Retention::default().entries(8);
        let config = mover.config(HubConfig::default().retention(retention)).await;
        let hub = Running::start(config).await;
        let mut raw = Raw::http2(hub.address, &[(INITIAL_WINDOW_SIZE, 1 << 16)]).await;
        raw.send(events(1, "t")).await;
        eventually("it has a seat", async || hub.hub.pool().len() == 1).await;
        for number in 0..100 {
            hub.publish("t", format!("{number} {}", "x".repeat(10_000))).await;
            // A reader that is read has time to take each one.
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        hub.publish("t", "the last").await;
        raw.send([window_update(1, WIDE - (1 << 16)), window_update(0, 1 << 30)].concat()).await;
        let data = raw.data_until(1, "the last").await;
        assert!(data.contains("\"missed\":") || data.contains("gap"), "{} bytes", data.len());
        assert!(data.len() < 600_000, "{} bytes were kept", data.len());
        drop(raw);
        hub.stop().await;
    });
}

#[test]
fn slow_reading_of_a_stream_is_not_a_stall() {
    every_mover_without_broker(async |mover| {
        let mut config = mover.config(HubConfig::default()).await;
        config.write_deadline = Duration::from_millis(600);
        let hub = Running::start(config).await;
        let mut raw = Raw::http2(hub.address, &[(INITIAL_WINDOW_SIZE, 0)]).await;
        raw.send(events(1, "t")).await;
        eventually("it has a seat", async || hub.hub.pool().len() == 1).await;
        hub.publish("t", "x".repeat(200)).await;
        let mut data = String::new();
        for _ in 0..15 {
            tokio::time::sleep(Duration::from_millis(100)).await;
            raw.send(window_update(1, 8)).await;
            // The last part of a write may be shorter.
            let before = data.len();
            while data.len() < before + 8 {
                let frame = raw.next_frame().await;
                assert!(matches!(frame.kind, HEADERS | DATA), "{frame:?}");
                if frame.kind == DATA {
                    data += std::str::from_utf8(&frame.payload).unwrap();
                }
            }
        }
        assert_eq!(hub.hub.pool().len(), 1);
        drop(raw);
        hub.stop().await;
    });
}

#[test]
fn more_streams_than_the_limit_are_refused() {
    every_mover_without_broker(async |mover| {
        let mut config = mover.config(HubConfig::default()).await;
        config.max_streams = 3;
        let hub = Running::start(config).await;
        let mut raw = Raw::http2(hub.address, &[]).await;
        raw.send([1, 3, 5].map(|stream| events(stream, "t")).concat()).await;
        eventually("they have their seats", async || hub.hub.pool().len() == 3).await;
        raw.send(events(7, "t")).await;
        let refused = raw.next_of(RST_STREAM).await;
        assert_eq!((refused.stream, refused.code()), (7, REFUSED_STREAM));
        raw.send(frame(RST_STREAM, 0, 3, &CANCEL.to_be_bytes())).await;
        eventually("its seat is free", async || hub.hub.pool().len() == 2).await;
        raw.send(events(9, "t")).await;
        eventually("another has it", async || hub.hub.pool().len() == 3).await;
        drop(raw);
        eventually("all have left", async || hub.hub.pool().is_empty()).await;
        hub.stop().await;
    });
}

#[test]
fn a_body_over_the_limit_is_rejected_and_not_read_further() {
    every_mover_without_broker(async |mover| {
        let hub = mover.hub().await;
        let mut raw = Raw::http2(hub.address, &[]).await;
        let mut block = pseudo("POST", "/topics/t");
        block.extend(fields(&[("content-length", "100000000")]));
        raw.send(frame(HEADERS, END_HEADERS, 1, &block)).await;
        assert!(!raw.next_of(HEADERS).await.is_ok());
        raw.data_until(1, "too_big").await;
        // It is no error, so the client may use the response (section 8.1).
        let reset = raw.next_of(RST_STREAM).await;
        assert_eq!((reset.stream, reset.code()), (1, 0));
        raw.send(get(3, "/healthz")).await;
        assert!(raw.next_of(HEADERS).await.is_ok());
        hub.stop().await;
    });
}

#[test]
fn the_response_to_a_head_request_ends_with_its_headers() {
    every_mover_without_broker(async |mover| {
        let hub = mover.hub().await;
        let mut raw = Raw::http2(hub.address, &[]).await;
        for (stream, path) in [(1, "/healthz"), (3, "/topics/t?transport=sse")] {
            let head = pseudo("HEAD", path);
            raw.send(frame(HEADERS, END_HEADERS | END_STREAM, stream, &head)).await;
            let response = raw.next_frame().await;
            assert!(response.is_ok() && response.ends_stream(), "{response:?}");
        }
        assert!(hub.hub.pool().is_empty());
        hub.stop().await;
    });
}
