//! How connections end, and how long they stay open.

use std::time::Duration;

use futures::FutureExt;
use tokio::io::AsyncWriteExt;
use tokio::task::JoinSet;

use super::row::{Row, row};
use crate::support::{Raw, Running, eventually};

const HALF_CLOSED: &str = "envoyproxy/envoy#17160 (BusyBox wget), fortio; RFC 9112, section 9.6";
const REJECTED: &str = "rwf2/Rocket#2783, hyperium/hyper#2384";
const HANDSHAKE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

pub(super) fn rows() -> Vec<Row> {
    vec![
        row("a connection ends if the client requests that", "RFC 9112, section 9.6")
            .send("GET /healthz HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n")
            .answers(&[200])
            .closes()
            .holds(|seen| assert_eq!(seen.answers[0].header("connection"), Some("close"))),
        row("an incomplete head ends the connection", "CVE-2007-6750, Slowloris")
            .config(|config| config.head_deadline = Duration::from_millis(100))
            .scenario(|hub| {
                async {
                    let mut raw = Raw::connect(hub.address).await;
                    raw.send("GET /topics/t HTT").await;
                    assert!(raw.rest().await.len() < 4096, "the connection ends");
                }
                .boxed_local()
            }),
        row(
            "an idle connection outlives the deadline of a head",
            "jetty/jetty.project#2306, caddyserver/caddy#6452",
        )
        .config(|config| config.head_deadline = Duration::from_millis(100))
        .scenario(|hub| idle(hub).boxed_local()),
        row("an idle connection ends after the idle timeout", "jetty/jetty.project#2306")
            .config(|config| config.idle_timeout = Duration::from_millis(100))
            .scenario(|hub| {
                async {
                    for request in [CHECK, HEAD, POLL] {
                        let mut raw = Raw::connect(hub.address).await;
                        raw.send(request).await;
                        raw.head().await;
                        raw.rest().await;
                    }
                }
                .boxed_local()
            }),
        row("a half-closed poll is answered", HALF_CLOSED)
            .scenario(|hub| half_closed(hub, "", "\"data\":\"news\"").boxed_local()),
        row("a half-closed poll by HTTP/1.0 is answered", HALF_CLOSED)
            .scenario(|hub| half_closed(hub, "HTTP/1.0", "\"data\":\"news\"").boxed_local()),
        row("a half-closed stream is served", HALF_CLOSED).scenario(|hub| {
            half_closed(hub, "Accept: text/event-stream\r\n", "data: news").boxed_local()
        }),
        row("a half-closed WebSocket is served", HALF_CLOSED)
            .scenario(|hub| half_closed(hub, HANDSHAKE, "news").boxed_local()),
        row("a half-closed publisher receives its response", HALF_CLOSED).scenario(|hub| {
            async {
                let publish = "POST /topics/t HTTP/1.1\r\nHost: hub\r\n";
                for request in [
                    format!("{publish}Content-Length: 2\r\n\r\nhi"),
                    format!("{publish}Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n"),
                    format!("{CHECK}{CHECK}{publish}Content-Length: 2\r\n\r\nhi"),
                ] {
                    let mut raw = Raw::connect(hub.address).await;
                    raw.send(&request).await;
                    raw.stream.shutdown().await.unwrap();
                    let answered = String::from_utf8(raw.rest().await).unwrap();
                    assert!(answered.ends_with("\"}\n"), "{request}{answered}");
                }
            }
            .boxed_local()
        }),
        row("a client that closes a held poll leaves at once", HALF_CLOSED)
            .scenario(|hub| vanishes(hub, "").boxed_local()),
        row("a client that closes a stream leaves at once", HALF_CLOSED)
            .scenario(|hub| vanishes(hub, "Accept: text/event-stream\r\n").boxed_local()),
        row("a client that closes a WebSocket leaves at once", HALF_CLOSED)
            .scenario(|hub| vanishes(hub, HANDSHAKE).boxed_local()),
        row("a rejection of a large body arrives", REJECTED)
            .scenario(|hub| uploads(hub, "", "413", "too_big").boxed_local()),
        row("a rejection of an origin arrives before a large body", REJECTED).scenario(|hub| {
            uploads(hub, "Origin: http://evil.example\r\n", "403", "origin_not_allowed")
                .boxed_local()
        }),
        row("a rejection of a head arrives before a large body", REJECTED).scenario(|hub| {
            uploads(hub, "Host: twice\r\n", "400", "ambiguous_request").boxed_local()
        }),
        row("a full server responds before a large body is read", REJECTED)
            .config(|config| config.max_connections = 1)
            .scenario(|hub| {
                async {
                    let _only = Raw::connect(hub.address).await;
                    eventually("it is counted", async || {
                        let mut raw = Raw::connect(hub.address).await;
                        raw.try_send(CHECK.replace("/healthz", "/transports")).await;
                        String::from_utf8(raw.rest().await).unwrap().starts_with("HTTP/1.1 503")
                    })
                    .await;
                    uploads(hub, "", "503", "full").await;
                }
                .boxed_local()
            }),
        row("the idle timeout is announced", "jetty/jetty.project#2306, caddyserver/caddy#6452")
            .send(CHECK)
            .send(HEAD)
            .send(POLL)
            .send("POST /topics/t HTTP/1.1\r\nHost: hub\r\nContent-Length: 2\r\n\r\nhi")
            .send("GET /nowhere HTTP/1.1\r\nHost: hub\r\n\r\n")
            .answers(&[200, 200, 200, 200, 404])
            .stays_open()
            .holds(|seen| {
                for answer in &seen.answers {
                    assert_eq!(answer.header("keep-alive"), Some("timeout=75"), "{answer:?}");
                    assert_eq!(answer.header("connection"), Some("keep-alive"), "{answer:?}");
                }
            }),
    ]
}

const CHECK: &str = "GET /healthz HTTP/1.1\r\nHost: hub\r\n\r\n";
const HEAD: &str = "HEAD /healthz HTTP/1.1\r\nHost: hub\r\n\r\n";
const POLL: &str = "GET /topics/t?wait=0&after=earliest HTTP/1.1\r\nHost: hub\r\n\r\n";

/// After a response, a connection is idle for longer than the deadline of a head, and then sends another request.
async fn idle(hub: &Running) {
    for request in [CHECK, HEAD, POLL] {
        let mut idle = Raw::connect(hub.address).await;
        idle.send(request).await;
        idle.head().await;
        // A connection that was opened later reaches its deadline before this one sends the request.
        let mut slow = Raw::connect(hub.address).await;
        slow.send("GET /topics/t HTT").await;
        slow.rest().await;
        idle.send("GET /topics/again HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n").await;
        let rest = String::from_utf8(idle.rest().await).unwrap();
        assert!(rest.contains("HTTP/1.1 200 "), "{request}{rest}");
    }
}

fn held(hub: &Running, headers: &str) -> String {
    let after = hub.hub.log().head();
    // The version is the only part of the head that is not a header.
    let (version, headers) = match headers.strip_prefix("HTTP/1.0") {
        Some(headers) => ("HTTP/1.0", headers),
        None => ("HTTP/1.1", headers),
    };
    format!("GET /topics/t?after={after}&wait=60 {version}\r\nHost: hub\r\n{headers}\r\n")
}

/// A client that has closed its side receives later notifications.
async fn half_closed(hub: &Running, headers: &str, news: &str) {
    let mut raw = Raw::connect(hub.address).await;
    raw.send(held(hub, headers)).await;
    eventually("it has a seat", async || hub.hub.pool().len() == 1).await;
    raw.stream.shutdown().await.unwrap();
    // Gives the server time to see that.
    for _ in 0..6 {
        Raw::get(hub.address, "/healthz").await;
    }
    assert_eq!(hub.hub.pool().len(), 1, "it is still there");
    hub.publish("t", "news").await;
    raw.until(news.as_bytes()).await;
    drop(raw);
    hub.publish("t", "more").await;
    eventually("it has left", async || hub.hub.pool().is_empty()).await;
}

/// A client that closes its connection loses its seat long before a heartbeat or the end of its hold.
async fn vanishes(hub: &Running, headers: &str) {
    let mut raw = Raw::connect(hub.address).await;
    raw.send(held(hub, headers)).await;
    eventually("it has a seat", async || hub.hub.pool().len() == 1).await;
    drop(raw);
    eventually("it has left", async || hub.hub.pool().is_empty()).await;
}

/// Clients that send a whole large body before they read receive the response.
async fn uploads(hub: &Running, headers: &str, status: &str, code: &str) {
    const LARGE: usize = 8 << 20;
    let head =
        format!("POST /topics/t HTTP/1.1\r\nHost: hub\r\n{headers}Content-Length: {LARGE}\r\n\r\n");
    let mut uploading = JoinSet::new();
    for _ in 0..20 {
        let (address, head) = (hub.address, head.clone());
        uploading.spawn(async move {
            let mut raw = Raw::connect(address).await;
            raw.send(head).await;
            // Fails if the server has closed the connection meanwhile.
            raw.send(vec![b'x'; LARGE]).await;
            raw.answer().await
        });
    }
    for answer in uploading.join_all().await {
        assert_eq!(answer.rejection(), (status.parse().unwrap(), code.to_owned()));
    }
    assert_eq!(hub.hub.log().head().seq, 0);
}
