//! The resources of the server, and the answers to requests for them.

mod publish;
mod streamed;
mod subscribe;

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::FutureExt;
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode, header};
use tidings_transport::{Rejection, Shape, Transport};

pub(crate) use self::streamed::{Streamed, answer_streamed};
use crate::answer::{self, Answer, text};
use crate::config::{Action, Config};
use crate::resource::Resource;
use crate::service::Service;
use crate::shared::Shared;
use crate::{cors, pages};

/// Answers requests from what all workers share.
pub(crate) struct Routes(Shared);

impl Routes {
    pub(crate) fn new(shared: Shared) -> Self {
        Self(shared)
    }
}

impl Service for Routes {
    fn call(&self, request: &Parts, body: Bytes) -> Answer {
        finish(answer(request, body, &self.0), request, &self.0)
    }

    fn no_room(&self) -> Bytes {
        no_room(&self.0)
    }
}

fn answer(request: &Parts, body: Bytes, shared: &Shared) -> Result<Answer, Rejection> {
    let resource = Resource::of(request);
    check_host(request, &resource, shared)?;
    match resource {
        Resource::Unknown => Err(not_found()),
        _ if cors::asks_first(request, &shared.config) => {
            Ok(Answer::Response(cors::may_send(request)))
        }
        Resource::Topics(name) => match request.method {
            Method::GET => subscribe::subscribe(request, name, shared).map(Answer::Subscription),
            Method::HEAD => subscribe::head(request, name, &shared.config).map(Answer::Response),
            Method::POST => publish::check(request, name, shared)
                .and_then(|topic| publish::publish(request, topic, body, shared)),
            _ => Err(not_allowed("GET, HEAD, POST")),
        },
        _ if !matches!(request.method, Method::GET | Method::HEAD) => Err(not_allowed("GET, HEAD")),
        page => show(request, &page, shared).map(Answer::Response),
    }
}

/// Answers a `GET` of anything but a topic.
fn show(
    request: &Parts,
    page: &Resource<'_>,
    shared: &Shared,
) -> Result<Response<Bytes>, Rejection> {
    let config = &shared.config;
    let may = |action| config.access.check(request, action);
    match page {
        Resource::Health => Ok(text("text/plain; charset=utf-8", "ok\n")),
        Resource::Ready => Ok(shared.readiness.answer(&config.hub)),
        Resource::Icon => Ok(pages::icon()),
        // It is the same for everyone, and an `import` has no way to send a token.
        Resource::Client => Ok(tidings_live_page::client(request)),
        Resource::Metrics => may(Action::Metrics).and_then(|()| metrics(shared)),
        Resource::Front => may(Action::Page).map(|()| pages::front(request, config)),
        Resource::Transports => may(Action::Page).map(|()| pages::transports(config)),
        Resource::Page => {
            may(Action::Page).and_then(|()| pages::page(request, config).ok_or_else(not_found))
        }
        Resource::Topics(_) | Resource::Unknown => Err(not_found()),
    }
}

/// Checks that the request is for this server. Health checks may have any host: a balancer or an orchestrator sends
/// the one it is configured with, and the response has nothing in it for a foreign page.
fn check_host(request: &Parts, resource: &Resource<'_>, shared: &Shared) -> Result<(), Rejection> {
    match resource {
        Resource::Health | Resource::Ready => Ok(()),
        _ => shared.config.hosts.check(request, shared.address),
    }
}

/// Returns the answer to send: a rejection as a response, and with the headers that let the page read it that sent the
/// request, if it is of another origin and may.
fn finish(answer: Result<Answer, Rejection>, request: &Parts, shared: &Shared) -> Answer {
    let answer = answer
        .unwrap_or_else(|rejection| Answer::Response(reject(Some(request), rejection, shared)));
    let Some(origin) = cors::reader(request, &shared.config) else { return answer };
    let for_head = origin.clone();
    let open = |mut response: Response<Bytes>| {
        cors::open(response.headers_mut(), origin);
        response
    };
    match answer {
        Answer::Response(response) => Answer::Response(open(response)),
        Answer::Pending(response) => Answer::Pending(Box::pin(response.map(open))),
        Answer::Subscription(mut subscriber) => {
            if !matches!(subscriber.accepted.shape, Shape::Upgrade) {
                let head = shared.open_heads.of(&subscriber.accepted.head, for_head);
                subscriber.accepted.head = head;
            }
            Answer::Subscription(subscriber)
        }
    }
}

/// Returns the response to a request that is rejected, and counts it. `request` is `None` if it is not known what was
/// requested.
pub(crate) fn reject(
    request: Option<&Parts>,
    rejection: Rejection,
    shared: &Shared,
) -> Response<Bytes> {
    // A path that does not exist does not count as a client that is rejected.
    if rejection.status != StatusCode::NOT_FOUND {
        shared.metrics.refused.inc();
    }
    match request.and_then(|request| rejecting_transport(&rejection, request, &shared.config)) {
        Some(transport) => rejection.into_response_by(&**transport),
        None => rejection.into_response(),
    }
}

/// Returns the transport of a subscriber that is rejected temporarily.
fn rejecting_transport<'a>(
    rejection: &Rejection,
    request: &Parts,
    config: &'a Config,
) -> Option<&'a Arc<dyn Transport>> {
    let subscribes =
        request.method == Method::GET && matches!(Resource::of(request), Resource::Topics(_));
    if rejection.is_temporary() && subscribes {
        subscribe::transport(config, request).ok()
    } else {
        None
    }
}

/// Returns the whole response to a connection over the limit that is not waited for.
pub(crate) fn no_room(shared: &Shared) -> Bytes {
    let mut bytes = BytesMut::new();
    answer::write(&mut bytes, &reject(None, full(), shared), answer::CLOSE);
    bytes.freeze()
}

fn metrics(shared: &Shared) -> Result<Response<Bytes>, Rejection> {
    let metrics = shared.metrics.text(&shared.config).map_err(|_| {
        let (status, what) = (StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be written");
        Rejection::new(status, "internal", what)
    })?;
    Ok(text("application/openmetrics-text; version=1.0.0; charset=utf-8", metrics))
}

/// The rejection of a request on a connection over the limit.
fn full() -> Rejection {
    let message = "too many connections: try again later";
    Rejection::new(StatusCode::SERVICE_UNAVAILABLE, "full", message)
        .with(header::RETRY_AFTER, 5)
        .with(header::CONNECTION, HeaderValue::from_static("close"))
}

fn not_allowed(allow: &'static str) -> Rejection {
    let message = format!("this resource knows {allow}");
    Rejection::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
        .with(header::ALLOW, HeaderValue::from_static(allow))
}

fn not_found() -> Rejection {
    let message = "nothing is there: topics are at /topics/NAME";
    Rejection::new(StatusCode::NOT_FOUND, "not_found", message)
}
