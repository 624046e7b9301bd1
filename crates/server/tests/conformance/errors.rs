//! Rejections: a status, a code for programs and a message for people.

use std::time::Duration;

use tidings_core::HubConfig;
use tidings_server::{Action, Authorizer};
use tidings_transport::{Rejection, query};

use crate::support::{
    PATIENCE, Raw, Running, every, every_mover, every_mover_on_our_connections,
    every_mover_over_http1,
};

fn post(path: &str, body: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: hub\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn get(path: &str, headers: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: hub\r\n{headers}\r\n")
}

const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
const VERSION: &str = "Sec-WebSocket-Version: 13\r\n";
const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

#[test]
fn each_fault_has_its_status_and_code() {
    let long = format!("/topics/{}", "x".repeat(256));
    let many = format!("/topics/{}", ["a"; 65].join(","));
    let handshake = |headers: String| get("/topics/t", &format!("{UPGRADE}{headers}"));
    let table = [
        (post("/topics/a..b", "x"), 400, "bad_topic"),
        (post("/topics/a.*", "x"), 400, "bad_topic"),
        (post("/topics/a,b", "x"), 400, "bad_topic"),
        (post(&long, "x"), 400, "bad_topic"),
        (get("/topics/a..b", ""), 400, "bad_topic"),
        (get("/topics/a.%3E.b", ""), 400, "bad_topic"),
        (get("/topics/%ff", ""), 400, "bad_topic"),
        (get("/topics/caf%C3%A9", ""), 400, "bad_topic"),
        (get(&long, ""), 400, "bad_topic"),
        (get(&many, ""), 400, "bad_topic"),
        (get("/topics/*.*.*.*.*.a", ""), 400, "bad_topic"),
        (get(&format!("/topics/{}", ["a"; 16].join(".") + ".*"), ""), 400, "bad_topic"),
        (get("/topics/t?after=nonsense", ""), 400, "bad_id"),
        (get("/topics/t?after=", ""), 400, "bad_id"),
        (get("/topics/t?after=A-1", "Accept: text/event-stream\r\n"), 400, "bad_id"),
        (get("/topics/t?wait=soon", ""), 400, "bad_wait"),
        (get("/topics/t?transport=carrier-pigeon", ""), 400, "bad_transport"),
        (get("/nothing", ""), 404, "not_found"),
        (get("/page/page.js", ""), 404, "not_found"),
        (get("/topics/", ""), 404, "not_found"),
        (get("/topics/a/b", ""), 404, "not_found"),
        (post("/healthz", ""), 405, "method_not_allowed"),
        (post("/", ""), 405, "method_not_allowed"),
        (post("/transports", ""), 405, "method_not_allowed"),
        (post("/page/page.js", ""), 405, "method_not_allowed"),
        (post("/topics/t", "").replace("POST", "DELETE"), 405, "method_not_allowed"),
        (get("/topics/t?transport=websocket", ""), 426, "upgrade_required"),
        (handshake(format!("Sec-WebSocket-Version: 8\r\n{KEY}")), 426, "bad_version"),
        (handshake(KEY.to_owned()), 426, "bad_version"),
        (handshake(format!("Sec-WebSocket-Version: 13, 8\r\n{KEY}")), 426, "bad_version"),
        (get("/topics/t", "Upgrade: websocket\r\n"), 426, "upgrade_required"),
        (handshake(VERSION.to_owned()), 400, "bad_handshake"),
        (handshake(format!("{VERSION}Sec-WebSocket-Key: c2hvcnQ=\r\n")), 400, "bad_handshake"),
        (
            handshake(format!("{VERSION}{KEY}Origin: http://evil.example\r\n")),
            403,
            "origin_not_allowed",
        ),
    ];
    every_mover_over_http1(async |mover| {
        let hub = mover.hub().await;
        for (request, status, code) in &table {
            let answer = Raw::request(hub.address, request).await;
            assert_eq!(answer.rejection(), (*status, (*code).to_owned()), "{request}");
            assert_eq!(answer.header("cache-control"), Some("no-store"), "{request}");
            // RFC 9110, section 15.5.22.
            let upgrade = (answer.status == 426).then_some("websocket");
            assert_eq!(answer.header("upgrade"), upgrade, "{request}");
            let connection = answer.header("connection").unwrap_or_default().to_lowercase();
            assert_eq!(connection.contains("upgrade"), upgrade.is_some(), "{request}");
        }
        assert!(hub.hub.pool().is_empty(), "a rejected client has no seat");
        assert_eq!(hub.hub.log().head().seq, 0, "a rejected client has published nothing");
        hub.stop().await;
    });
}

/// The rejections of a subscribe request are the same for every transport.
#[test]
fn each_fault_of_a_subscription_has_its_status_and_code() {
    let long = "x".repeat(256);
    let many = ["a"; 65].join(",");
    let table = [
        ("a..b", "", 400, "bad_topic"),
        ("a.%3E.b", "", 400, "bad_topic"),
        ("%ff", "", 400, "bad_topic"),
        (&long, "", 400, "bad_topic"),
        (&many, "", 400, "bad_topic"),
        ("t", "&after=nonsense", 400, "bad_id"),
        ("t", "&after=", 400, "bad_id"),
        ("", "", 404, "not_found"),
        ("a/b", "", 404, "not_found"),
        ("secret", "", 401, "unauthorized"),
        ("secret", "&access_token=wrong", 403, "forbidden"),
    ];
    every(async |case| {
        let mut config = case.config(HubConfig::default()).await;
        config.authorizer = Authorizer::from_fn(|request, action| match action {
            Action::Subscribe(filters) if filters.as_topic() == Some("secret".parse().unwrap()) => {
                match query(request, "access_token").as_deref() {
                    None => Err(Rejection::unauthorized("a token is required")),
                    Some("right") => Ok(()),
                    Some(_) => Err(Rejection::forbidden("the token is wrong")),
                }
            }
            _ => Ok(()),
        });
        let hub = Running::start(config).await;
        for (filters, query, status, code) in table {
            let rejection = case.subscribe(&hub, filters, query, "").await.rejection().await;
            assert_eq!(rejection, (status, code.to_owned()), "{filters}{query}");
        }
        assert!(hub.hub.pool().is_empty(), "a rejected client has no seat");
        let right = "&access_token=right&after=earliest&wait=0";
        case.subscribe(&hub, "secret", right, "").await.accepted().await;
        hub.stop().await;
    });
}

#[test]
fn a_request_has_one_host() {
    let two = get("/topics/t", "Host: other\r\n");
    every_mover_on_our_connections(async |mover| {
        let hub = mover.hub().await;
        for request in [&two, "GET /topics/t HTTP/1.1\r\n\r\n"] {
            let answer = Raw::request(hub.address, request).await;
            assert_eq!(answer.rejection(), (400, "ambiguous_request".to_owned()), "{request}");
        }
        hub.stop().await;
    });
}

#[test]
fn a_rejection_contains_what_to_do() {
    every_mover_over_http1(async |mover| {
        let hub = mover.hub().await;
        let ask = async |request: String| Raw::request(hub.address, request).await;
        let deleted = ask(post("/topics/t", "").replace("POST", "DELETE")).await;
        assert_eq!(deleted.header("allow"), Some("GET, HEAD, POST"));
        assert_eq!(ask(post("/metrics", "")).await.header("allow"), Some("GET, HEAD"));
        let demanded = ask(get("/topics/t?transport=websocket", "")).await;
        assert_eq!(demanded.header("upgrade"), Some("websocket"));
        let version =
            ask(get("/topics/t", &format!("{UPGRADE}Sec-WebSocket-Version: 7\r\n"))).await;
        assert_eq!(version.header("sec-websocket-version"), Some("13"));
        let unknown = ask(get("/topics/t?transport=carrier-pigeon", "")).await.text();
        for listed in crate::support::all_listed() {
            assert!(unknown.contains(listed.server.name()), "{unknown}");
        }
        hub.stop().await;
    });
}

#[test]
fn the_rejection_of_a_large_payload_contains_the_limit() {
    every_mover(async |mover| {
        let config = mover.config(HubConfig::default().max_payload(1000)).await;
        let hub = Running::start(config).await;
        assert_eq!(
            Raw::request(hub.address, post("/topics/t", &"x".repeat(1000))).await.status,
            200
        );
        let chunk = format!("{:x}\r\n{}\r\n0\r\n\r\n", 1001, "x".repeat(1001));
        let chunked = format!(
            "POST /topics/t HTTP/1.1\r\nHost: hub\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}"
        );
        for request in [post("/topics/t", &"x".repeat(1001)), chunked] {
            let answer = Raw::request(hub.address, request).await;
            assert_eq!(answer.rejection(), (413, "too_big".to_owned()));
            assert!(answer.text().contains("1000"), "{answer:?}");
        }
        assert_eq!(hub.hub.log().head().seq, 1);
        hub.stop().await;
    });
}

/// Otherwise each subscriber would receive the encoded bytes as the payload.
#[test]
fn a_payload_with_a_content_coding_is_rejected_before_it_is_read() {
    let post = |coding: &str| {
        format!(
            "POST /topics/t HTTP/1.1\r\nHost: hub\r\nContent-Type: application/octet-stream\r\n\
             Content-Encoding: {coding}\r\nContent-Length: 2\r\n\r\nhi"
        )
    };
    every_mover(async |mover| {
        let hub = mover.hub().await;
        for coding in
            ["gzip", "GZIP", "br", "identity, zstd", "identity\r\nContent-Encoding: deflate"]
        {
            for request in [post(coding), post(coding).replace("hi", "").replace(": 2", ": 9")] {
                let answer = Raw::request(hub.address, request).await;
                assert_eq!(answer.rejection(), (415, "unsupported_coding".to_owned()), "{coding}");
                assert_eq!(answer.header("accept-encoding"), Some("identity"), "{coding}");
            }
        }
        assert_eq!(hub.hub.log().head().seq, 0);
        for coding in ["identity", "", "Identity,"] {
            assert_eq!(Raw::request(hub.address, post(coding)).await.status, 200, "{coding:?}");
        }
        hub.stop().await;
    });
}

/// An ambiguous request can smuggle another one past a proxy (RFC 9112, section 11.2). None of these may be
/// published, and nothing after it on the connection may be taken for a request.
#[test]
fn an_ambiguous_request_is_rejected_and_ends_the_connection() {
    let head = |headers: &str| format!("POST /topics/t HTTP/1.1\r\nHost: hub\r\n{headers}\r\n");
    let requests = [
        // Two lengths, and a length that is not a number.
        (head("Content-Length: 1\r\nContent-Length: 2\r\n") + "x", 400),
        (head("Content-Length: +1\r\n") + "x", 400),
        // chunked that is not the last coding, and an unknown coding.
        (head("Transfer-Encoding: chunked, identity\r\n") + "0\r\n\r\n", 501),
        (head("Transfer-Encoding: xchunked\r\n") + "0\r\n\r\n", 501),
        // A length and a coding.
        (head("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n", 400),
        (head("Transfer-Encoding: chunked\r\nContent-Length: 4\r\n") + "0\r\n\r\n", 400),
        // A blank before the colon.
        (head("Content-Length : 1\r\n") + "x", 400),
        // Two Hosts.
        (head("Host: other\r\nContent-Length: 1\r\n") + "x", 400),
    ];
    every_mover_on_our_connections(async |mover| {
        let hub = mover.hub().await;
        for (request, status) in &requests {
            let answered = answered(&hub, request).await;
            assert!(answered.starts_with(&format!("HTTP/1.1 {status} ")), "{request}{answered}");
            assert_eq!(hub.hub.log().head().seq, 0, "{request}");
        }
        hub.stop().await;
    });
}

/// Sends this request and a further one. Asserts that there is no second response.
async fn answered(hub: &Running, request: &str) -> String {
    const HIDDEN: &str = "POST /topics/hidden HTTP/1.1\r\nHost: hub\r\nContent-Length: 1\r\n\r\nx";
    let mut raw = Raw::connect(hub.address).await;
    raw.try_send(format!("{request}{HIDDEN}")).await;
    let answered = String::from_utf8(raw.rest().await).unwrap();
    assert_eq!(answered.matches("HTTP/1.1 ").count(), 1, "{request}{answered}");
    answered
}

#[test]
fn a_malformed_chunk_publishes_nothing() {
    let chunked = |chunks: &str| {
        format!(
            "POST /topics/t HTTP/1.1\r\nHost: hub\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}"
        )
    };
    every_mover(async |mover| {
        let hub = mover.hub().await;
        for chunks in [
            "5\nhello\n0\n\n",
            "g\r\nhello\r\n0\r\n\r\n",
            "-5\r\nhello\r\n0\r\n\r\n",
            "5\r\nhelloXX",
        ] {
            let mut raw = Raw::connect(hub.address).await;
            raw.try_send(chunked(chunks)).await;
            let answered = String::from_utf8(raw.rest().await).unwrap();
            assert!(!answered.starts_with("HTTP/1.1 2"), "{chunks:?}: {answered}");
            assert_eq!(hub.hub.log().head().seq, 0, "{chunks:?}");
        }
        // A space after a size is bad whitespace, which a recipient may ignore (RFC 9112, section 7.1.1, RFC 9110,
        // section 5.6.3). hyper ignores it. This chunk ends the body, so nothing is smuggled.
        let mut raw = Raw::connect(hub.address).await;
        raw.send(chunked("5\r\nhello\r\n0 \r\n\r\n")).await;
        raw.send(get("/healthz", "")).await;
        assert_eq!(raw.answer().await.status, 200);
        assert_eq!(raw.answer().await.text(), "ok\n");
        drop(raw);
        hub.stop().await;
    });
}

#[test]
fn a_client_that_takes_too_long_is_disconnected() {
    // Only one deadline is short at a time, because a busy machine may be late with the head of a request.
    const SHORT: Duration = Duration::from_millis(150);
    every_mover_on_our_connections(async |mover| {
        // An incomplete body.
        let mut config = mover.config(HubConfig::default()).await;
        (config.head_deadline, config.body_deadline) = (PATIENCE, SHORT);
        let hub = Running::start(config).await;
        let mut raw = Raw::connect(hub.address).await;
        raw.send("POST /topics/t HTTP/1.1\r\nHost: hub\r\nContent-Length: 9\r\n\r\nhalf").await;
        let answer = raw.answer().await;
        assert_eq!(answer.rejection(), (408, "too_late".to_owned()));
        assert_eq!(answer.header("connection"), Some("close"));
        assert!(raw.rest().await.is_empty());
        assert_eq!(hub.hub.log().head().seq, 0);
        hub.stop().await;

        let mut config = mover.config(HubConfig::default()).await;
        (config.head_deadline, config.idle_timeout) = (SHORT, SHORT);
        config.body_deadline = PATIENCE;
        let hub = Running::start(config).await;
        // An incomplete head, an empty connection, and an idle one.
        for begun in ["GET /topics/t HTT", "", "GET /healthz HTTP/1.1\r\nHost: hub\r\n\r\n"] {
            let mut raw = Raw::connect(hub.address).await;
            raw.send(begun).await;
            tokio::time::timeout(PATIENCE, raw.rest())
                .await
                .expect("the server closes the connection");
        }
        assert_eq!(hub.hub.log().head().seq, 0);
        hub.stop().await;
    });
}

#[test]
fn a_head_that_is_too_large_and_bytes_that_are_not_http_are_rejected() {
    every_mover_on_our_connections(async |mover| {
        let hub = mover.hub().await;
        let large = get("/topics/t", &format!("X-Large: {}\r\n", "x".repeat(40 << 10)));
        let long = get(&format!("/topics/{}", "x".repeat(40 << 10)), "");
        let tls = "\u{16}\u{3}\u{1}\0\u{7f}\u{1}\0\0\u{7b}\u{3}\u{3}\r\n\r\n".to_owned();
        for (request, statuses) in [(large, &["431"][..]), (long, &["414", "431"]), (tls, &["400"])]
        {
            let mut raw = Raw::connect(hub.address).await;
            raw.try_send(request).await;
            let answered = String::from_utf8_lossy(&raw.rest().await).into_owned();
            let status = answered.get(9..12).unwrap_or_default();
            // The reset for unread bytes may overtake the response.
            assert!(statuses.contains(&status) || answered.is_empty(), "{answered}");
        }
        hub.stop().await;
    });
}

#[test]
fn the_authorizer_is_called_for_subscriptions_and_publishes() {
    every_mover(async |mover| {
        let mut config = mover.config(HubConfig::default()).await;
        config.authorizer = Authorizer::from_fn(|request, action| {
            let token = request.headers.get("authorization").map_or(&b""[..], |it| it.as_bytes());
            let rejected = |status: u16, code| {
                let status = http::StatusCode::from_u16(status).unwrap();
                Err(Rejection::new(status, code, "ask the owner for a token"))
            };
            match (token, action) {
                (b"", _) => rejected(401, "unauthorized"),
                (b"reader", Action::Publish(_)) => rejected(403, "forbidden"),
                _ => Ok(()),
            }
        });
        let hub = Running::start(config).await;
        let with = |request: String, token: &str| {
            request.replacen("\r\n", &format!("\r\nAuthorization: {token}\r\n"), 1)
        };
        let poll = || get("/topics/t?after=earliest&wait=0", "");
        let rejection = async |request| Raw::request(hub.address, request).await.rejection();
        assert_eq!(rejection(poll()).await, (401, "unauthorized".to_owned()));
        assert_eq!(rejection(post("/topics/t", "x")).await, (401, "unauthorized".to_owned()));
        let forbidden = with(post("/topics/t", "x"), "reader");
        assert_eq!(rejection(forbidden).await, (403, "forbidden".to_owned()));
        let allowed = with(post("/topics/t", "x"), "writer");
        assert_eq!(Raw::request(hub.address, allowed).await.status, 200);
        assert_eq!(Raw::request(hub.address, with(poll(), "reader")).await.status, 200);
        hub.stop().await;
    });
}
