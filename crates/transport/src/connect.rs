//! The extended `CONNECT` of HTTP/2 and HTTP/3 (RFC 8441, RFC 9220), which replaces `Upgrade`.

use http::request::Parts;
use http::{Extensions, Method};

/// The pseudo-header `:protocol` of an extended `CONNECT`.
///
/// The HTTP server adds it to the extensions of the request, so that transports need no particular HTTP library. A
/// [`Server`](https://docs.rs/tidings-server) does that. For the extension of hyper, `hyper::ext::Protocol`, enable the
/// feature `http2`. Without the feature, the application must add a `ConnectProtocol` to each request that has one.
///
/// ```
/// use http::{Method, Request};
/// use tidings_transport::{ConnectProtocol, connects_to};
///
/// let mut request = Request::builder().method(Method::CONNECT).uri("https://hub.example/topics/t").body(())?;
/// request.extensions_mut().insert(ConnectProtocol::new("websocket"));
/// assert!(connects_to(&request.into_parts().0, "websocket"));
/// # Ok::<(), http::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectProtocol(Box<str>);

impl ConnectProtocol {
    /// Creates a protocol with this name.
    pub fn new(name: impl Into<Box<str>>) -> Self {
        Self(name.into())
    }
}

/// Returns `true` if the request is an extended `CONNECT` to this protocol.
pub fn connects_to(request: &Parts, protocol: &str) -> bool {
    request.method == Method::CONNECT
        && protocol_of(&request.extensions).is_some_and(|name| name.eq_ignore_ascii_case(protocol))
}

/// Returns `true` if the request is an extended `CONNECT`. Unlike a plain `CONNECT`, it has a path.
pub fn is_extended_connect(request: &Parts) -> bool {
    request.method == Method::CONNECT && protocol_of(&request.extensions).is_some()
}

/// Returns the `:protocol` of a request with these extensions.
pub(crate) fn protocol_of(extensions: &Extensions) -> Option<&str> {
    let protocol = extensions.get().map(|ConnectProtocol(name)| &**name);
    #[cfg(feature = "http2")]
    let protocol = protocol.or_else(|| extensions.get().map(hyper::ext::Protocol::as_str));
    protocol
}
