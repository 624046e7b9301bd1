//! The transport that a request selects (RFC 9110, section 12.5.1), and what caches and proxies may do with the
//! response.

use tidings_transport::Shape;

use crate::support::{Raw, every_mover, every_shaped};

#[test]
fn the_weights_of_accept_decide_between_a_stream_and_a_poll() {
    const STREAM: &str = "text/event-stream";
    const POLL: &str = "application/json";
    let table = [
        ("", POLL),
        ("Accept: */*\r\n", POLL),
        ("Accept: text/html,application/xml;q=0.9,*/*;q=0.8\r\n", POLL),
        ("Accept: text/*\r\n", POLL),
        ("Accept: text/event-stream;q=0\r\n", POLL),
        ("Accept: text/event-stream;q=0.1, application/json\r\n", POLL),
        ("Accept: text/event-stream;q=0.1, */*;q=0.2\r\n", POLL),
        ("Accept: text/event-stream\r\n", STREAM),
        ("Accept: text/event-stream;q=0.5\r\n", STREAM),
        ("Accept: application/json\r\nAccept: text/event-stream\r\n", STREAM),
        ("Accept: application/json;q=0.9, Text/Event-Stream ; charset=utf-8\r\n", STREAM),
    ];
    every_mover(async |mover| {
        let hub = mover.hub().await;
        for (accept, expected) in table {
            let mut raw = Raw::connect(hub.address).await;
            raw.send(format!("GET /topics/t HTTP/1.1\r\nHost: hub\r\n{accept}\r\n")).await;
            assert_eq!(raw.head().await.header("content-type"), Some(expected), "{accept}");
        }
        hub.stop().await;
    });
}

#[test]
fn no_cache_stores_a_response_and_no_proxy_buffers_a_stream() {
    every_shaped(
        |shape| shape != Shape::Upgrade,
        async |case| {
            let hub = case.hub().await;
            let mut raw = Raw::connect(hub.address).await;
            raw.send(case.request("t", "&after=earliest&wait=0")).await;
            let head = raw.head().await;
            let caching = head.header("cache-control").unwrap_or_default();
            assert!(caching.split(", ").any(|directive| directive == "no-store"), "{head:?}");
            if case.shape() == Shape::Stream {
                assert!(caching.contains("no-transform"), "{head:?}");
                assert_eq!(head.header("incremental"), Some("?1"));
                assert_eq!(head.header("x-accel-buffering"), Some("no"));
            }
            drop(raw);
            hub.stop().await;
        },
    );
}
