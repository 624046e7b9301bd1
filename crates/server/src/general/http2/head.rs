//! The heads of requests and responses over HTTP/2.

use bytes::BytesMut;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, header};
use tidings_transport::{ConnectProtocol, Rejection};

use crate::request::is_host;
use crate::response::date;

/// Checks the head of a request, which `h2` has found well-formed, by the rules for HTTP/1.1. Joins its cookies, and
/// adds the [`ConnectProtocol`] of an extended `CONNECT`.
///
/// # Errors
/// Fails if the request has no host or two of them, or another header is repeated.
pub(super) fn check(request: &mut Parts) -> Result<(), Rejection> {
    if let Some(protocol) = request.extensions.remove::<h2::ext::Protocol>() {
        request.extensions.insert(ConnectProtocol::new(protocol.as_str()));
    }
    join_cookies(&mut request.headers);
    check_host(request)?;
    let is_server_wide = request.uri.path() == "*" && request.method == Method::OPTIONS;
    if !request.uri.path().starts_with('/') && !is_server_wide {
        let message = "expected a :path that begins with /";
        return Err(Rejection::bad_request("bad_target", message));
    }
    if request.headers.get_all(header::CONTENT_TYPE).iter().count() > 1 {
        return Err(ambiguous("give one Content-Type"));
    }
    Ok(())
}

/// Checks that the request names one host, by `:authority` or by `Host` (RFC 9113, section 8.3.1).
fn check_host(request: &Parts) -> Result<(), Rejection> {
    let mut hosts = request.headers.get_all(header::HOST).iter();
    let (host, further) = (hosts.next(), hosts.next());
    let authority = request.uri.authority().map(|authority| authority.as_str());
    let is_ambiguous = match (authority, host) {
        (None, None) => true,
        (Some(authority), Some(host)) => {
            !host.as_bytes().eq_ignore_ascii_case(authority.as_bytes())
        }
        _ => false,
    };
    if is_ambiguous || further.is_some() {
        return Err(ambiguous("give exactly one :authority or Host"));
    }
    let host = authority.map_or(host.map_or(&[][..], HeaderValue::as_bytes), str::as_bytes);
    if is_host(host) {
        return Ok(());
    }
    let host = String::from_utf8_lossy(host);
    let message = format!("invalid :authority {host:?}: expected HOST or HOST:PORT");
    Err(Rejection::bad_request("bad_host", message))
}

fn ambiguous(message: &str) -> Rejection {
    Rejection::bad_request("ambiguous_request", message)
}

/// Joins cookies that were sent as several headers, which HTTP/2 allows and an application does not expect (RFC 9113,
/// section 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let mut cookies = headers.get_all(header::COOKIE).iter();
    let (Some(first), Some(second)) = (cookies.next(), cookies.next()) else { return };
    let mut joined = BytesMut::from(first.as_bytes());
    for cookie in std::iter::once(second).chain(cookies) {
        joined.extend_from_slice(b"; ");
        joined.extend_from_slice(cookie.as_bytes());
    }
    // Always succeeds, because valid values joined by `; ` are a valid value.
    if let Ok(joined) = HeaderValue::from_maybe_shared(joined.freeze()) {
        headers.insert(header::COOKIE, joined);
    }
}

/// The headers that belong to one connection of HTTP/1.1 (RFC 9113, section 8.2.2).
const OF_CONNECTION: [HeaderName; 4] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// The head of a response over HTTP/2: without the headers of HTTP/1.1 connections, and with the date.
pub(super) fn response<T>(response: &Response<T>) -> Response<()> {
    let mut head = Response::new(());
    *head.status_mut() = response.status();
    *head.headers_mut() = response.headers().clone();
    OF_CONNECTION.iter().for_each(|name| drop(head.headers_mut().remove(name)));
    // Always succeeds, because a date is ASCII.
    if let Ok(date) = HeaderValue::try_from(date().to_string()) {
        head.headers_mut().insert(header::DATE, date);
    }
    head
}
