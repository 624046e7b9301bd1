//! Publishing: `POST /topics/NAME`.

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Response, StatusCode, header};
use tidings_core::{Id, IdempotencyKey, Kind, Notification, PublishError, Topic};
use tidings_transport::{Rejection, path_segment};

use super::reject::reject;
use crate::answer::{Answer, text};
use crate::config::Action;
use crate::shared::Shared;

/// Checks that this request may publish, before its body is read. Returns the topic.
pub(super) fn check(request: &Parts, topic: &str, shared: &Shared) -> Result<Topic, Rejection> {
    let topic = path_segment(topic)?.parse()?;
    // A page may send a POST to any host without asking; only this check keeps foreign pages out.
    shared.config.origins.check(request)?;
    shared.config.access.check(request, Action::Publish(&topic))?;
    if is_coded(request) {
        return Err(unsupported_coding());
    }
    Ok(topic)
}

/// Publishes the body of a request to this topic.
pub(super) fn publish(
    request: &Parts,
    topic: Topic,
    payload: Bytes,
    shared: &Shared,
) -> Result<Answer, Rejection> {
    let key = idempotency_key(request)?;
    let kind = match request.headers.get(header::CONTENT_TYPE) {
        Some(media) if is_binary(media) => Kind::Binary,
        _ => Kind::Text,
    };
    let notification = Notification::checked(topic, kind, payload).map_err(|fault| {
        let how = "send it with Content-Type: application/octet-stream";
        Rejection::bad_request("bad_payload", format!("{fault}; for binary, {how}"))
    })?;
    match shared.config.hub.publish_once(notification, key).now() {
        Ok(outcome) => Ok(Answer::Response(published(outcome, shared))),
        Err(publishing) => {
            let shared = shared.clone();
            Ok(Answer::Pending(Box::pin(async move { published(publishing.await, &shared) })))
        }
    }
}

fn published(outcome: Result<Id, PublishError>, shared: &Shared) -> Response<Bytes> {
    match outcome {
        Ok(id) => {
            shared.metrics.published.inc();
            text("application/json", format!("{{\"id\":\"{id}\"}}\n"))
        }
        Err(error) => reject(None, error.into(), shared),
    }
}

/// Reads the key: a string of RFC 8941, section 3.3.3, in quotes. Without quotes it is understood as well.
fn idempotency_key(request: &Parts) -> Result<Option<IdempotencyKey>, Rejection> {
    let Some(value) = request.headers.get("idempotency-key") else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    let quoted = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    Ok(Some(quoted.unwrap_or(text).parse()?))
}

fn is_binary(media: &HeaderValue) -> bool {
    let essence = media.as_bytes().split(|&byte| byte == b';').next().unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(b"application/octet-stream")
}

/// Returns `true` if the payload has a content coding (RFC 9110, section 8.4). It would be stored, and sent to each
/// subscriber, as if the coded bytes were the payload.
fn is_coded(request: &Parts) -> bool {
    let lines = request.headers.get_all(header::CONTENT_ENCODING).iter();
    let mut codings = lines.flat_map(|line| line.as_bytes().split(|&byte| byte == b','));
    codings.any(|coding| {
        let coding = coding.trim_ascii();
        !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity")
    })
}

fn unsupported_coding() -> Rejection {
    let message = "the payload has a Content-Encoding: send it as it is, or as application/octet-stream without \
                   that header if subscribers are to decode it";
    Rejection::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_coding", message)
        .with(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"))
}
