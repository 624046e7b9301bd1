//! A request to publish.

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Response, StatusCode, header};
use tidings_core::{Headers, Hub, Id, IdempotencyKey, Kind, Notification, Publishing, Topic};

use crate::{Rejection, headers, path_segment};

/// The head of a request to publish.
///
/// Parse it before reading the body. If the head is rejected, the body is not needed.
///
/// ```
/// use tidings_transport::PublishRequest;
///
/// let request = http::Request::post("/topics/orders.new").header("idempotency-key", "\"order-7\"").body(())?;
/// let publish = PublishRequest::read("orders.new", &request.into_parts().0).expect("it is well-formed");
/// assert_eq!(publish.topic.as_str(), "orders.new");
/// assert!(publish.key.is_some());
/// # Ok::<(), http::Error>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PublishRequest {
    /// The topic to publish to.
    pub topic: Topic,
    /// The kind that `Tidings-Kind` names. Without that header, binary for `Content-Type: application/octet-stream`,
    /// otherwise text.
    pub kind: Kind,
    /// `Tidings-Event`, `Tidings-Time`, `traceparent` and `tracestate`, and `Content-Type` unless it only implies the
    /// kind. `None` if there are none.
    pub headers: Option<Headers>,
    /// `Idempotency-Key`. A second request with the same key does not publish again.
    pub key: Option<IdempotencyKey>,
}

impl PublishRequest {
    /// Parses the head of a request. `topic` is the segment of the path that names the topic, percent-encoded.
    ///
    /// # Errors
    /// Fails with a `400` if the topic, the `Idempotency-Key` or one of the `Tidings-` headers is malformed, and with a
    /// `415` if the payload has a content coding.
    pub fn read(topic: &str, request: &Parts) -> Result<Self, Rejection> {
        Self::new(path_segment(topic)?.parse()?, request)
    }

    /// Parses the head of a request to publish to this topic.
    ///
    /// # Errors
    /// Fails with a `400` if the `Idempotency-Key` or one of the `Tidings-` headers is malformed, and with a `415` if
    /// the payload has a content coding.
    pub fn new(topic: Topic, request: &Parts) -> Result<Self, Rejection> {
        reject_coding(request)?;
        let (kind, headers) = headers::read(request)?;
        Ok(Self { topic, kind, headers, key: idempotency_key(request)? })
    }

    /// Publishes this payload. The returned future resolves when the notification is stored.
    ///
    /// # Errors
    /// Fails with a `400` if the kind is text and the payload is not UTF-8.
    pub fn publish(self, payload: Bytes, hub: &Hub) -> Result<Publishing, Rejection> {
        let Self { topic, kind, headers, key } = self;
        let mut notification = Notification::checked(topic, kind, payload).map_err(|fault| {
            let how = "send it with Content-Type: application/octet-stream or Tidings-Kind: binary";
            Rejection::bad_request("bad_payload", format!("{fault}; for binary, {how}"))
        })?;
        if let Some(headers) = headers {
            notification = notification.with_headers(headers);
        }
        Ok(hub.publish_once(notification, key))
    }
}

/// Returns the response to a request that has published a notification: `{"id":…}` and a line feed.
pub fn published(id: Id) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(format!("{{\"id\":\"{id}\"}}\n")));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Parses `Idempotency-Key`. The value is a quoted string (RFC 8941, section 3.3.3), but the quotes may be left out.
/// `None` without such a header. Fails with a `400` if the key is malformed.
pub(crate) fn idempotency_key(request: &Parts) -> Result<Option<IdempotencyKey>, Rejection> {
    let Some(value) = request.headers.get("idempotency-key") else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    let quoted = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    Ok(Some(quoted.unwrap_or(text).parse()?))
}

/// Whether this is the media type `essence`, with any parameters.
pub(crate) fn is_media(media: &HeaderValue, essence: &str) -> bool {
    let given = media.as_bytes().split(|&byte| byte == b';').next().unwrap_or_default();
    given.trim_ascii().eq_ignore_ascii_case(essence.as_bytes())
}

/// Fails with a `415` if the payload of the request has a content coding.
pub(crate) fn reject_coding(request: &Parts) -> Result<(), Rejection> {
    if is_coded(request) { Err(unsupported_coding()) } else { Ok(()) }
}

/// Whether the payload has a content coding (RFC 9110, section 8.4). A hub does not decode it, so subscribers would be
/// sent the encoded bytes without the coding's name.
fn is_coded(request: &Parts) -> bool {
    let lines = request.headers.get_all(header::CONTENT_ENCODING).iter();
    let mut codings = lines.flat_map(|line| line.as_bytes().split(|&byte| byte == b','));
    codings.any(|coding| {
        let coding = coding.trim_ascii();
        !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity")
    })
}

fn unsupported_coding() -> Rejection {
    let message = "the payload has a Content-Encoding: send it without one, or as application/octet-stream without \
                   that header if subscribers decode it";
    Rejection::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_coding", message)
        .with(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"))
}
