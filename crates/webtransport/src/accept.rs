//! The request of a session (draft-ietf-webtrans-http3, section 3.2).

use std::sync::Arc;

use http::request::Parts;
use http::{Method, Response, Version};
use tidings_transport::{Accepted, Encoder, Rejection, Shape, SubscribeRequest, Transport};

use crate::encoder::Lines;

/// The name of the transport.
pub const NAME: &str = "webtransport";

/// The server half of the WebTransport transport.
///
/// It accepts only requests that an HTTP/3 server has received as an extended `CONNECT` (RFC 9220). The server must
/// pass them with the method `CONNECT`, the version HTTP/3 and an absolute URI.
///
/// ```
/// use tidings_transport::{SubscribeRequest, Transport};
/// use tidings_webtransport::WebTransport;
///
/// let request = http::Request::connect("https://hub.example/topics/t")
///     .version(http::Version::HTTP_3)
///     .body(())?
///     .into_parts()
///     .0;
/// let subscribe = SubscribeRequest::read("t", &request).expect("well-formed");
/// assert_eq!(WebTransport::default().accept(&request, &subscribe).expect("a session").response(()).status(), 200);
/// # Ok::<(), http::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct WebTransport {
    head: Arc<Response<()>>,
    encoder: Arc<dyn Encoder>,
}

/// The limits for the messages of clients.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct WebTransportConfig {
    /// The largest message from a client, in bytes. A client that sends a larger one is disconnected with the code 1009.
    /// Default 1 MiB.
    pub max_message: usize,
}

impl Default for WebTransportConfig {
    fn default() -> Self {
        Self { max_message: 1 << 20 }
    }
}

impl WebTransportConfig {
    /// Changes the largest message from a client, in bytes.
    pub fn max_message(self, bytes: usize) -> Self {
        Self { max_message: bytes }
    }
}

impl Default for WebTransport {
    fn default() -> Self {
        Self::new(WebTransportConfig::default())
    }
}

impl WebTransport {
    /// Creates the transport with this configuration.
    pub fn new(config: WebTransportConfig) -> Self {
        let WebTransportConfig { max_message } = config;
        Self { head: Arc::default(), encoder: Arc::new(Lines { max_message }) }
    }
}

impl Transport for WebTransport {
    fn name(&self) -> &'static str {
        NAME
    }

    fn claims(&self, request: &Parts) -> bool {
        request.method == Method::CONNECT && request.version == Version::HTTP_3
    }

    fn accept(&self, request: &Parts, _: &SubscribeRequest) -> Result<Accepted, Rejection> {
        if !self.claims(request) {
            let message =
                "WebTransport is a session over HTTP/3: connect with new WebTransport(url)";
            return Err(Rejection::bad_request("bad_handshake", message));
        }
        let (head, encoder) = (self.head.clone(), self.encoder.clone());
        Ok(Accepted { head, header: None, encoder, shape: Shape::Upgrade })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_is_not_a_session_is_rejected_with_the_way_to_connect() {
        let get = http::Request::get("/topics/t?transport=webtransport").body(()).unwrap();
        let request = get.into_parts().0;
        let transport = WebTransport::default();
        assert!(!transport.claims(&request));
        let subscribe = SubscribeRequest::read("t", &request).unwrap();
        let rejection = transport.accept(&request, &subscribe).unwrap_err();
        assert_eq!((rejection.status.as_u16(), rejection.code), (400, "bad_handshake"));
        assert!(rejection.message.contains("new WebTransport"), "{}", rejection.message);
    }
}
