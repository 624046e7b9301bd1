//! CORS: the headers that let pages of other origins read a response (the Fetch standard, section 3.3).
//!
//! A page of a [listed](Origins::Listed) origin may also read the response to a request with cookies. With
//! [`Origins::Any`] and [`Origins::Custom`] it may not, because any page could then read what its user has access to.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, header};
use tidings_transport::{ListenerKind, Origins};

use crate::config::Config;

/// The value of `Access-Control-Allow-Origin`, `None` unless the request is from a page of another origin that may read
/// the response.
pub(crate) fn reader(
    request: &Parts,
    listener: ListenerKind,
    config: &Config,
) -> Option<HeaderValue> {
    let origin = request.headers.get(header::ORIGIN)?;
    if Origins::Same.allow(request, listener) || !config.origins.allow(request, listener) {
        return None;
    }
    // The origin of a sandboxed page is `null`, and any page can create one.
    match &config.origins {
        Origins::Listed(_) if origin != "null" => {
            // In lower case, as browsers send it, so that one origin has one head.
            HeaderValue::try_from(origin.to_str().ok()?.to_ascii_lowercase()).ok()
        }
        _ => Some(EVERYONE),
    }
}

const EVERYONE: HeaderValue = HeaderValue::from_static("*");

/// Whether the request is a preflight, which a browser sends before the request of a page of another origin, and that
/// page may read the response.
pub(crate) fn is_preflight(request: &Parts, listener: ListenerKind, config: &Config) -> bool {
    request.method == Method::OPTIONS
        && request.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
        && reader(request, listener, config).is_some()
}

/// The response to a preflight, valid for a day. It allows every requested header, because pages send headers that no
/// server can list in advance, such as the `traceparent` of a tracing library.
pub(crate) fn allow_preflight(request: &Parts) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST"));
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    for requested in request.headers.get_all(header::ACCESS_CONTROL_REQUEST_HEADERS) {
        headers.append(header::ACCESS_CONTROL_ALLOW_HEADERS, requested.clone());
    }
    response
}

/// Adds the headers that let pages of this origin read the response.
pub(crate) fn open(headers: &mut HeaderMap, origin: HeaderValue) {
    if origin != EVERYONE {
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    let readable = HeaderValue::from_static("retry-after");
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, readable);
    headers.append(header::VARY, HeaderValue::from_static("origin"));
}

/// The heads of transports with the CORS headers, one for each head and origin. Clients are sent the same bytes only if
/// they share a head.
#[derive(Clone, Debug, Default)]
pub(crate) struct OpenHeads(Arc<Mutex<Vec<OpenHead>>>);

#[derive(Debug)]
struct OpenHead {
    plain: Arc<Response<()>>,
    origin: HeaderValue,
    open: Arc<Response<()>>,
}

/// The most heads that are kept, which is enough for three transports and twenty origins. Clients with other heads are
/// served as well, but do not share their bytes.
const MOST_HEADS: usize = 64;

impl OpenHeads {
    /// The head `plain` with the headers for pages of this origin.
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
