//! Parses and checks the requests of HTTP/1.1.
//!
//! Most requests are plain and arrive in one piece: a `GET`, or a `POST` with a body of known length. A lane serves
//! those. All other requests leave the lane: incomplete and malformed requests, bodies in chunks, and other versions
//! and methods. Lanes and the general path both check heads here, so that neither accepts a head that the other
//! rejects.

use std::borrow::Cow;
use std::mem::MaybeUninit;

use bytes::{Bytes, BytesMut};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request, StatusCode, Uri, Version, header};
use tidings_transport::{Rejection, lists};

/// A complete request.
#[derive(Debug)]
pub(crate) struct Whole {
    pub(crate) request: Parts,
    pub(crate) body: Bytes,
    /// The length of the request in bytes. The next request begins there.
    pub(crate) length: usize,
}

/// The most header lines, as in hyper.
const MAX_LINES: usize = 100;

/// The head of a request.
#[derive(Debug)]
pub(crate) struct Head {
    request: Parts,
    /// Its length in bytes.
    length: usize,
    /// The length of the body that follows, or `None` if it comes in chunks.
    body: Option<usize>,
}

/// The first request in these bytes, `None` if it is not complete, plain and well-formed.
pub(crate) fn next(bytes: &[u8], max_head: usize) -> Option<Box<Whole>> {
    let Head { request, length, body } = head(bytes, max_head).ok()??;
    let is_plain = request.version == Version::HTTP_11
        && match request.method {
            Method::GET => body == Some(0),
            Method::POST => true,
            _ => false,
        }
        && !request.headers.contains_key(header::EXPECT);
    let body = if is_plain { bytes[length..].get(..body?)? } else { return None };
    let (body, length) = (Bytes::copy_from_slice(body), length + body.len());
    Some(Box::new(Whole { request, body, length }))
}

/// Parses and checks the head at the beginning of these bytes. `None` if it is not complete.
///
/// # Errors
/// Fails if the head is malformed, too large, or ambiguous (RFC 9112, section 11.2).
pub(crate) fn head(bytes: &[u8], max_head: usize) -> Result<Option<Head>, Rejection> {
    let mut lines = [MaybeUninit::uninit(); MAX_LINES];
    let mut head = httparse::Request::new(&mut []);
    let length = match head
        .parse_with_uninit_headers(bytes, &mut lines)
        .map_err(|error| malformed(bytes, error))?
    {
        httparse::Status::Complete(length) if length <= max_head => length,
        httparse::Status::Partial if bytes.len() <= max_head => return Ok(None),
        _ => return Err(too_large(bytes, max_head)),
    };
    let (Some(method), Some(target)) = (head.method, head.path) else { return Ok(None) };
    // The parts of a request share one copy of its head.
    let shared = Bytes::copy_from_slice(&bytes[..length]);
    let part = |part: &[u8]| {
        let start = part.as_ptr().addr() - bytes.as_ptr().addr();
        shared.slice(start..start + part.len())
    };
    let (mut request, ()) = Request::new(()).into_parts();
    request.headers.reserve(head.headers.len());
    for line in &*head.headers {
        let name = HeaderName::from_bytes(line.name.as_bytes())
            .map_err(|_| bad(format!("invalid header name {:?}", line.name)))?;
        let value = HeaderValue::from_maybe_shared(part(line.value))
            .map_err(|_| bad(format!("the value of {name} contains a control character")))?;
        request.headers.append(name, value);
    }
    request.uri = match encoded(target) {
        Cow::Borrowed(target) => Uri::from_maybe_shared(part(target.as_bytes())),
        Cow::Owned(target) => Uri::from_maybe_shared(Bytes::from(target)),
    }
    .map_err(|_| bad_target(target))?;
    request.method = Method::from_bytes(method.as_bytes())
        .map_err(|_| bad(format!("invalid method {method:?}")))?;
    request.version = if head.version == Some(1) { Version::HTTP_11 } else { Version::HTTP_10 };
    let body = check(&request)?;
    Ok(Some(Head { request, length, body }))
}

/// The target of a request with each `>` percent-encoded. A URL may not contain `>`, but a filter may, and curl does
/// not encode it.
fn encoded(target: &str) -> Cow<'_, str> {
    if target.contains('>') { target.replace('>', "%3E").into() } else { target.into() }
}

/// Percent-encodes each `>` in the target of the request at the beginning of these bytes, because hyper rejects it.
pub(crate) fn encode_target(bytes: &mut BytesMut) {
    // Empty lines may come before the request line (RFC 9112, section 2.2).
    let start = bytes.iter().position(|byte| !b"\r\n".contains(byte)).unwrap_or(bytes.len());
    let line = bytes[start..].iter().position(|&byte| byte == b'\n');
    let end = line.map_or(bytes.len(), |line| start + line);
    let mut encoded = BytesMut::with_capacity(bytes.len() + 16);
    let mut at = 0;
    while let Some(found) = bytes[at..end].iter().position(|&byte| byte == b'>') {
        encoded.extend_from_slice(&bytes[at..at + found]);
        encoded.extend_from_slice(b"%3E");
        at += found + 1;
    }
    if at > 0 {
        encoded.extend_from_slice(&bytes[at..]);
        *bytes = encoded;
    }
}

/// Checks the host of a request and how its body is framed. Returns the length of the body, or `None` if it comes in
/// chunks.
///
/// # Errors
/// Fails if one of these headers is malformed or repeated.
fn check(request: &Parts) -> Result<Option<usize>, Rejection> {
    let headers = &request.headers;
    let ambiguous = |message| Rejection::bad_request("ambiguous_request", message);
    let only = |name: HeaderName, message| {
        let mut values = headers.get_all(name).iter();
        let value = values.next();
        if values.next().is_none() { Ok(value) } else { Err(ambiguous(message)) }
    };
    let one_host = "give exactly one Host";
    match only(header::HOST, one_host)? {
        Some(host) if is_host(host.as_bytes()) => {}
        Some(host) => {
            let message = format!("invalid Host {host:?}: expected HOST or HOST:PORT");
            return Err(Rejection::bad_request("bad_host", message));
        }
        None if request.version == Version::HTTP_10 => {}
        None => return Err(ambiguous(one_host)),
    }
    let is_origin_form = request.uri.path().starts_with('/');
    let is_server_wide = request.uri.path() == "*" && request.method == Method::OPTIONS;
    if !is_origin_form && !is_server_wide {
        return Err(bad_target(&request.uri.to_string()));
    }
    let length = match only(header::CONTENT_LENGTH, "give one Content-Length")? {
        None => 0,
        Some(length) => digits(length)
            .ok_or_else(|| bad(format!("invalid Content-Length {length:?}: expected digits")))?,
    };
    only(header::CONTENT_TYPE, "give one Content-Type")?;
    if headers.contains_key(header::TRANSFER_ENCODING) {
        return check_codings(request).map(|()| None);
    }
    Ok(Some(length))
}

/// Checks the transfer codings of a request: `chunked`, applied once (RFC 9112, section 6.1).
///
/// # Errors
/// Fails for any other coding, and if there is a length as well.
fn check_codings(request: &Parts) -> Result<(), Rejection> {
    if request.version == Version::HTTP_10 {
        return Err(bad("HTTP/1.0 has no Transfer-Encoding: send a Content-Length"));
    }
    if request.headers.contains_key(header::CONTENT_LENGTH) {
        let message = "give Content-Length or Transfer-Encoding, not both";
        return Err(Rejection::bad_request("ambiguous_request", message));
    }
    let mut chunked = 0;
    for line in request.headers.get_all(header::TRANSFER_ENCODING) {
        for coding in line.as_bytes().split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
            if !coding.eq_ignore_ascii_case(b"chunked") {
                let coding = String::from_utf8_lossy(coding);
                let message = format!("unknown Transfer-Encoding {coding:?}: expected chunked");
                return Err(Rejection::new(StatusCode::NOT_IMPLEMENTED, "unknown_coding", message));
            }
            chunked += 1;
        }
    }
    if chunked == 1 { Ok(()) } else { Err(bad("Transfer-Encoding: chunked is given twice")) }
}

/// Returns `true` if this is a host with an optional port, and no user information (RFC 9110, section 7.2).
pub(crate) fn is_host(host: &[u8]) -> bool {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+;=:[]".contains(byte);
    !host.is_empty() && host.iter().all(is_part)
}

/// The number in a header of digits alone (RFC 9112, section 6.2).
fn digits(value: &HeaderValue) -> Option<usize> {
    let is_plain = !value.is_empty() && value.as_bytes().iter().all(u8::is_ascii_digit);
    if is_plain { value.to_str().ok()?.parse().ok() } else { None }
}

fn malformed(bytes: &[u8], error: httparse::Error) -> Rejection {
    let line = bytes.split(|&byte| byte == b'\n').find(|line| !line.trim_ascii().is_empty());
    let version = line.and_then(|line| line.split(|&byte| byte == b' ').nth(2));
    match error {
        httparse::Error::Version if version.is_some_and(|it| it.starts_with(b"HTTP/")) => {
            Rejection::new(
                StatusCode::HTTP_VERSION_NOT_SUPPORTED,
                "unknown_version",
                "this server speaks HTTP/1.1 without TLS",
            )
        }
        httparse::Error::TooManyHeaders => Rejection::new(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            "head_too_large",
            format!("the head has more than {MAX_LINES} lines"),
        ),
        error => bad(format!("the request is not HTTP/1.1: {error}")),
    }
}

fn too_large(bytes: &[u8], max_head: usize) -> Rejection {
    let is_line = !bytes.iter().take(max_head).any(|&byte| byte == b'\n');
    let (status, what) = match is_line {
        true => (StatusCode::URI_TOO_LONG, "request line"),
        false => (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "head"),
    };
    let message = format!("the {what} is larger than the limit of {max_head} bytes");
    Rejection::new(status, "head_too_large", message)
}

fn bad(message: impl Into<String>) -> Rejection {
    Rejection::bad_request("bad_request", message)
}

fn bad_target(target: &str) -> Rejection {
    let is_allowed = |character: char| {
        character.is_ascii_alphanumeric() || "-._~:/?#[]@!$&'()*+,;=%".contains(character)
    };
    let message = match target.chars().find(|&character| !is_allowed(character)) {
        Some(character) => {
            let mut bytes = [0; 4];
            let encoded: String = character
                .encode_utf8(&mut bytes)
                .bytes()
                .map(|byte| format!("%{byte:02X}"))
                .collect();
            format!("the request target contains {character:?}: send it as {encoded}")
        }
        None => format!("invalid request target {target:?}: expected a path that begins with /"),
    };
    Rejection::bad_request("bad_target", message)
}

/// Whether the client expects the connection to end with the response (RFC 9112, section 9.3).
pub(crate) fn is_last(request: &Parts) -> bool {
    match request.version {
        http::Version::HTTP_10 => !lists(request, header::CONNECTION, "keep-alive"),
        _ => lists(request, header::CONNECTION, "close"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX_HEAD: usize = 8192;

    fn taken(text: &str) -> Option<Box<Whole>> {
        next(text.as_bytes(), MAX_HEAD)
    }

    fn rejected(text: impl AsRef<[u8]>) -> (u16, &'static str) {
        let rejection = head(text.as_ref(), MAX_HEAD).unwrap_err();
        assert!(next(text.as_ref(), MAX_HEAD).is_none());
        (rejection.status.as_u16(), rejection.code)
    }

    #[test]
    fn a_complete_request_is_taken_without_a_byte_of_the_next_one() {
        let text = "POST /topics/t?x=1 HTTP/1.1\r\nHost: hub\r\nContent-Length: 2\r\n\r\nhiGET ";
        let end = text.len() - "GET ".len();
        for cut in 0..end {
            assert!(taken(&text[..cut]).is_none(), "{cut}");
        }
        let Whole { request, body, length } = *taken(text).unwrap();
        assert_eq!((request.method, body.as_ref(), length), (Method::POST, &b"hi"[..], end));
        assert_eq!((request.uri.path(), request.uri.query()), ("/topics/t", Some("x=1")));
        assert_eq!(request.headers[header::HOST], "hub");
    }

    #[test]
    fn a_request_that_is_not_plain_is_left_to_hyper() {
        for head in [
            "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx",
            "HEAD / HTTP/1.1\r\nHost: h\r\n\r\n",
            "GET / HTTP/1.0\r\n\r\n",
        ] {
            assert!(taken(head).is_none(), "{head:?}");
        }
        assert!(taken("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n").is_some());
    }

    #[test]
    fn each_fault_of_a_head_has_its_status_and_code() {
        let post = |lines: &str| format!("POST / HTTP/1.1\r\nHost: h\r\n{lines}\r\n");
        let get = |target: &str| format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n");
        let host = |host: &str| format!("GET / HTTP/1.1\r\n{host}\r\n");
        let large = "x".repeat(MAX_HEAD);
        for (request, expected) in [
            (post("Content-Length: 0\r\nContent-Length: 0\r\n"), (400, "ambiguous_request")),
            (
                post("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n"),
                (400, "ambiguous_request"),
            ),
            (post("Content-Type: a/b\r\nContent-Type: a/c\r\n"), (400, "ambiguous_request")),
            (post("Content-Length: +0\r\n"), (400, "bad_request")),
            (post("Content-Length: 5, 5\r\n"), (400, "bad_request")),
            (post("Content-Length:\r\n"), (400, "bad_request")),
            (post("Content-Length: 99999999999999999999\r\n"), (400, "bad_request")),
            (post("Transfer-Encoding: gzip, chunked\r\n"), (501, "unknown_coding")),
            (post("Transfer-Encoding: xchunked\r\n"), (501, "unknown_coding")),
            (
                post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
                (400, "bad_request"),
            ),
            (post("Content-Length : 0\r\n"), (400, "bad_request")),
            (post("X: folded\r\n line\r\n"), (400, "bad_request")),
            (post("X: bell\u{7}\r\n"), (400, "bad_request")),
            (post(&format!("X: {large}\r\n")), (431, "head_too_large")),
            (post(&"x: 1\r\n".repeat(100)), (431, "head_too_large")),
            (host(""), (400, "ambiguous_request")),
            (host("Host: a\r\nHost: b\r\n"), (400, "ambiguous_request")),
            (host("Host:\r\n"), (400, "bad_host")),
            (host("Host: a b\r\n"), (400, "bad_host")),
            (host("Host: user@a\r\n"), (400, "bad_host")),
            (host("Host: a/b\r\n"), (400, "bad_host")),
            (host("Host: a, b\r\n"), (400, "bad_host")),
            (get(&format!("/{large}")), (414, "head_too_large")),
            (get("/a<b"), (400, "bad_target")),
            (get("*"), (400, "bad_target")),
            (get("h:80"), (400, "bad_target")),
            (get("a/b"), (400, "bad_target")),
            (get("  /"), (400, "bad_request")),
            ("GET / HTTP/2.0\r\nHost: h\r\n\r\n".into(), (505, "unknown_version")),
            ("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n".into(), (400, "bad_request")),
            ("\u{16}\u{3}\u{1}".into(), (400, "bad_request")),
        ] {
            assert_eq!(rejected(&request), expected, "{request:?}");
        }
    }

    #[test]
    fn a_greater_than_sign_that_is_not_encoded_is_accepted() {
        let whole = taken("GET /topics/a.>?x=> HTTP/1.1\r\nHost: h\r\n\r\n").unwrap();
        assert_eq!(whole.request.uri, "/topics/a.%3E?x=%3E");
        for (sent, encoded) in [
            ("HEAD /> HTTP/1.1\r\nX: >\r\n\r\n>", "HEAD /%3E HTTP/1.1\r\nX: >\r\n\r\n>"),
            ("HEAD / HTTP/1.1\r\nX: >\r\n\r\n", "HEAD / HTTP/1.1\r\nX: >\r\n\r\n"),
        ] {
            let mut bytes = BytesMut::from(sent);
            encode_target(&mut bytes);
            assert_eq!(bytes, encoded);
        }
    }

    #[test]
    fn a_request_is_the_last_one_if_its_connection_header_says_close() {
        let is_last = |lines: &str| {
            is_last(&taken(&format!("GET / HTTP/1.1\r\nHost: h\r\n{lines}\r\n")).unwrap().request)
        };
        assert!(is_last("Connection: close\r\n"));
        assert!(is_last("Connection: upgrade\r\nConnection: x, Close\r\n"));
        assert!(!is_last("Connection: keep-alive\r\n") && !is_last(""));
    }
}
