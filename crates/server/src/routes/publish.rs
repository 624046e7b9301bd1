//! Publishing: `POST /topics/NAME`.

use bytes::Bytes;
use http::Response;
use http::request::Parts;
use tidings_transport::{PublishRequest, Rejection, published};

use crate::shared::Shared;

/// Checks that this request may publish, before its body is read.
pub(super) async fn check(
    request: &Parts,
    topic: &str,
    shared: &Shared,
) -> Result<PublishRequest, Rejection> {
    let publish = PublishRequest::read(topic, request)?;
    shared.mount.check_publisher(request, &publish.topic).await?;
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
