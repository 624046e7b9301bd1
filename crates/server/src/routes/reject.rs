//! The response to a rejected request.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::request::Parts;
use http::{Method, Response, StatusCode};
use tidings_transport::{Rejection, Transport, choose};

use super::rejections::too_many_connections;
use crate::config::Config;
use crate::resource::Resource;
use crate::response;
use crate::shared::Shared;

/// Counts a request that is rejected, and turns the rejection into a response. `request` is `None` if the head could
/// not be parsed, or was not read.
pub(crate) fn reject(
    request: Option<&Parts>,
    rejection: Rejection,
    shared: &Shared,
) -> Response<Bytes> {
    // Requests for a path that does not exist are not counted.
    if rejection.status != StatusCode::NOT_FOUND {
        shared.metrics.rejected.inc();
    }
    match request.and_then(|request| rejecting_transport(&rejection, request, &shared.config)) {
        Some(transport) => rejection.into_response_by(&**transport),
        None => rejection.into_response(),
    }
}

/// The transport of a request to subscribe that is rejected temporarily. Its response makes the client retry.
fn rejecting_transport<'a>(
    rejection: &Rejection,
    request: &Parts,
    config: &'a Config,
) -> Option<&'a Arc<dyn Transport>> {
    let subscribes =
        request.method == Method::GET && matches!(Resource::of(request), Resource::Topics(_));
    if rejection.is_temporary() && subscribes {
        choose(&config.transports, request).ok()
    } else {
        None
    }
}

/// The response to a connection for which there is no room, and whose request is not read.
pub(crate) fn no_room(shared: &Shared) -> Bytes {
    let mut bytes = BytesMut::new();
    response::write(&mut bytes, &reject(None, too_many_connections(), shared), response::CLOSE);
    bytes.freeze()
}
