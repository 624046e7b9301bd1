//! `POST /topics`: many notifications in one request.

use http::StatusCode;
use tidings_core::{Filters, HubConfig, Kind, Position};
use tidings_server::{Action, Authorizer};
use tidings_transport::Rejection;

use crate::support::{
    Answer, Mover, Raw, Running, every_also_mounted, every_mover, every_mover_also_mounted,
};

fn post(headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST /topics HTTP/1.1\r\nHost: hub\r\nContent-Type: application/x-ndjson\r\n{headers}\
         Content-Length: {length}\r\n\r\n{body}"
    )
}

/// A request that hyper parses, because its body is chunked.
fn chunked(body: &str) -> String {
    format!(
        "POST /topics HTTP/1.1\r\nHost: hub\r\nContent-Type: application/x-ndjson\r\n\
         Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
        body.len()
    )
}

/// The id or the error code of each line.
fn outcomes(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.header("content-type"), Some("application/x-ndjson"), "{answer:?}");
    let line = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let outcome = line["id"].as_str().or(line["error"]["code"].as_str());
        outcome.unwrap_or_else(|| panic!("{line}")).to_owned()
    };
    answer.text().lines().map(line).collect()
}

#[test]
fn many_are_published_in_their_order_and_each_is_answered() {
    every_also_mounted(async |case| {
        let hub = case.hub().await;
        let mut follower = hub.follow_at_once(&case.listed, ">", Position::Live).await;
        let body = "{\"topic\":\"a\",\"data\":\"one\\n\"}\n\r\n\
                    {\"topic\":\"b.c\",\"data_base64\":\"AP8=\",\"key\":\"k-1\"}\n\
                    {\"topic\":\"a\",\"data\":\"\",\"key\":\"k-2\"}";
        let id = |seq| hub.hub.epoch().id(seq).to_string();
        let answer = Raw::request(hub.address, post("", body)).await;
        assert_eq!((answer.status, outcomes(&answer)), (200, vec![id(1), id(2), id(3)]));
        for (topic, kind, payload) in [
            ("a", Kind::Text, &b"one\n"[..]),
            ("b.c", Kind::Binary, &[0, 255]),
            ("a", Kind::Text, b""),
        ] {
            let received = follower.notification().await;
            assert_eq!((received.kind, &received.payload[..]), (kind, payload));
            assert_eq!(received.topic.as_deref(), Some(topic));
        }
        // Notifications with a key are not stored again.
        let answer = Raw::request(hub.address, chunked(body)).await;
        assert_eq!((answer.status, outcomes(&answer)), (200, vec![id(4), id(2), id(3)]));
        let answer = Raw::request(hub.address, post("", "")).await;
        assert_eq!((answer.status, answer.text()), (200, String::new()));
        assert_eq!(follower.text().await, (4, "one\n".to_owned()));
        drop(follower);
        hub.stop().await;
    });
}

/// Permits every client to publish to topics that begin with `mine.`.
async fn mine(mover: Mover, hub: HubConfig) -> Running {
    let mut config = mover.config(hub).await;
    let mine: Filters = "mine.>".parse().unwrap();
    config.authorizer = Authorizer::from_fn(move |_, action| match action {
        Action::Publish(topic) if !mine.matches(topic) => {
            Err(Rejection::new(StatusCode::FORBIDDEN, "forbidden", "it is not yours"))
        }
        _ => Ok(()),
    });
    Running::start(config).await
}

#[test]
fn nothing_is_published_if_a_line_is_malformed_or_not_permitted() {
    every_mover_also_mounted(async |mover| {
        let hub = mine(mover, HubConfig::default()).await;
        let good = "{\"topic\":\"mine.a\",\"data\":\"x\"}";
        for (line, status, code) in [
            ("{\"topic\":\"theirs\",\"data\":\"x\"}", 403, "forbidden"),
            ("{\"topic\":\"mine.*\",\"data\":\"x\"}", 400, "bad_topic"),
            ("{\"topic\":\"mine.a\"}", 400, "bad_line"),
            ("mine.a", 400, "bad_line"),
            ("{\"topic\":\"mine.a\",\"data_base64\":\"x\"}", 400, "bad_payload"),
            ("{\"topic\":\"mine.a\",\"data\":\"x\",\"key\":\" \"}", 400, "bad_idempotency_key"),
        ] {
            let body = format!("{good}\n\n{line}\n{good}\n");
            for request in [post("", &body), chunked(&body)] {
                let answer = Raw::request(hub.address, request).await;
                assert_eq!(answer.rejection(), (status, code.to_owned()), "{line}");
                assert!(answer.text().contains("line 3: "), "{}", answer.text());
            }
        }
        assert_eq!(hub.hub.log().head().seq, 0);
        assert_eq!(Raw::request(hub.address, post("", good)).await.status, 200);
        hub.stop().await;
    });
}

#[test]
fn a_request_that_is_too_large_or_not_ndjson_is_rejected() {
    every_mover_also_mounted(async |mover| {
        let hub = mine(mover, HubConfig::default().max_payload(50_000)).await;
        let line = "{\"topic\":\"mine.a\",\"data\":\"\"}\n";
        let (most, more) = (line.repeat(1000), line.repeat(1001));
        let large = format!("{{\"topic\":\"mine.a\",\"data\":\"{}\"}}", "x".repeat(50_000));
        let plain = post("", line).replace("application/x-ndjson", "application/json");
        let without = post("", line).replace("Content-Type: application/x-ndjson\r\n", "");
        let get = "GET /topics HTTP/1.1\r\nHost: hub\r\n\r\n".to_owned();
        for (request, status, code) in [
            (post("", &more), 413, "too_many_lines"),
            (post("", &large), 413, "too_big"),
            (chunked(&large), 413, "too_big"),
            (plain, 415, "unsupported_media_type"),
            (without, 415, "unsupported_media_type"),
            (post("Content-Encoding: gzip\r\n", line), 415, "unsupported_coding"),
            (post("Idempotency-Key: k\r\n", line), 400, "bad_idempotency_key"),
            (post("Origin: https://other.example\r\n", line), 403, "origin_not_allowed"),
            (get.replace("GET", "PUT"), 405, "method_not_allowed"),
            (get, 405, "method_not_allowed"),
        ] {
            let answer = Raw::request(hub.address, &request).await;
            let head = &request[..request.len().min(200)];
            assert_eq!(answer.rejection(), (status, code.to_owned()), "{head}");
            let expected = (status == 405).then_some("POST");
            assert_eq!(answer.header("allow"), expected, "{head}");
        }
        assert_eq!(hub.hub.log().head().seq, 0);
        let answer = Raw::request(hub.address, post("", &most)).await;
        assert_eq!((answer.status, outcomes(&answer).len()), (200, 1000));
        hub.stop().await;
    });
}

#[test]
fn each_notification_is_counted_and_a_page_of_a_listed_origin_can_read_the_response() {
    every_mover(async |mover| {
        let mut config = mover.config(HubConfig::default()).await;
        let shop = "https://shop.example".to_owned();
        config.origins = tidings_server::Origins::Listed(vec![shop.clone()]);
        let hub = Running::start(config).await;
        let body = "{\"topic\":\"a\",\"data\":\"\"}\n".repeat(3);
        let answer = Raw::request(hub.address, post(&format!("Origin: {shop}\r\n"), &body)).await;
        assert_eq!((answer.status, outcomes(&answer).len()), (200, 3));
        assert_eq!(answer.header("access-control-allow-origin"), Some(shop.as_str()));
        assert_eq!(hub.metric("tidings_published_total").await, 3);
        hub.stop().await;
    });
}
