//! Subscribing: `GET /topics/FILTERS`.

use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use http::request::Parts;
use tidings_core::{Filters, Interest, Topic};
use tidings_transport::{Accepted, Rejection, Shape, SubscribeRequest, Transport, query};

use super::rejections::not_found;
use crate::config::{Action, Config};
use crate::shared::Shared;
use crate::subscriber::Subscriber;

/// Accepts a subscriber and gives it a seat.
pub(super) fn subscribe(
    request: &Parts,
    filters: &str,
    shared: &Shared,
) -> Result<Box<Subscriber>, Rejection> {
    let config = &shared.config;
    let (subscribe, transport, accepted) = accept(request, filters, config)?;
    let seat = config.hub.join_with(transport.name(), &subscribe.filters)?;
    // A stream and a poll go one way.
    let publishes_to = match accepted.shape {
        Shape::Upgrade => publishes_to(config, request, &subscribe.filters),
        Shape::Stream | Shape::Answer { .. } => None,
    };
    let mut interest = Interest::new(subscribe.filters).slow(config.slow);
    if !config.echo {
        interest = interest.without_own();
    }
    let position = subscribe.position;
    Ok(Box::new(Subscriber { accepted, seat, interest, position, publishes_to }))
}

/// Checks that this request may subscribe. Returns what it subscribes to and how it is served.
fn accept<'a>(
    request: &Parts,
    filters: &str,
    config: &'a Config,
) -> Result<(SubscribeRequest, &'a Arc<dyn Transport>, Accepted), Rejection> {
    let subscribe = SubscribeRequest::read(filters, request)?;
    // A foreign page cannot read the answer, but it would hold a seat.
    config.origins.check(request)?;
    config.access.check(request, Action::Subscribe(&subscribe.filters))?;
    let transport = transport(config, request)?;
    let accepted = transport.accept(request, &subscribe)?;
    Ok((subscribe, transport, accepted))
}

/// Returns the head of what a `GET` would be answered with, for a `HEAD`. It takes no seat and is not held.
pub(super) fn head(
    request: &Parts,
    filters: &str,
    config: &Config,
) -> Result<Response<Bytes>, Rejection> {
    let (.., accepted) = accept(request, filters, config)?;
    Ok(accepted.response(Bytes::new()))
}

/// Returns the transport that the query names, otherwise the first that claims the request.
pub(super) fn transport<'a>(
    config: &'a Config,
    request: &Parts,
) -> Result<&'a Arc<dyn Transport>, Rejection> {
    let Some(name) = query(request, "transport") else {
        return config.transports.iter().find(|one| one.claims(request)).ok_or_else(not_found);
    };
    config.transports.iter().find(|transport| transport.name() == name).ok_or_else(|| {
        let names: Vec<_> = config.transports.iter().map(|transport| transport.name()).collect();
        let message = format!("transport={name:?} is none of {}", names.join(", "));
        Rejection::bad_request("bad_transport", message)
    })
}

/// Returns the topic to which the client's messages are published, if its filters name one topic and it may publish
/// to that. Otherwise it may send none.
fn publishes_to(config: &Config, request: &Parts, filters: &Filters) -> Option<Topic> {
    let topic = filters.as_topic()?;
    config.access.check(request, Action::Publish(&topic)).ok()?;
    Some(topic)
}
