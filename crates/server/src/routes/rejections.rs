//! The rejections of requests by their path, their method or their connection.

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
    let mut rejection = Rejection::method_not_allowed(method, allow);
    // Only topics accept a POST, so a hint helps.
    if !allow.ends_with("POST") {
        rejection.message += "; topics are at /topics/NAME";
    }
    rejection
}

pub(super) fn not_found() -> Rejection {
    let message = "no resource has this path: topics are at /topics/NAME";
    Rejection::new(StatusCode::NOT_FOUND, "not_found", message)
}
