//! The resources of the hub, and who answers for them.

use std::cell::Cell;
use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use tidings_core::{Budget, Cursor, Event, Filters, Interest, Kind, Notification, Position, Topic};
use tidings_transport::mount::{MAX_ANSWER, MountBody, OnMessage, Visit};
use tidings_transport::{Accepted, Ask, Refusal, Shape, Transport, path_segment, query};

use crate::config::{Action, Config};
use crate::lane::Visitor;
use crate::shared::Shared;

/// Answers a request. A client that is to leave hyper for the lane is put into `visitor`, and the answer
/// is then never given: whoever polls takes the connection over.
pub(crate) async fn answer(
    request: Request<Incoming>,
    shared: &Shared,
    visitor: Option<&Cell<Option<Visitor>>>,
) -> Response<MountBody> {
    let answered = match route(request.uri().path()) {
        _ if is_ambiguous(&request) => Err(ambiguous()),
        Route::Topics(name) => {
            let name = name.to_owned();
            match *request.method() {
                Method::GET => subscribe(request, &name, shared, visitor).await,
                Method::POST => publish(request, &name, shared).await,
                _ => Err(not_allowed("GET, POST")),
            }
        }
        Route::Nothing => Err(nothing_there()),
        _ if !matches!(*request.method(), Method::GET | Method::HEAD) => {
            Err(not_allowed("GET, HEAD"))
        }
        Route::Front => Ok(text("text/plain; charset=utf-8", FRONT)),
        Route::Health => Ok(text("text/plain; charset=utf-8", "ok\n")),
        Route::Metrics => metrics(shared),
    };
    answered.unwrap_or_else(|refusal| {
        shared.metrics.refused.inc();
        refusal.into_response().map(MountBody::whole)
    })
}

enum Route<'a> {
    Front,
    Health,
    Metrics,
    Topics(&'a str),
    Nothing,
}

const FRONT: &str = "tidings: one notification stream by every realtime transport

  publish         curl -d hello            http://HOST/topics/greetings
  server-sent     curl -N -H 'Accept: text/event-stream' http://HOST/topics/greetings
  long-polling    curl                     http://HOST/topics/greetings?after=earliest
  WebSocket       new WebSocket('ws://HOST/topics/greetings')

  /healthz  /metrics
";

fn route(path: &str) -> Route<'_> {
    match path {
        "/" => Route::Front,
        "/healthz" => Route::Health,
        "/metrics" => Route::Metrics,
        path => match path.strip_prefix("/topics/") {
            Some(name) if !name.is_empty() && !name.contains('/') => Route::Topics(name),
            _ => Route::Nothing,
        },
    }
}

/// Who is meant must be said once: RFC 9112, section 3.2. (Content-Length beside Transfer-Encoding never gets
/// here: hyper reads such a request by the latter and then closes, as section 6.1 has it.)
fn is_ambiguous(request: &Request<Incoming>) -> bool {
    let hosts = request.headers().get_all(header::HOST).iter().count();
    hosts > 1 || (hosts == 0 && request.version() == http::Version::HTTP_11)
}

async fn publish(
    request: Request<Incoming>,
    topic: &str,
    shared: &Shared,
) -> Result<Response<MountBody>, Refusal> {
    let config = &shared.config;
    let (request, body) = request.into_parts();
    config.access.check(&request, Action::Publish)?;
    // A page may send a POST to any host without asking; only this check keeps foreign pages out.
    if !config.origins.allow(&request) {
        return Err(foreign_page());
    }
    let topic: Topic = path_segment(topic)?.parse()?;
    let limit = config.hub.max_payload();
    let body = tokio::time::timeout(config.body_deadline, Limited::new(body, limit).collect());
    let payload = match body.await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => return Err(too_big(limit)),
        Ok(Err(error)) => {
            return Err(Refusal::bad_request("bad_body", format!("the body broke off: {error}")));
        }
        Err(_) => return Err(too_late(config)),
    };
    let kind = match request.headers.get(header::CONTENT_TYPE) {
        Some(media) if is_binary(media) => Kind::Binary,
        _ => Kind::Text,
    };
    let notification = Notification::checked(topic, kind, payload).map_err(|fault| {
        let how = "send it with Content-Type: application/octet-stream";
        Refusal::bad_request("bad_payload", format!("{fault}; for binary, {how}"))
    })?;
    let id = config.hub.publish(notification)?;
    shared.metrics.published.inc();
    Ok(text("application/json", format!("{{\"id\":\"{id}\"}}\n")))
}

fn is_binary(media: &HeaderValue) -> bool {
    let essence = media.as_bytes().split(|&byte| byte == b';').next().unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(b"application/octet-stream")
}

async fn subscribe(
    request: Request<Incoming>,
    filters: &str,
    shared: &Shared,
    visitor: Option<&Cell<Option<Visitor>>>,
) -> Result<Response<MountBody>, Refusal> {
    let config = &shared.config;
    let (mut request, _) = request.into_parts();
    config.access.check(&request, Action::Subscribe)?;
    let ask = Ask::read(filters, &request)?;
    let transport = choose(config, &request)?;
    let accepted = transport.accept(&request, &ask)?;
    let seat = config.hub.join(transport.name())?;
    let on_message = on_message(config, &request, &ask.filters);
    let mut interest = Interest::new(ask.filters).slow(config.slow);
    if !config.echo {
        interest = interest.without_own();
    }
    let mut arrival = Visitor {
        accepted,
        seat,
        interest,
        position: ask.position,
        on_message,
        is_last: is_last(&request),
    };
    match visitor {
        Some(visitor) => {
            if let Some(answer) = answer_now(config, &mut arrival).await {
                shared.metrics.delivered(transport.name()).inc_by(answer.1);
                return Ok(answer.0);
            }
            visitor.set(Some(arrival));
            std::future::pending().await
        }
        None => {
            let Visitor { accepted, seat, interest, position, on_message, .. } = arrival;
            let subscription = config.hub.read(seat, interest, position);
            let write_deadline = config.write_deadline;
            let upgrade = request.extensions.remove::<OnUpgrade>();
            Ok(Visit { subscription, on_message, write_deadline }.respond(accepted, upgrade).await)
        }
    }
}

/// Whether the client expects the connection to end with the answer (RFC 9112, section 9.3).
fn is_last(request: &Parts) -> bool {
    let lines = request.headers.get_all(header::CONNECTION).into_iter();
    let mut options =
        lines.filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(',')).map(str::trim);
    match request.version {
        http::Version::HTTP_10 => !options.any(|option| option.eq_ignore_ascii_case("keep-alive")),
        _ => options.any(|option| option.eq_ignore_ascii_case("close")),
    }
}

/// The answer to a poll that need not be held, and how many notifications it has. A held one needs its
/// connection out of hyper's hands; this one does not.
async fn answer_now(config: &Config, arrival: &mut Visitor) -> Option<(Response<MountBody>, u64)> {
    let Accepted { head, words, shape } = &arrival.accepted;
    let Shape::Answer { hold } = shape else { return None };
    let (log, head_of_log) = (config.hub.log(), config.hub.log().head());
    let (mut cursor, gap) = Cursor::open(log, arrival.position, &arrival.interest);
    let mut events: Vec<Event> = gap.map(Event::Gap).into_iter().collect();
    let budget = Budget { entries: usize::MAX, bytes: MAX_ANSWER };
    let before = events.len();
    while events.len() == before && cursor.seq() < head_of_log.seq {
        let seat = arrival.seat.id();
        cursor.read(log, &arrival.interest, seat, head_of_log, budget, &mut events);
        if events.len() == before {
            // One who looks for few among many does not keep the others of this thread waiting.
            tokio::task::yield_now().await;
        }
    }
    let position = head_of_log.epoch.id(cursor.seq());
    if events.is_empty() && !hold.is_zero() {
        arrival.position = Position::After(position);
        return None;
    }
    let delivered = events.iter().filter(|event| matches!(event, Event::Deliver(_))).count();
    let body = MountBody::whole(words.render(&events, position));
    Some((head.clone().map(|()| body), delivered as u64))
}

/// The transport that the query names, else the first that claims the request.
fn choose<'a>(config: &'a Config, request: &Parts) -> Result<&'a Arc<dyn Transport>, Refusal> {
    let Some(name) = query(request, "transport") else {
        return config.transports.iter().find(|one| one.claims(request)).ok_or_else(nothing_there);
    };
    config.transports.iter().find(|transport| transport.name() == name).ok_or_else(|| {
        let names: Vec<_> = config.transports.iter().map(|transport| transport.name()).collect();
        let message = format!("transport={name:?} is none of {}", names.join(", "));
        Refusal::bad_request("bad_transport", message)
    })
}

/// A client's messages are published where its filters name one topic and it may publish.
fn on_message(config: &Config, request: &Parts, filters: &Filters) -> OnMessage {
    match filters.as_topic() {
        Some(topic) if config.access.check(request, Action::Publish).is_ok() => {
            OnMessage::published_to(topic)
        }
        _ => OnMessage::refused(),
    }
}

fn metrics(shared: &Shared) -> Result<Response<MountBody>, Refusal> {
    let text_of = shared.metrics.text(&shared.config.hub).map_err(|_| {
        let (status, what) = (StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be written");
        Refusal::new(status, "internal", what)
    })?;
    Ok(text("application/openmetrics-text; version=1.0.0; charset=utf-8", text_of))
}

fn text(media: &'static str, body: impl Into<Bytes>) -> Response<MountBody> {
    let mut response = Response::new(MountBody::whole(body.into()));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn ambiguous() -> Refusal {
    Refusal::bad_request("ambiguous_request", "give exactly one Host")
        .with(header::CONNECTION, HeaderValue::from_static("close"))
}

fn foreign_page() -> Refusal {
    let message = "pages of this origin may not publish: the hub's origin policy decides";
    Refusal::new(StatusCode::FORBIDDEN, "origin_not_allowed", message)
}

fn not_allowed(allow: &'static str) -> Refusal {
    let message = format!("this resource knows {allow}");
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
        .with(header::ALLOW, HeaderValue::from_static(allow))
}

fn nothing_there() -> Refusal {
    let message = "nothing is there: topics are at /topics/NAME";
    Refusal::new(StatusCode::NOT_FOUND, "not_found", message)
}

fn too_big(limit: usize) -> Refusal {
    let message = format!("the payload is larger than the limit of {limit} bytes");
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "too_big", message)
}

fn too_late(config: &Config) -> Refusal {
    let message = format!("the body was not there within {:?}", config.body_deadline);
    Refusal::new(StatusCode::REQUEST_TIMEOUT, "too_late", message)
        .with(header::CONNECTION, HeaderValue::from_static("close"))
}
