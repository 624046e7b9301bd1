//! Redirects the requests of plain listeners to `https`.

use bytes::Bytes;
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderValue, Response, StatusCode, header};
use tidings_transport::{ListenerKind, Rejection};

use crate::config::Config;
use crate::resource::Resource;
use crate::response::text;

/// The redirect of a request that arrived without TLS. `None` if the server does not redirect, if the listener has TLS
/// or is a Unix socket, and for health checks, because a balancer may take a redirect for a failure.
///
/// # Errors
/// Fails with `400` if the request names no host.
pub(super) fn redirect(
    request: &Parts,
    resource: &Resource<'_>,
    listener: ListenerKind,
    config: &Config,
) -> Result<Option<Response<Bytes>>, Rejection> {
    let Some(port) = config.redirect_to_https else { return Ok(None) };
    let is_plain = matches!(listener, ListenerKind::Loopback | ListenerKind::Network);
    if !is_plain || matches!(resource, Resource::Health | Resource::Ready) {
        return Ok(None);
    }
    let location = location(request, port).ok_or_else(|| {
        let problem = "only https is served here, and the request has no valid host: use https://";
        Rejection::bad_request("https_required", problem)
    })?;
    let mut response = text("text/plain; charset=utf-8", "use https\n");
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    response.headers_mut().insert(header::LOCATION, location);
    Ok(Some(response))
}

/// The same URL with `https` and this port, `None` if the request has no valid host.
fn location(request: &Parts, port: u16) -> Option<HeaderValue> {
    let named = || request.headers.get(header::HOST)?.to_str().ok()?.parse::<Authority>().ok();
    let authority = request.uri.authority().cloned().or_else(named)?;
    let host = authority.host();
    let path = request.uri.path_and_query().map_or("/", |path| path.as_str());
    let url = match port {
        0 | 443 => format!("https://{host}{path}"),
        _ => format!("https://{host}:{port}{path}"),
    };
    HeaderValue::try_from(url).ok().filter(|_| !host.is_empty())
}
