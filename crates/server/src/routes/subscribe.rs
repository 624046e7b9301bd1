//! Subscribing: `GET /topics/FILTERS`.

use bytes::Bytes;
use http::Response;
use http::request::Parts;
use tidings_transport::mount::Subscriber;
use tidings_transport::{ListenerKind, Rejection, SubscribeRequest};

use crate::shared::Shared;

/// Accepts a subscriber and gives it a seat.
///
/// # Errors
/// Fails if the request is malformed or not accepted.
pub(super) async fn subscribe(
    request: &Parts,
    filters: &str,
    listener: ListenerKind,
    shared: &Shared,
) -> Result<Box<Subscriber>, Rejection> {
    let subscribe = SubscribeRequest::read(filters, request)?;
    shared.mount.accept(request, subscribe, listener).await
}

/// The response to a `HEAD`, which is the head of the response to a `GET`. It takes no seat and is not held.
///
/// # Errors
/// Fails if the request is malformed or not accepted.
pub(super) async fn head(
    request: &Parts,
    filters: &str,
    listener: ListenerKind,
    shared: &Shared,
) -> Result<Response<Bytes>, Rejection> {
    let subscribe = SubscribeRequest::read(filters, request)?;
    Ok(shared.mount.head(request, &subscribe, listener).await?.map(|()| Bytes::new()))
}
