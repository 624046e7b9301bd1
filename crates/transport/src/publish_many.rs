//! A request to publish many notifications: one JSON object on each line.

use std::borrow::Cow;
use std::collections::HashSet;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Response, StatusCode, header};
use serde::Deserialize;
use serde_json::json;
use tidings_core::{Headers, Hub, Id, IdempotencyKey, Notification, Topic};
use tokio::time::{Instant, timeout_at};

use crate::Rejection;
use crate::payload::too_big;
use crate::publish::{idempotency_key, is_media, reject_coding};

/// How long one request is authorized and published. An authorizer may take its time for each topic, and a broker its whole
/// deadline for each notification.
const LONGEST: Duration = Duration::from_secs(30);

/// The media type of the request and of its response: one JSON text on each line.
pub(crate) const MEDIA: &str = "application/x-ndjson";

/// Many notifications to publish, each with its topic, parsed from the body of one request. Each line is a JSON object with
/// `topic`, either `data` or `data_base64` (RFC 4648, section 4), and optionally `headers` and `key`, an idempotency key.
///
/// ```
/// use tidings_transport::PublishMany;
///
/// let body = "{\"topic\":\"orders.new\",\"data\":\"seven teapots\"}\n\
///             {\"topic\":\"pictures\",\"data_base64\":\"AQI=\",\"key\":\"picture-7\"}\n";
/// let many = PublishMany::parse(body.as_bytes(), 1 << 20).expect("it is well-formed");
/// assert_eq!(many.topics().count(), 2);
/// assert!(PublishMany::parse(b"{\"topic\":\"orders.*\",\"data\":\"\"}", 1 << 20).is_err());
/// ```
#[derive(Clone, Debug)]
pub struct PublishMany {
    lines: Vec<Line>,
    /// Nothing is authorized or published later.
    until: Instant,
}

#[derive(Clone, Debug)]
struct Line {
    /// The number of the line, from 1. Blank lines count.
    number: usize,
    notification: Notification,
    key: Option<IdempotencyKey>,
}

/// The outcome of publishing many notifications in their order.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PublishedMany {
    /// The ids of the notifications that were stored, in the order of their lines.
    pub ids: Vec<Id>,
    /// Why the next notification was not stored, or `None` if all were. The message begins with the number of its line. No
    /// later notification was published.
    pub failed: Option<Rejection>,
    /// How many notifications after the one that failed were not published.
    pub unpublished: usize,
    /// The number of the line that failed.
    line: usize,
}

/// A line as it is sent.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sent<'a> {
    #[serde(borrow)]
    topic: Cow<'a, str>,
    #[serde(default)]
    headers: Option<Headers>,
    #[serde(borrow, default)]
    data: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    data_base64: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    key: Option<Cow<'a, str>>,
}

impl PublishMany {
    /// The most notifications in one request.
    pub const MAX_LINES: usize = 1000;

    /// Checks the head of a request, before its body is read.
    ///
    /// # Errors
    /// Returns a `415` if the body is not `application/x-ndjson` or has a content coding, and a `400` if the request has an
    /// `Idempotency-Key`: a key is for one notification, so it belongs in the line.
    pub fn check_head(request: &Parts) -> Result<(), Rejection> {
        if !request.headers.get(header::CONTENT_TYPE).is_some_and(|media| is_media(media, MEDIA)) {
            let message = format!(
                "send Content-Type: {MEDIA}, and on each line a JSON object such as \
                 {{\"topic\":\"orders.new\",\"data\":\"text\"}}; publish a single payload at /topics/NAME"
            );
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return Err(Rejection::new(status, "unsupported_media_type", message)
                .with(header::ACCEPT, HeaderValue::from_static(MEDIA)));
        }
        reject_coding(request)?;
        if idempotency_key(request)?.is_some() {
            let message =
                "an Idempotency-Key is for one notification: give each line a \"key\" instead";
            return Err(Rejection::bad_request("bad_idempotency_key", message));
        }
        Ok(())
    }

    /// Parses a body of at most `limit` bytes, which should be the hub's [`max_payload`](Hub::max_payload). Ignores blank
    /// lines. From here on, to authorize and to publish them may take 30 s.
    ///
    /// # Errors
    /// Returns a `400` that names the line if one is malformed, and a `413` if the body is larger or has more than
    /// [`MAX_LINES`](Self::MAX_LINES).
    pub fn parse(body: &[u8], limit: usize) -> Result<Self, Rejection> {
        // A server that reads the request in one piece has not limited its body.
        if body.len() > limit {
            return Err(too_big(limit));
        }
        let mut lines = Vec::new();
        for (index, text) in body.split(|&byte| byte == b'\n').enumerate() {
            if text.trim_ascii().is_empty() {
                continue;
            }
            if lines.len() == Self::MAX_LINES {
                let most = Self::MAX_LINES;
                let message =
                    format!("there are more than {most} lines: send them in several requests");
                let status = StatusCode::PAYLOAD_TOO_LARGE;
                return Err(Rejection::new(status, "too_many_lines", message));
            }
            lines.push(Line::parse(index + 1, text).map_err(|error| at_line(index + 1, error))?);
        }
        Ok(Self { lines, until: Instant::now() + LONGEST })
    }

    /// Returns each topic once, with the number of the first line that has it.
    pub fn topics(&self) -> impl Iterator<Item = (usize, &Topic)> {
        let mut seen = HashSet::new();
        let topics = self.lines.iter().map(|line| (line.number, line.notification.topic()));
        topics.filter(move |(_, topic)| seen.insert(*topic))
    }

    /// Resolves like `authorizing`, which may still take as long as all of it may. It is for the topic at this line.
    ///
    /// # Errors
    /// Returns the rejection, or a `503` if it is too late, and names the line.
    pub(crate) async fn in_time<T>(
        &self,
        line: usize,
        authorizing: impl Future<Output = Result<T, Rejection>>,
    ) -> Result<T, Rejection> {
        let outcome = timeout_at(self.until, authorizing).await;
        outcome.unwrap_or_else(|_| Err(too_slow())).map_err(|error| at_line(line, error))
    }

    /// Publishes the notifications in their order, one after the other. Stops at the first that is not stored, and at the
    /// first whose turn comes more than 30 s after they were [parsed](Self::parse).
    ///
    /// Returns by then, or at most one publish deadline of the hub later. Not cancel safe: if the future is dropped, some
    /// notifications may be published and others not.
    pub async fn publish(self, hub: &Hub) -> PublishedMany {
        let Self { lines, until } = self;
        let count = lines.len();
        let mut ids = Vec::with_capacity(count);
        for Line { number, notification, key } in lines {
            let outcome = if Instant::now() < until {
                hub.publish_once(notification, key).await.map_err(Rejection::from)
            } else {
                Err(too_slow())
            };
            match outcome {
                Ok(id) => ids.push(id),
                Err(error) => {
                    let unpublished = count - ids.len() - 1;
                    let failed = Some(at_line(number, error));
                    return PublishedMany { ids, failed, unpublished, line: number };
                }
            }
        }
        PublishedMany { ids, failed: None, unpublished: 0, line: 0 }
    }
}

impl Line {
    fn parse(number: usize, text: &[u8]) -> Result<Self, Rejection> {
        let sent: Sent<'_> = serde_json::from_slice(text).map_err(|error| {
            let told = error.to_string();
            // The parser sees one line, so its line number is always 1.
            let problem = told.rsplit_once(" at line ").map_or(&*told, |(problem, _)| problem);
            let (column, wanted) = (error.column(), r#"{"topic":"orders.new","data":"text"}"#);
            let message = format!("{problem} at column {column}; send lines such as {wanted}");
            Rejection::bad_request("bad_line", message)
        })?;
        let topic: Topic = sent.topic.parse()?;
        let mut notification = match (sent.data, sent.data_base64) {
            (Some(text), None) => Notification::text(topic, text.into_owned()),
            (None, Some(base64)) => {
                let payload = STANDARD.decode(base64.as_bytes()).map_err(|error| {
                    Rejection::bad_request(
                        "bad_payload",
                        format!("data_base64 is not base64: {error}"),
                    )
                })?;
                Notification::binary(topic, payload)
            }
            (None, None) | (Some(_), Some(_)) => {
                let message = "expected either \"data\", a text, or \"data_base64\", for binary";
                return Err(Rejection::bad_request("bad_line", message));
            }
        };
        if let Some(headers) = sent.headers {
            notification = notification.with_headers(headers);
        }
        let key = sent.key.map(|key| key.parse()).transpose()?;
        Ok(Self { number, notification, key })
    }
}

impl PublishedMany {
    /// Returns the response: a line for each notification, in their order. A line is `{"id":…}`, or an error as
    /// [`Rejection::into_response`] writes it. The status is `200` only if all were stored, otherwise that of the failure.
    pub fn into_response(self) -> Response<Bytes> {
        let mut body: String = self.ids.iter().map(|id| format!("{{\"id\":\"{id}\"}}\n")).collect();
        let mut response = Response::new(Bytes::new());
        if let Some(failed) = self.failed {
            body.push_str(&error_line(failed.code, &failed.message));
            let message =
                format!("line {} failed, and this was not published: send it again", self.line);
            body.push_str(&error_line("not_published", &message).repeat(self.unpublished));
            *response.status_mut() = failed.status;
            *response.headers_mut() = *failed.headers;
        }
        *response.body_mut() = body.into();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

fn error_line(code: &str, message: &str) -> String {
    format!("{}\n", json!({"error": {"code": code, "message": message}}))
}

/// Puts the number of the line in front of the message of a rejection.
fn at_line(line: usize, rejection: Rejection) -> Rejection {
    Rejection { message: format!("line {line}: {}", rejection.message), ..rejection }
}

fn too_slow() -> Rejection {
    let message = format!(
        "not published, because to authorize and to publish those before took {LONGEST:?}: send fewer lines"
    );
    Rejection::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message)
        .with(header::RETRY_AFTER, 1)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use futures::future::BoxFuture;
    use tidings_core::broker::{Broker, Replay, Start, Tail};
    use tidings_core::driver::Budget;
    use tidings_core::{BrokerError, Epoch, Filters, HubConfig, Kind, Reason};

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
    fn each_line_is_a_notification_and_blank_ones_are_none() {
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
    fn only_ndjson_without_a_coding_and_without_one_key_for_all_is_read() {
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
    async fn over_a_slow_broker_a_request_ends_in_time() {
        let hub = Hub::connect(Arc::new(Slow), HubConfig::default()).await.unwrap();
        let many = parse("{\"topic\":\"a\",\"data\":\"\"}\n".repeat(20)).unwrap();
        let began = Instant::now();
        let published = many.publish(&hub).await;
        assert_eq!(began.elapsed(), Duration::from_secs(32));
        assert_eq!((published.ids.len(), published.unpublished), (8, 11));
        let failed = published.failed.unwrap();
        assert!(failed.is_temporary() && failed.message.starts_with("line 9: "), "{failed:?}");
    }

    /// Takes a second for each topic.
    struct Thorough;

    impl Authorize for Thorough {
        type Session = ();

        async fn authorize(&self, _: &Parts, _: Action<'_>) -> Result<(), Rejection> {
            tokio::time::sleep(Duration::from_secs(1)).await;
            Ok(())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn to_authorize_and_to_publish_share_one_limit() {
        let hub = Hub::connect(Arc::new(Slow), HubConfig::default()).await.unwrap();
        let mount = Mount::new(hub.clone()).authorizer(Authorizer::new(Thorough));
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
    async fn what_comes_after_a_failure_is_not_published() {
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
}
