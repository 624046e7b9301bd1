//! Publishing: `POST /topics/NAME`, and many at once, `POST /topics`.

use bytes::Bytes;
use http::Response;
use http::request::Parts;
use tidings_transport::{ListenerKind, PublishMany, PublishRequest, Rejection, published};

use crate::shared::Shared;

/// Checks that this request may publish, before its body is read.
///
/// # Errors
/// Fails if the request is malformed, or its page or its client may not publish.
pub(super) async fn check(
    request: &Parts,
    topic: &str,
    listener: ListenerKind,
    shared: &Shared,
) -> Result<PublishRequest, Rejection> {
    let publish = PublishRequest::read(topic, request)?;
    shared.mount.check_publisher(request, &publish.topic, listener).await?;
    Ok(publish)
}

/// Publishes this payload, and waits until it is stored.
pub(super) async fn publish(
    publish: PublishRequest,
    payload: Bytes,
    shared: &Shared,
) -> Result<Response<Bytes>, Rejection> {
    let id = publish.publish(payload, &shared.config.hub)?.await?;
    shared.metrics.published.inc();
    Ok(published(id))
}

/// Checks that this request may publish many notifications, before its body is read. [`publish_many`] checks the
/// topics, which are in the body.
///
/// # Errors
/// Fails if the head is malformed or the page may not publish.
pub(super) fn check_many(
    request: &Parts,
    listener: ListenerKind,
    shared: &Shared,
) -> Result<(), Rejection> {
    PublishMany::check_head(request)?;
    shared.mount.check_origin(request, listener)
}

/// Publishes the notifications of this body, and waits until they are stored.
///
/// # Errors
/// Fails if a line is malformed or a topic is not allowed. Then nothing is published. If a notification is not stored,
/// the response contains the error.
pub(super) async fn publish_many(
    request: &Parts,
    body: &[u8],
    shared: &Shared,
) -> Result<Response<Bytes>, Rejection> {
    let hub = &shared.config.hub;
    let many = PublishMany::parse(body, hub.max_payload())?;
    shared.mount.check_publisher_of_many(request, &many).await?;
    let published = many.publish(hub).await;
    shared.metrics.published.inc_by(published.ids.len() as u64);
    if published.failed.is_some() {
        shared.metrics.rejected.inc();
    }
    Ok(published.into_response())
}
