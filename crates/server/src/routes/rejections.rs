//! The rejections of requests for no resource, or by the wrong method.

use http::{HeaderValue, Method, StatusCode, header};
use tidings_transport::Rejection;

/// The rejection of a request on a connection over the limit.
pub(super) fn too_many_connections() -> Rejection {
    let message = "too many connections: try again later";
    Rejection::new(StatusCode::SERVICE_UNAVAILABLE, "full", message)
        .with(header::RETRY_AFTER, 5)
        .with(header::CONNECTION, HeaderValue::from_static("close"))
}

pub(super) fn not_allowed(method: &Method, allow: &'static str) -> Rejection {
    // Everything but a topic is only read.
    let hint = if allow.ends_with("POST") { "" } else { "; topics are at /topics/NAME" };
    let message = format!("{method} is not allowed here, only {allow}{hint}");
    Rejection::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
        .with(header::ALLOW, HeaderValue::from_static(allow))
}

pub(super) fn not_found() -> Rejection {
    let message = "nothing is there: topics are at /topics/NAME";
    Rejection::new(StatusCode::NOT_FOUND, "not_found", message)
}
