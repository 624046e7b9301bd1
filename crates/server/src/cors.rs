//! Pages of other origins: which of them may read what the hub answers (the Fetch standard, section 3.3).
//!
//! A page of a listed origin may read what is answered to a request with cookies. If the origin is not listed, as
//! with [`Origins::Any`] and [`Origins::Custom`], it may not: what the cookies of its user open would be open to it.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, header};
use tidings_transport::Origins;

use crate::config::Config;

/// Returns the value of `Access-Control-Allow-Origin`, or `None` if no page of another origin asks, or it may not read
/// the answer.
pub(crate) fn reader(request: &Parts, config: &Config) -> Option<HeaderValue> {
    let origin = request.headers.get(header::ORIGIN)?;
    if Origins::Same.allow(request) || !config.origins.allow(request) {
        return None;
    }
    // A page in a sandbox has the origin `null`, and any page can make one.
    match &config.origins {
        Origins::Listed(_) if origin != "null" => {
            // One spelling for each: browsers send lower case, and so do equal heads stay equal.
            HeaderValue::try_from(origin.to_str().ok()?.to_ascii_lowercase()).ok()
        }
        _ => Some(EVERYONE),
    }
}

const EVERYONE: HeaderValue = HeaderValue::from_static("*");

/// Whether a browser asks what such a page may send, before it sends it: a preflight.
pub(crate) fn asks_first(request: &Parts, config: &Config) -> bool {
    request.method == Method::OPTIONS
        && request.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
        && reader(request, config).is_some()
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

/// Lets pages of this origin read the answer with these headers.
pub(crate) fn open(headers: &mut HeaderMap, origin: HeaderValue) {
    if origin != EVERYONE {
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    let readable = HeaderValue::from_static("retry-after");
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, readable);
    headers.append(header::VARY, HeaderValue::from_static("origin"));
}

/// A transport has one head for everyone, by which lanes know clients that can be sent the same bytes. These
/// are the heads for pages of other origins, one for each of those and each origin.
#[derive(Clone, Debug, Default)]
pub(crate) struct OpenHeads(Arc<Mutex<Vec<OpenHead>>>);

#[derive(Debug)]
struct OpenHead {
    plain: Arc<Response<()>>,
    origin: HeaderValue,
    open: Arc<Response<()>>,
}

/// Enough for three transports and twenty origins. A transport that makes a head for each client would fill any
/// number. Without one of these a client is sent its own bytes, and nothing else changes.
const MOST_HEADS: usize = 64;

impl OpenHeads {
    /// This head, opened for pages of this origin.
    pub(crate) fn of(&self, plain: &Arc<Response<()>>, origin: HeaderValue) -> Arc<Response<()>> {
        let mut heads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_same = |head: &&OpenHead| Arc::ptr_eq(&head.plain, plain) && head.origin == origin;
        if let Some(head) = heads.iter().find(is_same) {
            return head.open.clone();
        }
        let mut opened = Response::clone(plain);
        open(opened.headers_mut(), origin.clone());
        let opened = Arc::new(opened);
        if heads.len() < MOST_HEADS {
            heads.push(OpenHead { plain: plain.clone(), origin, open: opened.clone() });
        }
        opened
    }
}
