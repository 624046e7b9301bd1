//! Pages of other origins: which of them may read what the hub answers (the Fetch standard, section 3.3).
//!
//! The origin policy says who, request by request, so those who may are told `*`. With that a browser
//! sends no cookies along, and none are asked for: a token is a header.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, header};
use tidings_transport::Origins;

use crate::config::Config;

/// Whether a page of another origin asks, and may read the answer.
pub(crate) fn is_allowed(request: &Parts, config: &Config) -> bool {
    request.headers.contains_key(header::ORIGIN)
        && !Origins::Same.allow(request)
        && config.origins.allow(request)
}

/// Whether a browser asks what such a page may send, before it sends it: a preflight.
pub(crate) fn asks_first(request: &Parts, config: &Config) -> bool {
    request.method == Method::OPTIONS
        && request.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
        && is_allowed(request, config)
}

/// Returns the answer to a preflight, good for a day. It allows every header that is asked for: pages send
/// some that no server lists in advance, such as the `traceparent` of a tracing library.
pub(crate) fn may_send(request: &Parts) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST"));
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    for asked in request.headers.get_all(header::ACCESS_CONTROL_REQUEST_HEADERS) {
        headers.append(header::ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
    }
    response
}

/// Lets the page that asked read the answer with these headers.
pub(crate) fn open(headers: &mut HeaderMap) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    let readable = HeaderValue::from_static("retry-after");
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, readable);
    headers.append(header::VARY, HeaderValue::from_static("origin"));
}

/// A transport has one head for everyone, by which lanes know clients that can be sent the same bytes. These
/// are the heads for pages of other origins, one for each of those.
#[derive(Clone, Debug, Default)]
pub(crate) struct OpenHeads(Arc<Mutex<Vec<OpenHead>>>);

#[derive(Debug)]
struct OpenHead {
    plain: Arc<Response<()>>,
    open: Arc<Response<()>>,
}

/// More than there are transports. One that makes a head for each client would fill any number.
const MOST_HEADS: usize = 16;

impl OpenHeads {
    /// This head, opened.
    pub(crate) fn of(&self, plain: &Arc<Response<()>>) -> Arc<Response<()>> {
        let mut heads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(head) = heads.iter().find(|head| Arc::ptr_eq(&head.plain, plain)) {
            return head.open.clone();
        }
        let mut opened = Response::clone(plain);
        open(opened.headers_mut());
        let opened = Arc::new(opened);
        if heads.len() < MOST_HEADS {
            heads.push(OpenHead { plain: plain.clone(), open: opened.clone() });
        }
        opened
    }
}
