//! Subscribing by a session of WebTransport.

use http::StatusCode;
use http::request::Parts;
use tidings_transport::mount::{Mount, Subscriber};
use tidings_transport::{ListenerKind, Rejection, SubscribeRequest};

use super::rejections::{not_found, too_many_connections};
use super::route::check_host;
use crate::resource::Resource;
use crate::shared::Shared;

/// Checks the request of a session, and gives its client a seat. A rejected request is counted. `is_surplus` is `true`
/// for a connection over the limit.
///
/// Cancel safe: dropping the future frees the seat.
pub(crate) async fn open_session(
    request: &Parts,
    is_surplus: bool,
    mount: &Mount,
    shared: &Shared,
) -> Result<Box<Subscriber>, Rejection> {
    let opened = try_open(request, is_surplus, mount, shared).await;
    // As for other transports, requests for a path that does not exist are not counted.
    if opened.as_ref().is_err_and(|rejection| rejection.status != StatusCode::NOT_FOUND) {
        shared.metrics.rejected.inc();
    }
    opened
}

async fn try_open(
    request: &Parts,
    is_surplus: bool,
    mount: &Mount,
    shared: &Shared,
) -> Result<Box<Subscriber>, Rejection> {
    if is_surplus {
        return Err(too_many_connections());
    }
    let resource = Resource::of(request);
    let listener = ListenerKind::Tls;
    check_host(request, &resource, listener, shared)?;
    let Resource::Topics(filters) = resource else { return Err(not_found()) };
    mount.accept(request, SubscribeRequest::read(filters, request)?, listener).await
}
