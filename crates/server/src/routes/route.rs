//! From a request to the resource that it names, and to its answer.

use bytes::Bytes;
use futures::FutureExt;
use http::request::Parts;
use http::{Method, Response, StatusCode};
use tidings_transport::{Rejection, Shape};

use super::reject::{no_room, reject};
use super::rejections::{not_allowed, not_found};
use super::{publish, subscribe};
use crate::answer::{Answer, text};
use crate::config::Action;
use crate::resource::Resource;
use crate::service::Service;
use crate::shared::Shared;
use crate::{cors, pages, readiness};

/// Answers the requests that a lane has read.
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

/// Answers a request with this body.
pub(super) fn answer(request: &Parts, body: Bytes, shared: &Shared) -> Result<Answer, Rejection> {
    let resource = Resource::of(request);
    check_host(request, &resource, shared)?;
    match resource {
        Resource::Unknown => Err(not_found()),
        _ if cors::is_preflight(request, &shared.config) => {
            Ok(Answer::Response(cors::allow_preflight(request)))
        }
        Resource::Topics(name) => match request.method {
            Method::GET => subscribe::subscribe(request, name, shared).map(Answer::Subscription),
            Method::HEAD => subscribe::head(request, name, &shared.config).map(Answer::Response),
            Method::POST => publish::check(request, name, shared)
                .and_then(|topic| publish::publish(request, topic, body, shared)),
            _ => Err(not_allowed(&request.method, "GET, HEAD, POST")),
        },
        _ if !matches!(request.method, Method::GET | Method::HEAD) => {
            Err(not_allowed(&request.method, "GET, HEAD"))
        }
        page => get_page(request, &page, shared).map(Answer::Response),
    }
}

/// Answers a `GET` of anything but a topic.
fn get_page(
    request: &Parts,
    page: &Resource<'_>,
    shared: &Shared,
) -> Result<Response<Bytes>, Rejection> {
    let config = &shared.config;
    let may = |action| config.access.check(request, action);
    match page {
        Resource::Health => Ok(text("text/plain; charset=utf-8", "ok\n")),
        Resource::Ready => Ok(readiness::answer(shared)),
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
pub(super) fn check_host(
    request: &Parts,
    resource: &Resource<'_>,
    shared: &Shared,
) -> Result<(), Rejection> {
    match resource {
        Resource::Health | Resource::Ready => Ok(()),
        _ => shared.config.hosts.check(request, shared.address),
    }
}

/// Returns the answer to send: a rejection as a response, and with the headers that let the page read it that sent the
/// request, if it is of another origin and may.
pub(super) fn finish(
    answer: Result<Answer, Rejection>,
    request: &Parts,
    shared: &Shared,
) -> Answer {
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

fn metrics(shared: &Shared) -> Result<Response<Bytes>, Rejection> {
    let metrics = shared.metrics.text(&shared.config).map_err(|_| {
        let (status, what) = (StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be written");
        Rejection::new(status, "internal", what)
    })?;
    Ok(text("application/openmetrics-text; version=1.0.0; charset=utf-8", metrics))
}
