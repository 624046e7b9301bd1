//! The page itself, which is asked for anew each time: its path does not tell its version.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};

use crate::file::{File, file};

static HTML: File = file!("index.html", "text/html; charset=utf-8");

/// Each form is told by a tag of its own (RFC 9110, section 8.8.3).
const TAG: &str = concat!("\"", env!("INDEX_HTML"), "\"");
const TAG_GZIPPED: &str = concat!("\"", env!("INDEX_HTML"), "-gzip\"");

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HEADERS: [(HeaderName, &str); 4] = [
    (header::CACHE_CONTROL, "no-cache"),
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

/// The page, or that it has not changed since.
pub(crate) fn answer(request: &HeaderMap) -> Response<Bytes> {
    let mut response = HTML.response(request);
    let headers = response.headers_mut();
    let is_gzipped = headers.contains_key(header::CONTENT_ENCODING);
    let tag = if is_gzipped { TAG_GZIPPED } else { TAG };
    headers.insert(header::ETAG, HeaderValue::from_static(tag));
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if knows(request, tag) {
        headers.remove(header::CONTENT_TYPE);
        headers.remove(header::CONTENT_ENCODING);
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        *response.body_mut() = Bytes::new();
    }
    response
}

/// Whether the client has what this tag is of (RFC 9110, section 13.1.2). A proxy that compresses makes tags weak.
fn knows(request: &HeaderMap, tag: &str) -> bool {
    let is_it = |known: &str| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag;
    let lines = request.get_all(header::IF_NONE_MATCH).iter().flat_map(|line| line.to_str());
    lines.flat_map(|line| line.split(',')).any(|known| is_it(known.trim()))
}
