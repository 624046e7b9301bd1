//! Finds the resource that a request names, and responds to the request.

use std::rc::Rc;

use bytes::Bytes;
use futures::future::LocalBoxFuture;
use http::request::Parts;
use http::{Method, Response, StatusCode};
use tidings_transport::{Action, ListenerKind, Rejection, Shape, is_extended_connect};

use super::redirect::redirect;
use super::reject::{no_room, reject};
use super::rejections::{not_allowed, not_found};
use super::{publish, subscribe};
use crate::listener::ListenerRef;
use crate::request::Whole;
use crate::resource::Resource;
use crate::response::{Routed, text};
use crate::service::Service;
use crate::shared::Shared;
use crate::{cors, pages, readiness};

/// Responds to the requests that a lane has read.
pub(crate) struct Routes(Rc<Shared>);

impl Routes {
    pub(crate) fn new(shared: Shared) -> Self {
        Self(Rc::new(shared))
    }
}

impl Service for Routes {
    fn call(
        &self,
        mut whole: Box<Whole>,
        listener: ListenerRef,
    ) -> LocalBoxFuture<'static, Routed> {
        let shared = self.0.clone();
        Box::pin(async move {
            let body = std::mem::take(&mut whole.body);
            let routed = respond(&whole.request, async || Ok(body), listener, &shared).await;
            finish(routed, &whole.request, listener.kind, &shared)
        })
    }

    fn no_room(&self) -> Bytes {
        no_room(&self.0)
    }
}

/// Responds to a request that came in through this listener. `read` reads the body to its end. It is called for
/// every method, unless the request is rejected before.
pub(super) async fn respond(
    request: &Parts,
    read: impl AsyncFnOnce() -> Result<Bytes, Rejection>,
    listener: ListenerRef,
    shared: &Shared,
) -> Result<Routed, Rejection> {
    let resource = Resource::of(request);
    check_host(request, &resource, listener.kind, shared)?;
    if let Some(redirect) = redirect(request, &resource, listener.kind, &shared.config)? {
        return Ok(Routed::Response(redirect));
    }
    if request.method == Method::POST {
        match resource {
            Resource::Topics(name) => {
                let publish = publish::check(request, name, listener.kind, shared).await?;
                let payload = read().await?;
                return publish::publish(publish, payload, shared).await.map(Routed::Response);
            }
            Resource::AllTopics => {
                publish::check_many(request, listener.kind, shared)?;
                let body = read().await?;
                return publish::publish_many(request, &body, shared).await.map(Routed::Response);
            }
            _ => {}
        }
    }
    read().await?;
    match resource {
        Resource::Unknown => Err(not_found()),
        _ if cors::is_preflight(request, listener.kind, &shared.config) => {
            Ok(Routed::Response(cors::allow_preflight(request)))
        }
        Resource::Topics(name) => match request.method {
            Method::GET => subscribe::subscribe(request, name, listener.kind, shared)
                .await
                .map(Routed::Subscription),
            Method::CONNECT if is_extended_connect(request) => {
                subscribe::subscribe(request, name, listener.kind, shared)
                    .await
                    .map(Routed::Subscription)
            }
            Method::HEAD => {
                subscribe::head(request, name, listener.kind, shared).await.map(Routed::Response)
            }
            _ => Err(not_allowed(&request.method, "GET, HEAD, POST")),
        },
        Resource::AllTopics => Err(not_allowed(&request.method, "POST")),
        _ if !matches!(request.method, Method::GET | Method::HEAD) => {
            Err(not_allowed(&request.method, "GET, HEAD"))
        }
        page => get_page(request, &page, listener, shared).await.map(Routed::Response),
    }
}

/// Responds to a `GET` or `HEAD` of a resource that is not a topic.
///
/// # Errors
/// Fails if the client may not read it or it does not exist.
async fn get_page(
    request: &Parts,
    page: &Resource<'_>,
    listener: ListenerRef,
    shared: &Shared,
) -> Result<Response<Bytes>, Rejection> {
    let config = &shared.config;
    let may = async |action| config.authorizer.authorize(request, action).await;
    match page {
        Resource::Health => Ok(text("text/plain; charset=utf-8", "ok\n")),
        Resource::Ready => Ok(readiness::response(shared)),
        Resource::Icon => Ok(pages::icon()),
        // Not authorized, because an `import` cannot send a token. The client has no secrets.
        Resource::Client => Ok(tidings_live_page::client(request)),
        Resource::WebTransport => Ok(tidings_live_page::webtransport(request)),
        Resource::Metrics => may(Action::Metrics).await.and_then(|_| metrics(shared)),
        Resource::Front => {
            may(Action::Page).await?;
            Ok(pages::front(request, config, listener))
        }
        Resource::Transports => {
            may(Action::Page).await?;
            Ok(pages::transports(config, &shared.offer, listener))
        }
        Resource::Page => {
            may(Action::Page).await?;
            pages::page(request, config).ok_or_else(not_found)
        }
        Resource::Topics(_) | Resource::AllTopics | Resource::Unknown => Err(not_found()),
    }
}

/// Checks that the request is for this server. Health checks may have any host, because a balancer or an orchestrator
/// sends the host that it is configured with, and the response is of no use to a foreign page.
///
/// # Errors
/// Fails if the server may not be addressed by this host.
pub(super) fn check_host(
    request: &Parts,
    resource: &Resource<'_>,
    listener: ListenerKind,
    shared: &Shared,
) -> Result<(), Rejection> {
    match resource {
        Resource::Health | Resource::Ready => Ok(()),
        _ => shared.config.hosts.check(request, listener),
    }
}

/// Turns a rejection into a response. If a page of another origin has sent the request and may read the response, adds
/// the CORS headers.
pub(super) fn finish(
    routed: Result<Routed, Rejection>,
    request: &Parts,
    listener: ListenerKind,
    shared: &Shared,
) -> Routed {
    let routed = routed
        .unwrap_or_else(|rejection| Routed::Response(reject(Some(request), rejection, shared)));
    let Some(origin) = cors::reader(request, listener, &shared.config) else { return routed };
    let for_head = origin.clone();
    let open = |mut response: Response<Bytes>| {
        cors::open(response.headers_mut(), origin);
        response
    };
    match routed {
        Routed::Response(response) => Routed::Response(open(response)),
        Routed::Subscription(mut subscriber) => {
            if !matches!(subscriber.accepted.shape, Shape::Upgrade) {
                let head = shared.open_heads.of(&subscriber.accepted.head, for_head);
                subscriber.accepted.head = head;
            }
            Routed::Subscription(subscriber)
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
