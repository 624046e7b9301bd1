//! A request to publish many notifications. Its body has one JSON object on each line.

mod line;
mod published;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::time::Duration;

use http::request::Parts;
use http::{HeaderValue, StatusCode, header};
use tidings_core::{Hub, Topic};
use tokio::time::{Instant, timeout_at};

use self::line::Line;
pub use self::published::PublishedMany;
use crate::Rejection;
use crate::payload::too_big;
use crate::publish::{idempotency_key, is_media, reject_coding};

/// For how long the notifications of one request may be authorized and published. Without this limit, each topic could
/// take the time of the authorizer, and each notification the whole publish deadline.
const LONGEST: Duration = Duration::from_secs(30);

/// The media type of the request and of its response: one JSON text on each line.
pub(crate) const MEDIA: &str = "application/x-ndjson";

/// Many notifications to publish, each with its topic, parsed from the body of one request. Each line is a JSON object
/// with `topic`, either `data` or `data_base64` (RFC 4648, section 4), and optionally `headers` and `key`, an
/// idempotency key.
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
    /// The end of the time to authorize and to publish.
    until: Instant,
}

impl PublishMany {
    /// The most notifications in one request.
    pub const MAX_LINES: usize = 1000;

    /// Checks the head of a request, before its body is read.
    ///
    /// # Errors
    /// Fails with a `415` if the body is not `application/x-ndjson` or has a content coding, and with a `400` if the
    /// request has an `Idempotency-Key`, because each notification needs a separate key, in its line.
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

    /// Parses a body of at most `limit` bytes, which should be the hub's [`max_payload`](Hub::max_payload). Ignores
    /// blank lines. From this call on, authorizing and publishing the notifications may take 30 s together.
    ///
    /// # Errors
    /// Fails with a `400` that names the line if a line is malformed, and with a `413` if the body is larger than
    /// `limit` or has more notifications than [`MAX_LINES`](Self::MAX_LINES).
    pub fn parse(body: &[u8], limit: usize) -> Result<Self, Rejection> {
        // A lane reads a request in one piece and does not limit its body.
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

    /// Awaits the authorization of the topic in this line, for as long as the request may still take. Fails with the
    /// rejection of the authorizer, or with a `503` once the time is over. The message begins with the line.
    pub(crate) async fn in_time<T>(
        &self,
        line: usize,
        authorizing: impl Future<Output = Result<T, Rejection>>,
    ) -> Result<T, Rejection> {
        let outcome = timeout_at(self.until, authorizing).await;
        outcome.unwrap_or_else(|_| Err(too_slow())).map_err(|error| at_line(line, error))
    }

    /// Publishes the notifications in their order, one after the other. Stops at the first that is not stored, or once
    /// 30 s have passed since they were [parsed](Self::parse). A publish that has begun by then still takes up to one
    /// publish deadline of the hub.
    ///
    /// Not cancel safe: if the future is dropped, some notifications may be published and others not.
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

fn at_line(line: usize, rejection: Rejection) -> Rejection {
    Rejection { message: format!("line {line}: {}", rejection.message), ..rejection }
}

fn too_slow() -> Rejection {
    let message = format!(
        "not published, because authorizing and publishing the lines before it took {LONGEST:?}: send fewer lines"
    );
    Rejection::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message)
        .with(header::RETRY_AFTER, 1)
}
