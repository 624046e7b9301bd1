//! The resources of the hub, and who answers for them.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures::FutureExt;
use futures::future::LocalBoxFuture;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use tidings_core::{
    Filters, Id, IdempotencyKey, Interest, Kind, Notification, PublishError, Topic,
};
use tidings_transport::{
    Accepted, Rejection, Shape, SubscribeRequest, Transport, path_segment, query,
};

use crate::config::{Action, Config};
use crate::front::text;
use crate::request::is_last;
use crate::shared::Shared;
use crate::visitor::Visitor;
use crate::{cors, front, head};

/// What becomes of a request.
pub(crate) enum Answer {
    /// This is the answer.
    Whole(Response<Bytes>),
    /// It comes once the broker below the hub has stored something.
    Later(Later),
    /// It is from a client that stays.
    Stays(Box<Visitor>),
}

/// An answer on its way.
pub(crate) type Later = LocalBoxFuture<'static, Response<Bytes>>;

impl Answer {
    /// So that the page that asked may read it, where it is one of another origin and listed.
    fn readable(self, request: &Parts, shared: &Shared) -> Self {
        let Some(origin) = cors::reader(request, &shared.config) else { return self };
        let for_head = origin.clone();
        let opened = |mut response: Response<Bytes>| {
            cors::open(response.headers_mut(), origin);
            response
        };
        match self {
            Self::Whole(response) => Self::Whole(opened(response)),
            Self::Later(later) => Self::Later(Box::pin(later.map(opened))),
            Self::Stays(mut visitor) => {
                if !matches!(visitor.accepted.shape, Shape::Upgrade) {
                    visitor.accepted.head = shared.open_heads.of(&visitor.accepted.head, for_head);
                }
                Self::Stays(visitor)
            }
        }
    }
}

/// A request that hyper has read, answered.
pub(crate) struct Asked {
    pub(crate) answer: Answer,
    /// Whether the connection ends with the answer: the client asked for that, or the body has not been read
    /// to its end, so that the next request cannot be found (RFC 9112, section 9.3).
    pub(crate) is_last: bool,
    /// Whether the answer has no body.
    pub(crate) is_head: bool,
}

/// Answers a request that is all there.
pub(crate) fn answer(request: &Parts, body: Bytes, shared: &Shared) -> Answer {
    settled(answered(request, body, shared), request, shared)
}

fn answered(request: &Parts, body: Bytes, shared: &Shared) -> Result<Answer, Rejection> {
    let route = route(request.uri.path());
    check(request, &route, shared)?;
    match route {
        Route::Nothing => Err(nothing_there()),
        _ if cors::asks_first(request, &shared.config) => {
            Ok(Answer::Whole(cors::may_send(request)))
        }
        Route::Topics(name) => match request.method {
            Method::GET => subscribe(request, name, shared).map(Answer::Stays),
            Method::HEAD => outline(request, name, &shared.config).map(Answer::Whole),
            Method::POST => publish(request, name, shared)
                .and_then(|topic| accept(request, topic, body, shared)),
            _ => Err(not_allowed("GET, HEAD, POST")),
        },
        _ if !matches!(request.method, Method::GET | Method::HEAD) => Err(not_allowed("GET, HEAD")),
        page => show(request, &page, shared).map(Answer::Whole),
    }
}

/// Answers a `GET` of anything but a topic.
fn show(request: &Parts, page: &Route<'_>, shared: &Shared) -> Result<Response<Bytes>, Rejection> {
    let config = &shared.config;
    let may = |action| config.access.check(request, action);
    match page {
        Route::Health => Ok(text("text/plain; charset=utf-8", "ok\n")),
        Route::Ready => Ok(shared.readiness.answer(&config.hub)),
        Route::Icon => Ok(front::icon()),
        // It is the same for everyone, and an `import` has no way to send a token.
        Route::Client => Ok(tidings_live_page::client(request)),
        Route::Metrics => may(Action::Metrics).and_then(|()| metrics(shared)),
        Route::Front => may(Action::Page).map(|()| front::front(request, config)),
        Route::Transports => may(Action::Page).map(|()| front::transports(config)),
        Route::Page => {
            may(Action::Page).and_then(|()| front::page(request, config).ok_or_else(nothing_there))
        }
        Route::Topics(_) | Route::Nothing => Err(nothing_there()),
    }
}

/// Answers a request whose body is still to come. The body is read to its end before the request is answered,
/// whatever the method, unless the answer does not depend on it. `is_surplus` is whether the hub has no room
/// for the connection.
pub(crate) async fn answer_once_read(
    request: Request<Incoming>,
    is_surplus: bool,
    shared: &Shared,
) -> Asked {
    let (request, mut body) = request.into_parts();
    let mut is_read = body.is_end_stream();
    let answering = async {
        if is_surplus && !is_probe(&request) {
            return Err(full());
        }
        let route = route(request.uri.path());
        check(&request, &route, shared)?;
        let mut read = async || {
            let payload = read(&mut body, &shared.config).await?;
            is_read = true;
            Ok::<_, Rejection>(payload)
        };
        match route {
            Route::Topics(name) if request.method == Method::POST => {
                let topic = publish(&request, name, shared)?;
                accept(&request, topic, read().await?, shared)
            }
            _ => answered(&request, read().await?, shared),
        }
    };
    let answered = answering.await;
    let answer = settled(answered, &request, shared);
    let is_last = is_last(&request) || !is_read || is_surplus;
    Asked { answer, is_last, is_head: request.method == Method::HEAD }
}

/// The answer to a request that is not served. `request` is `None` if it is not known what was asked.
pub(crate) fn refuse(
    request: Option<&Parts>,
    rejection: Rejection,
    shared: &Shared,
) -> Response<Bytes> {
    // A path that does not exist does not count as a client that is rejected.
    if rejection.status != StatusCode::NOT_FOUND {
        shared.metrics.refused.inc();
    }
    match request.and_then(|request| asked_transport(&rejection, request, &shared.config)) {
        Some(transport) => rejection.into_response_by(&**transport),
        None => rejection.into_response(),
    }
}

/// Returns `true` for a request by which the hub is looked after. It is answered on a connection over the limit
/// too: a liveness probe that failed would end a hub because it is full.
pub(crate) fn is_probe(request: &Parts) -> bool {
    matches!(route(request.uri.path()), Route::Health | Route::Ready | Route::Metrics)
}

/// The whole answer to a connection over the limit that is not waited for.
pub(crate) fn no_room(shared: &Shared) -> Bytes {
    let mut answer = BytesMut::new();
    head::whole(&mut answer, &refuse(None, full(), shared), head::CLOSE);
    answer.freeze()
}

/// Refuses a request on a connection over the limit.
fn full() -> Rejection {
    let message = "too many connections: try again later";
    Rejection::new(StatusCode::SERVICE_UNAVAILABLE, "full", message)
        .with(header::RETRY_AFTER, 5)
        .with(header::CONNECTION, HeaderValue::from_static("close"))
}

fn settled(answered: Result<Answer, Rejection>, request: &Parts, shared: &Shared) -> Answer {
    let answer = answered
        .unwrap_or_else(|rejection| Answer::Whole(refuse(Some(request), rejection, shared)));
    answer.readable(request, shared)
}

/// Returns the transport that a subscriber who is rejected for now has asked for.
fn asked_transport<'a>(
    rejection: &Rejection,
    request: &Parts,
    config: &'a Config,
) -> Option<&'a Arc<dyn Transport>> {
    let subscribes =
        request.method == Method::GET && matches!(route(request.uri.path()), Route::Topics(_));
    if rejection.is_temporary() && subscribes { choose(config, request).ok() } else { None }
}

enum Route<'a> {
    Front,
    /// A file of the live page.
    Page,
    /// What a browser asks for by itself.
    Icon,
    /// The JavaScript client, which is served without the page as well.
    Client,
    Transports,
    Health,
    Ready,
    Metrics,
    Topics(&'a str),
    Nothing,
}

fn route(path: &str) -> Route<'_> {
    match path {
        "/" => Route::Front,
        "/client.js" => Route::Client,
        "/transports" => Route::Transports,
        "/favicon.ico" => Route::Icon,
        "/healthz" => Route::Health,
        "/readyz" => Route::Ready,
        "/metrics" => Route::Metrics,
        path if path.starts_with("/page/") => Route::Page,
        path => match path.strip_prefix("/topics/") {
            Some(name) if !name.is_empty() && !name.contains('/') => Route::Topics(name),
            _ => Route::Nothing,
        },
    }
}

/// Checks that the request is for this hub. Health checks may have any host: a balancer or an orchestrator sends
/// the one it is configured with, and the answer has nothing in it for a foreign page.
fn check(request: &Parts, route: &Route<'_>, shared: &Shared) -> Result<(), Rejection> {
    match route {
        Route::Health | Route::Ready => Ok(()),
        _ => shared.config.hosts.check(request, shared.address),
    }
}

/// Whether this request may publish, and to which topic.
fn publish(request: &Parts, topic: &str, shared: &Shared) -> Result<Topic, Rejection> {
    let topic = path_segment(topic)?.parse()?;
    // A page may send a POST to any host without asking; only this check keeps foreign pages out.
    shared.config.origins.check(request)?;
    shared.config.access.check(request, Action::Publish(&topic))?;
    if is_coded(request) {
        return Err(coded());
    }
    Ok(topic)
}

/// Whether the payload has a content coding (RFC 9110, section 8.4). It would be stored, and reach each
/// subscriber, as if the coded bytes were the payload.
fn is_coded(request: &Parts) -> bool {
    let lines = request.headers.get_all(header::CONTENT_ENCODING).iter();
    let mut codings = lines.flat_map(|line| line.as_bytes().split(|&byte| byte == b','));
    codings.any(|coding| {
        let coding = coding.trim_ascii();
        !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity")
    })
}

async fn read(body: &mut Incoming, config: &Config) -> Result<Bytes, Rejection> {
    let limit = config.hub.max_payload();
    // Refused before a client that waits for `100 Continue` is told to go on.
    if usize::try_from(body.size_hint().lower()).is_ok_and(|announced| announced > limit) {
        return Err(too_big(limit));
    }
    let body = tokio::time::timeout(config.body_deadline, Limited::new(body, limit).collect());
    match body.await {
        Ok(Ok(body)) if body.trailers().is_some_and(decides_framing) => {
            let message = "a trailer may not be Content-Length, Transfer-Encoding or Host";
            Err(Rejection::bad_request("bad_body", message))
        }
        // A copy, because a body that came in one piece keeps all of the buffer that it was read into.
        Ok(Ok(body)) => Ok(Bytes::copy_from_slice(&body.to_bytes())),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_big(limit)),
        Ok(Err(error)) => {
            Err(Rejection::bad_request("bad_body", format!("the body broke off: {error}")))
        }
        Err(_) => Err(too_late(config)),
    }
}

/// RFC 9110, section 6.5.1: such a field comes too late in a trailer.
fn decides_framing(trailers: &HeaderMap) -> bool {
    [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::HOST]
        .iter()
        .any(|name| trailers.contains_key(name))
}

fn accept(
    request: &Parts,
    topic: Topic,
    payload: Bytes,
    shared: &Shared,
) -> Result<Answer, Rejection> {
    let key = idempotency_key(request)?;
    let kind = match request.headers.get(header::CONTENT_TYPE) {
        Some(media) if is_binary(media) => Kind::Binary,
        _ => Kind::Text,
    };
    let notification = Notification::checked(topic, kind, payload).map_err(|fault| {
        let how = "send it with Content-Type: application/octet-stream";
        Rejection::bad_request("bad_payload", format!("{fault}; for binary, {how}"))
    })?;
    match shared.config.hub.publish_once(notification, key).now() {
        Ok(outcome) => Ok(Answer::Whole(published(outcome, shared))),
        Err(on_its_way) => {
            let shared = shared.clone();
            Ok(Answer::Later(Box::pin(async move { published(on_its_way.await, &shared) })))
        }
    }
}

fn published(outcome: Result<Id, PublishError>, shared: &Shared) -> Response<Bytes> {
    match outcome {
        Ok(id) => {
            shared.metrics.published.inc();
            text("application/json", format!("{{\"id\":\"{id}\"}}\n"))
        }
        Err(error) => refuse(None, error.into(), shared),
    }
}

/// The key is a string of RFC 8941, section 3.3.3, in quotes; bare it is understood as well.
fn idempotency_key(request: &Parts) -> Result<Option<IdempotencyKey>, Rejection> {
    let Some(value) = request.headers.get("idempotency-key") else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    let quoted = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    Ok(Some(quoted.unwrap_or(text).parse()?))
}

fn is_binary(media: &HeaderValue) -> bool {
    let essence = media.as_bytes().split(|&byte| byte == b';').next().unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(b"application/octet-stream")
}

fn subscribe(request: &Parts, filters: &str, shared: &Shared) -> Result<Box<Visitor>, Rejection> {
    let config = &shared.config;
    let (subscribe, transport, accepted) = may_subscribe(request, filters, config)?;
    let seat = config.hub.join_with(transport.name(), &subscribe.filters)?;
    // Who only reads has nothing to say.
    let publishes_to = match accepted.shape {
        Shape::Upgrade => publishes_to(config, request, &subscribe.filters),
        Shape::Stream | Shape::Answer { .. } => None,
    };
    let mut interest = Interest::new(subscribe.filters).slow(config.slow);
    if !config.echo {
        interest = interest.without_own();
    }
    let (position, is_last) = (subscribe.position, is_last(request));
    Ok(Box::new(Visitor { accepted, seat, interest, position, publishes_to, is_last }))
}

/// Whether this request may subscribe, to what, and how it is served.
fn may_subscribe<'a>(
    request: &Parts,
    filters: &str,
    config: &'a Config,
) -> Result<(SubscribeRequest, &'a Arc<dyn Transport>, Accepted), Rejection> {
    let subscribe = SubscribeRequest::read(filters, request)?;
    // A foreign page cannot read the answer, but it would hold a seat.
    config.origins.check(request)?;
    config.access.check(request, Action::Subscribe(&subscribe.filters))?;
    let transport = choose(config, request)?;
    let accepted = transport.accept(request, &subscribe)?;
    Ok((subscribe, transport, accepted))
}

/// The head of what `subscribe` would answer, for a `HEAD`. It takes no seat and holds nothing.
fn outline(request: &Parts, filters: &str, config: &Config) -> Result<Response<Bytes>, Rejection> {
    let (.., accepted) = may_subscribe(request, filters, config)?;
    Ok(Response::clone(&accepted.head).map(|()| Bytes::new()))
}

/// The transport that the query names, else the first that claims the request.
fn choose<'a>(config: &'a Config, request: &Parts) -> Result<&'a Arc<dyn Transport>, Rejection> {
    let Some(name) = query(request, "transport") else {
        return config.transports.iter().find(|one| one.claims(request)).ok_or_else(nothing_there);
    };
    config.transports.iter().find(|transport| transport.name() == name).ok_or_else(|| {
        let names: Vec<_> = config.transports.iter().map(|transport| transport.name()).collect();
        let message = format!("transport={name:?} is none of {}", names.join(", "));
        Rejection::bad_request("bad_transport", message)
    })
}

/// A client's messages are published where its filters name one topic and it may publish. Else it may say
/// nothing.
fn publishes_to(config: &Config, request: &Parts, filters: &Filters) -> Option<Topic> {
    let topic = filters.as_topic()?;
    config.access.check(request, Action::Publish(&topic)).ok()?;
    Some(topic)
}

fn metrics(shared: &Shared) -> Result<Response<Bytes>, Rejection> {
    let text_of = shared.metrics.text(&shared.config).map_err(|_| {
        let (status, what) = (StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be written");
        Rejection::new(status, "internal", what)
    })?;
    Ok(text("application/openmetrics-text; version=1.0.0; charset=utf-8", text_of))
}

fn not_allowed(allow: &'static str) -> Rejection {
    let message = format!("this resource knows {allow}");
    Rejection::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
        .with(header::ALLOW, HeaderValue::from_static(allow))
}

fn nothing_there() -> Rejection {
    let message = "nothing is there: topics are at /topics/NAME";
    Rejection::new(StatusCode::NOT_FOUND, "not_found", message)
}

fn coded() -> Rejection {
    let message = "the payload has a Content-Encoding: send it as it is, or as application/octet-stream without \
                   that header if subscribers are to decode it";
    Rejection::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_coding", message)
        .with(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"))
}

fn too_big(limit: usize) -> Rejection {
    let message = format!("the body is larger than the limit of {limit} bytes");
    Rejection::new(StatusCode::PAYLOAD_TOO_LARGE, "too_big", message)
}

fn too_late(config: &Config) -> Rejection {
    let message = format!("the body was not there within {:?}", config.body_deadline);
    Rejection::new(StatusCode::REQUEST_TIMEOUT, "too_late", message)
        .with(header::CONNECTION, HeaderValue::from_static("close"))
}
