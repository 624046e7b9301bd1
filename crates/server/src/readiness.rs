//! Whether a load balancer should send new clients to this server: `GET /readyz`.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use http::{Response, StatusCode};
use tidings_transport::Rejection;

use crate::response::text;
use crate::shared::Shared;

/// The response to `GET /readyz`: `200`, or `503` if the server shuts down or has no broker yet.
pub(crate) fn response(shared: &Shared) -> Response<Bytes> {
    let hub = &shared.config.hub;
    let is_closing = shared.is_draining.load(Ordering::Acquire) || hub.pool().closed().is_some();
    let (code, message) = if is_closing {
        ("going_away", "the server is shutting down")
    } else if !hub.is_ready() {
        ("unavailable", "the server is not connected to its broker yet")
    } else {
        return text("text/plain; charset=utf-8", "ready\n");
    };
    Rejection::new(StatusCode::SERVICE_UNAVAILABLE, code, message).into_response()
}
