//! Responds to requests whose body hyper or another HTTP server reads.

use std::error::Error;

use http::Request;
use http::request::Parts;
use http_body::Body;
use tidings_transport::read_payload;

use super::rejections::too_many_connections;
use super::route::{finish, respond};
use crate::listener::ListenerRef;
use crate::request::is_last;
use crate::resource::is_probe;
use crate::response::Routed;
use crate::shared::Shared;

/// An error of any type, as in tower.
pub(crate) type BoxError = Box<dyn Error + Send + Sync>;

/// The response to a request that hyper has read.
pub(crate) struct Streamed {
    pub(crate) routed: Routed,
    /// Whether the connection ends with the response. It does if the client requests that, or if the body was not read
    /// to its end, because then the next request cannot be found (RFC 9112, section 9.3).
    pub(crate) is_last: bool,
    /// The head of the request. If it is a `HEAD`, the response has no body.
    pub(crate) request: Parts,
}

/// Responds to a request whose body is not read yet. Reads the body to its end for every method, unless the request is
/// rejected without it. `is_surplus` is `true` for a connection over the limit, and `listener` is the one that
/// accepted it.
pub(crate) async fn route_streamed<B>(
    request: Request<B>,
    is_surplus: bool,
    listener: ListenerRef,
    shared: &Shared,
) -> Streamed
where
    B: Body<Error: Into<BoxError>> + Unpin,
{
    let (request, mut body) = request.into_parts();
    let mut is_read = body.is_end_stream();
    let routing = async {
        if is_surplus && !is_probe(&request) {
            return Err(too_many_connections());
        }
        let read = async || {
            let (limit, deadline) = (shared.config.hub.max_payload(), shared.config.body_deadline);
            let payload = read_payload(&mut body, limit, deadline).await?;
            is_read = true;
            Ok(payload)
        };
        respond(&request, read, listener, shared).await
    };
    let routed = finish(routing.await, &request, listener.kind, shared);
    let is_last = is_last(&request) || !is_read || is_surplus;
    Streamed { routed, is_last, request }
}
