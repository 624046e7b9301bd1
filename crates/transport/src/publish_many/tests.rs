//! Requests to publish many notifications, and their limits.

use std::sync::Arc;

use futures::future::BoxFuture;
use tidings_core::broker::{Broker, Replay, Start, Tail};
use tidings_core::driver::Budget;
use tidings_core::{
    BrokerError, Epoch, Filters, Headers, HubConfig, Id, IdempotencyKey, Kind, Notification, Reason,
};

use super::*;
use crate::mount::Mount;
use crate::{Action, Authorize, Authorizer};

fn parse(body: impl AsRef<[u8]>) -> Result<PublishMany, Rejection> {
    PublishMany::parse(body.as_ref(), 64 << 10)
}

fn rejected(body: &str) -> (u16, &'static str, String) {
    let rejection = parse(body).unwrap_err();
    (rejection.status.as_u16(), rejection.code, rejection.message)
}

#[test]
fn each_line_is_a_notification_and_blank_lines_are_ignored() {
    let body = "\n{\"topic\":\"a\",\"data\":\"\\u00e9 \\n\",\"headers\":{\"event\":\"new\"}}\r\n  \n\
                {\"key\":\"k\",\"data_base64\":\"AP8=\",\"topic\":\"b.c\"}";
    let PublishMany { lines, .. } = parse(body).unwrap();
    let [text, binary] = &lines[..] else { panic!("{lines:?}") };
    assert_eq!((text.number, text.notification.as_text()), (2, Some("\u{e9} \n")));
    assert_eq!(text.key, None);
    assert_eq!(text.notification.headers(), Some(&Headers::new().with_event("new").unwrap()));
    assert_eq!(binary.notification.headers(), None);
    assert_eq!((binary.number, binary.notification.kind()), (4, Kind::Binary));
    assert_eq!(binary.notification.payload()[..], [0, 255]);
    assert_eq!(binary.key.as_ref().map(IdempotencyKey::as_str), Some("k"));
    assert!(parse(" \n\n").unwrap().lines.is_empty());
}

#[test]
fn each_fault_names_its_line() {
    let good = "{\"topic\":\"a\",\"data\":\"\"}\n";
    for (line, code) in [
        ("{", "bad_line"),
        ("[]", "bad_line"),
        ("{\"topic\":\"a\"}", "bad_line"),
        ("{\"data\":\"a\"}", "bad_line"),
        ("{\"topic\":\"a\",\"data\":\"\",\"data_base64\":\"\"}", "bad_line"),
        ("{\"topic\":\"a\",\"data\":7}", "bad_line"),
        ("{\"topic\":\"a\",\"data\":\"\",\"keys\":\"k\"}", "bad_line"),
        ("{\"topic\":\"a\",\"data\":\"\",\"headers\":{\"event\":\"gap\"}}", "bad_line"),
        ("{\"topic\":\"a.*\",\"data\":\"\"}", "bad_topic"),
        ("{\"topic\":\"a\",\"data_base64\":\"?\"}", "bad_payload"),
        ("{\"topic\":\"a\",\"data\":\"\",\"key\":\"\"}", "bad_idempotency_key"),
    ] {
        let (status, got, message) = rejected(&format!("{good}\n{line}\n{good}"));
        assert_eq!((status, got), (400, code), "{line}");
        assert!(message.starts_with("line 3: "), "{message}");
    }
    let (_, _, message) = rejected("{\"topic\":\"a\" \"data\":\"\"}");
    let expected = "line 1: expected `,` or `}` at column 14; send lines such as {\"topic\"";
    assert!(message.starts_with(expected), "{message}");
    let not_utf8 = parse(b"{\"topic\":\"a\",\"data\":\"\xff\"}").unwrap_err();
    assert_eq!((not_utf8.code, &not_utf8.message[..8]), ("bad_line", "line 1: "));
    assert!(parse(good.repeat(PublishMany::MAX_LINES)).is_ok());
    assert_eq!(rejected(&" ".repeat((64 << 10) + 1)).1, "too_big");
    let (status, code, _) = rejected(&good.repeat(PublishMany::MAX_LINES + 1));
    assert_eq!((status, code), (413, "too_many_lines"));
}

#[test]
fn the_head_must_have_ndjson_and_neither_a_coding_nor_a_key() {
    let check = |headers: &[(&str, &str)]| {
        let mut request = http::Request::post("/topics");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let parts = request.body(()).unwrap().into_parts().0;
        PublishMany::check_head(&parts).map_err(|it| (it.status.as_u16(), it.code))
    };
    let media = ("content-type", "Application/X-NDJSON; charset=utf-8");
    assert_eq!(check(&[media]), Ok(()));
    assert_eq!(check(&[]), Err((415, "unsupported_media_type")));
    let other = ("content-type", "application/json");
    assert_eq!(check(&[other]), Err((415, "unsupported_media_type")));
    let coded = ("content-encoding", "gzip");
    assert_eq!(check(&[media, coded]), Err((415, "unsupported_coding")));
    let key = ("idempotency-key", "k");
    assert_eq!(check(&[media, key]), Err((400, "bad_idempotency_key")));
}

/// A broker that takes four seconds to store each notification.
#[derive(Debug)]
struct Slow;

impl Broker for Slow {
    fn publish(
        &self,
        _: Notification,
        _: Option<IdempotencyKey>,
    ) -> BoxFuture<'static, Result<Id, BrokerError>> {
        Box::pin(async {
            tokio::time::sleep(Duration::from_secs(4)).await;
            Ok(Epoch::from_number(1).id(1))
        })
    }

    fn tail(&self, _: Start) -> BoxFuture<'static, Result<Tail, BrokerError>> {
        let arrivals = Box::pin(futures::stream::pending());
        let epoch = Epoch::from_number(1);
        Box::pin(async move { Ok(Tail { epoch, floor: 0, after: 0, head: 0, arrivals }) })
    }

    fn replay(
        &self,
        _: &Filters,
        _: Id,
        _: u64,
        _: Budget,
    ) -> BoxFuture<'static, Result<Replay, BrokerError>> {
        Box::pin(std::future::pending())
    }

    fn max_payload(&self) -> usize {
        usize::MAX
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_over_a_slow_broker_ends_in_time() {
    let hub = Hub::connect(Arc::new(Slow), HubConfig::default()).await.unwrap();
    let many = parse("{\"topic\":\"a\",\"data\":\"\"}\n".repeat(20)).unwrap();
    let began = Instant::now();
    let published = many.publish(&hub).await;
    assert_eq!(began.elapsed(), Duration::from_secs(32));
    assert_eq!((published.ids.len(), published.unpublished), (8, 11));
    let failed = published.failed.unwrap();
    assert!(failed.is_temporary() && failed.message.starts_with("line 9: "), "{failed:?}");
}

/// An authorizer that takes a second for each topic.
struct SlowAuthorizer;

impl Authorize for SlowAuthorizer {
    type Session = ();

    async fn authorize(&self, _: &Parts, _: Action<'_>) -> Result<(), Rejection> {
        tokio::time::sleep(Duration::from_secs(1)).await;
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn authorizing_and_publishing_share_one_time_limit() {
    let hub = Hub::connect(Arc::new(Slow), HubConfig::default()).await.unwrap();
    let mount = Mount::new(hub.clone()).authorizer(Authorizer::new(SlowAuthorizer));
    let request = http::Request::post("/topics").body(()).unwrap().into_parts().0;
    let many = |topics: usize| {
        let line = |topic| format!("{{\"topic\":\"t.{topic}\",\"data\":\"\"}}\n");
        parse((0..topics).map(line).collect::<String>()).unwrap()
    };
    let began = Instant::now();
    let error = mount.check_publisher_of_many(&request, &many(40)).await.unwrap_err();
    assert_eq!(began.elapsed(), LONGEST);
    assert!(error.is_temporary() && error.message.starts_with("line 31: "), "{error:?}");

    let (began, many) = (Instant::now(), many(20));
    mount.check_publisher_of_many(&request, &many).await.unwrap();
    let published = many.publish(&hub).await;
    assert_eq!(began.elapsed(), Duration::from_secs(32));
    assert_eq!((published.ids.len(), published.unpublished), (3, 16));
}

#[tokio::test]
async fn lines_after_a_failure_are_not_published() {
    let hub = Hub::default();
    let many = |count: usize| parse("{\"topic\":\"a\",\"data\":\"\"}\n".repeat(count)).unwrap();
    let all = many(2).publish(&hub).await;
    assert_eq!((all.ids.len(), all.failed.is_none()), (2, true));
    let response = all.into_response();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.headers()["content-type"], MEDIA);
    let (one, two) = (hub.epoch().id(1), hub.epoch().id(2));
    assert_eq!(response.body(), &format!("{{\"id\":\"{one}\"}}\n{{\"id\":\"{two}\"}}\n"));

    hub.close(Reason::GoingAway);
    let none = many(3).publish(&hub).await;
    assert_eq!((none.ids.len(), none.unpublished), (0, 2));
    let response = none.into_response();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers()["retry-after"], "5");
    let body = std::str::from_utf8(response.body()).unwrap();
    let codes: Vec<_> = body
        .lines()
        .map(|line| {
            let error: serde_json::Value = serde_json::from_str(line).unwrap();
            error["error"]["code"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(codes, ["going_away", "not_published", "not_published"]);
    assert!(body.contains("line 1"), "{body}");
}
