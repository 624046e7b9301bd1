//! The response to a request that is not served.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};
use serde_json::json;
use tidings_core::{
    BrokerError, JoinError, ParseIdError, ParseKeyError, ParseTopicError, PublishError,
};

use crate::Transport;

/// The response to a request that is not served: a status, a code for programs, and a message for people, which names
/// the problem and what to do.
///
/// ```
/// use tidings_transport::Rejection;
/// let rejection = Rejection::bad_request("bad_wait", "invalid wait \"soon\": expected whole seconds");
/// assert_eq!(rejection.into_response().status(), 400);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The HTTP status.
    pub status: StatusCode,
    /// The code for programs, in snake case. A code never changes its meaning.
    pub code: &'static str,
    /// The message for people.
    pub message: String,
    /// Further headers, such as `Allow` and `Retry-After`. Boxed, because most rejections have none.
    pub headers: Box<HeaderMap>,
}

impl Rejection {
    /// Creates a rejection with this status, code and message.
    pub fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), headers: Box::default() }
    }

    /// Creates a `400 Bad Request`.
    pub fn bad_request(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// Creates a `401 Unauthorized`: the client must send a Bearer token (RFC 6750, section 3).
    pub fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
            .with(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
    }

    /// Creates a `403 Forbidden`: the client may not do this.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", message)
    }

    /// Creates a `405 Method Not Allowed`. `allow` lists the methods that are allowed, such as `GET, HEAD`.
    pub fn method_not_allowed(method: &Method, allow: &'static str) -> Self {
        let message = format!("{method} is not allowed here, only {allow}");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
            .with(header::ALLOW, HeaderValue::from_static(allow))
    }

    /// Sets a header.
    pub fn with(mut self, name: HeaderName, value: impl Into<HeaderValue>) -> Self {
        self.headers.insert(name, value.into());
        self
    }

    /// Returns the response. Its body is `{"error":{"code":…,"message":…}}` and a line feed.
    pub fn into_response(self) -> Response<Bytes> {
        let mut body = json!({"error": {"code": self.code, "message": self.message}}).to_string();
        body.push('\n');
        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = self.status;
        *response.headers_mut() = *self.headers;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}

impl Rejection {
    /// Returns `true` if the same request may be served later, which is so for the statuses `503` and `429`.
    pub fn is_temporary(&self) -> bool {
        matches!(self.status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS)
    }

    /// Returns the response to a request for this transport. The transport can replace that of a temporary rejection:
    /// see [`Transport::reject_temporarily`].
    pub fn into_response_by(self, transport: &dyn Transport) -> Response<Bytes> {
        let of_transport =
            if self.is_temporary() { transport.reject_temporarily(&self) } else { None };
        of_transport.unwrap_or_else(|| self.into_response())
    }
}

#[cfg(feature = "axum")]
impl axum_core::response::IntoResponse for Rejection {
    fn into_response(self) -> axum_core::response::Response {
        Self::into_response(self).map(axum_core::body::Body::from)
    }
}

impl From<ParseTopicError> for Rejection {
    fn from(error: ParseTopicError) -> Self {
        Self::bad_request("bad_topic", error.to_string())
    }
}

impl From<ParseIdError> for Rejection {
    fn from(error: ParseIdError) -> Self {
        Self::bad_request("bad_id", error.to_string())
    }
}

impl From<ParseKeyError> for Rejection {
    fn from(error: ParseKeyError) -> Self {
        Self::bad_request("bad_idempotency_key", error.to_string())
    }
}

impl From<JoinError> for Rejection {
    fn from(error: JoinError) -> Self {
        let code = match error {
            JoinError::Full { .. } => "full",
            JoinError::TooManyFilters { .. } => "too_many_filters",
            JoinError::Closed(_) => "going_away",
            // `JoinError::Unavailable`, and variants that are added later. The client can try again.
            _ => "unavailable",
        };
        Self::new(StatusCode::SERVICE_UNAVAILABLE, code, error.to_string())
            .with(header::RETRY_AFTER, 5)
    }
}

impl From<PublishError> for Rejection {
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::TooBig { .. } => {
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_big", error.to_string())
            }
            PublishError::Closed(_) => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "going_away", error.to_string())
                    .with(header::RETRY_AFTER, 5)
            }
            // The error also names the broker and its address, which publishers must not see.
            PublishError::Unavailable(BrokerError::Rejected { problem, .. }) => {
                let message = format!("the broker rejected the notification: {problem}");
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "broker_rejected", message)
                    .with(header::RETRY_AFTER, 5)
            }
            // `BrokerError::Away`, and variants that are added later. The notification may have been stored.
            _ => {
                let message = "the broker did not confirm that the notification is stored: try again, with the same \
                               Idempotency-Key if it had one, otherwise it may be stored twice";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message)
                    .with(header::RETRY_AFTER, 1)
            }
        }
    }
}
