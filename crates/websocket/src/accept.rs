//! The server's side of the opening handshake: an upgrade over HTTP/1.1 (RFC 6455, section 4.2), or an extended
//! `CONNECT` over HTTP/2 (RFC 8441, section 5).

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use tidings_transport::{
    Accepted, Encoder, Rejection, Shape, SubscribeRequest, Transport, connects_to, lists,
};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::encoder::{Bare, Enveloped};
use crate::extension::{self, Agreement};

/// The subprotocol with JSON frames that have ids, gaps and heartbeats.
pub const SUBPROTOCOL: &str = "tidings.v1";

/// The server half of the WebSocket transport.
///
/// A client that sends nothing has no buffer. While a client sends a message, its buffer is bounded by
/// [`WebSocketConfig`].
///
/// ```
/// use tidings_transport::{SubscribeRequest, Transport};
/// use tidings_websocket::WebSocket;
///
/// let request = http::Request::get("/topics/t")
///     .header("connection", "Upgrade")
///     .header("upgrade", "websocket")
///     .header("sec-websocket-version", "13")
///     .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
///     .body(())?
///     .into_parts()
///     .0;
/// let subscribe = SubscribeRequest::read("t", &request).expect("well-formed");
/// let accepted = WebSocket::default().accept(&request, &subscribe).expect("a handshake");
/// let response = accepted.response(());
/// assert_eq!(response.headers()["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
/// # Ok::<(), http::Error>(())
/// ```
#[derive(Debug)]
pub struct WebSocket {
    bare: Format,
    enveloped: Format,
}

/// What the server can respond to the clients with the same subprotocol.
#[derive(Debug)]
struct Format {
    plain: Terms,
    /// One for each of [`Agreement::ALL`].
    compressed: [Terms; Agreement::ALL.len()],
}

/// The part of the handshake and the encoder that all clients with the same subprotocol and extension share.
#[derive(Debug)]
struct Terms {
    /// The head of the response to an upgrade.
    head: Arc<Response<()>>,
    /// The head of the response to an extended `CONNECT`.
    connect_head: Arc<Response<()>>,
    encoder: Arc<dyn Encoder>,
}

/// The limits for the messages of clients. A client that exceeds one is disconnected with the close code 1009.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct WebSocketConfig {
    /// The largest message from a client, in bytes. All frames of the message count. If it is compressed, its bytes
    /// after decompression count. Default 1 MiB.
    pub max_message: usize,
    /// The largest payload of one frame from a client, in bytes. A frame of a compressed message may have a seventh and
    /// 1 KiB more, because bytes that cannot be compressed become longer. Default 1 MiB.
    pub max_frame: usize,
}

impl Default for WebSocketConfig {
    fn default() -> Self {
        Self { max_message: 1 << 20, max_frame: 1 << 20 }
    }
}

impl WebSocketConfig {
    /// Changes the largest message from a client, in bytes.
    pub fn max_message(self, bytes: usize) -> Self {
        Self { max_message: bytes, ..self }
    }

    /// Changes the largest payload of one frame from a client, in bytes.
    pub fn max_frame(self, bytes: usize) -> Self {
        Self { max_frame: bytes, ..self }
    }
}

impl Default for WebSocket {
    fn default() -> Self {
        Self::new(WebSocketConfig::default())
    }
}

impl WebSocket {
    /// Creates the transport with this configuration.
    pub fn new(config: WebSocketConfig) -> Self {
        let WebSocketConfig { max_message, max_frame } = config;
        Self {
            bare: Format::new(None, |deflates| Arc::new(Bare { max_message, max_frame, deflates })),
            enveloped: Format::new(Some(SUBPROTOCOL), |deflates| {
                Arc::new(Enveloped { max_message, max_frame, deflates })
            }),
        }
    }
}

impl Format {
    fn new(subprotocol: Option<&'static str>, encoder: impl Fn(bool) -> Arc<dyn Encoder>) -> Self {
        // The clients with any agreement are one group, so they share the encoder.
        let (plain, deflating) = (encoder(false), encoder(true));
        Self {
            plain: Terms::new(subprotocol, None, plain),
            compressed: Agreement::ALL
                .map(|agreement| Terms::new(subprotocol, Some(agreement), deflating.clone())),
        }
    }

    fn terms(&self, agreement: Option<Agreement>) -> &Terms {
        agreement.map_or(&self.plain, |agreement| &self.compressed[agreement as usize])
    }
}

impl Terms {
    fn new(
        subprotocol: Option<&'static str>,
        agreement: Option<Agreement>,
        encoder: Arc<dyn Encoder>,
    ) -> Self {
        let mut connect_head = Response::new(());
        if let Some(subprotocol) = subprotocol {
            let subprotocol = HeaderValue::from_static(subprotocol);
            connect_head.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, subprotocol);
        }
        if let Some(agreement) = agreement {
            let extension = HeaderValue::from_static(agreement.response());
            connect_head.headers_mut().insert(header::SEC_WEBSOCKET_EXTENSIONS, extension);
        }
        let mut head = connect_head.clone();
        *head.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        head.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        head.headers_mut().insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        Self { head: Arc::new(head), connect_head: Arc::new(connect_head), encoder }
    }
}

impl Transport for WebSocket {
    fn name(&self) -> &'static str {
        "websocket"
    }

    fn claims(&self, request: &Parts) -> bool {
        lists(request, header::UPGRADE, "websocket") || connects_to(request, "websocket")
    }

    fn accept(&self, request: &Parts, subscribe: &SubscribeRequest) -> Result<Accepted, Rejection> {
        // Over HTTP/2 there is no key (RFC 8441, section 5).
        let (is_connect, header) = if connects_to(request, "websocket") {
            check_connect(request)?;
            (true, None)
        } else {
            let key = check_upgrade(request)?;
            let accept = HeaderValue::try_from(derive_accept_key(key.as_bytes()))
                .map_err(|_| bad_handshake("invalid Sec-WebSocket-Key"))?;
            (false, Some((header::SEC_WEBSOCKET_ACCEPT, accept)))
        };
        // If the server supports none of the offered subprotocols, it continues without one (section 4.2.2).
        let is_offered = lists(request, header::SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL);
        let format = if is_offered { &self.enveloped } else { &self.bare };
        let agreement =
            if subscribe.may_compress { extension::negotiate(&request.headers) } else { None };
        let terms = format.terms(agreement);
        let head = if is_connect { &terms.connect_head } else { &terms.head };
        Ok(Accepted {
            head: head.clone(),
            header,
            encoder: terms.encoder.clone(),
            shape: Shape::Upgrade,
        })
    }
}

/// Checks an upgrade by RFC 6455, section 4.2.1, and returns its `Sec-WebSocket-Key`. Fails with a `426` if the request
/// is not an upgrade to WebSocket, or to another version of it, and with a `400` if it is malformed otherwise.
fn check_upgrade(request: &Parts) -> Result<&str, Rejection> {
    let headers = &request.headers;
    if request.version == http::Version::HTTP_2 {
        let message = "over HTTP/2, a WebSocket is a CONNECT with :protocol websocket (RFC 8441)";
        return Err(bad_handshake(message));
    }
    if !lists(request, header::UPGRADE, "websocket")
        || !lists(request, header::CONNECTION, "Upgrade")
    {
        let message = "this is a WebSocket: send Connection: Upgrade and Upgrade: websocket";
        return Err(upgrade_required("upgrade_required", message));
    }
    if request.method != Method::GET || request.version != http::Version::HTTP_11 {
        return Err(bad_handshake("a WebSocket handshake must be a GET over HTTP/1.1"));
    }
    check_body(headers)?;
    if !is_version_13(headers) {
        let rejection = upgrade_required("bad_version", BAD_VERSION);
        return Err(rejection.with(header::SEC_WEBSOCKET_VERSION, 13));
    }
    let key = headers.get(header::SEC_WEBSOCKET_KEY).and_then(|key| key.to_str().ok());
    let is_nonce = |key: &&str| {
        let mut nonce = [0; 18];
        STANDARD.decode_slice(key, &mut nonce).is_ok_and(|length| length == 16)
    };
    key.filter(is_nonce)
        .ok_or_else(|| bad_handshake("Sec-WebSocket-Key must be 16 bytes in base64"))
}

/// Checks an extended `CONNECT` (RFC 8441, section 5). Fails with a `400` if it is for another version, or has a body.
fn check_connect(request: &Parts) -> Result<(), Rejection> {
    check_body(&request.headers)?;
    if is_version_13(&request.headers) {
        return Ok(());
    }
    // Not a `426`, because HTTP/2 has no Upgrade.
    let rejection = Rejection::bad_request("bad_version", BAD_VERSION);
    Err(rejection.with(header::SEC_WEBSOCKET_VERSION, 13))
}

/// Fails with a `400` if a handshake has a body. The bytes after its head are parsed as frames, so a body would be
/// taken for frames.
fn check_body(headers: &HeaderMap) -> Result<(), Rejection> {
    let length = headers.get(header::CONTENT_LENGTH);
    if length.is_some_and(|length| length != "0") || headers.contains_key(header::TRANSFER_ENCODING)
    {
        return Err(bad_handshake("a WebSocket handshake must not have a body"));
    }
    Ok(())
}

fn is_version_13(headers: &HeaderMap) -> bool {
    headers.get(header::SEC_WEBSOCKET_VERSION).is_some_and(|version| version == "13")
}

const BAD_VERSION: &str = "Sec-WebSocket-Version must be 13";

/// A `426`, which must name the protocol to upgrade to (RFC 9110, sections 7.8 and 15.5.22).
fn upgrade_required(code: &'static str, message: &str) -> Rejection {
    Rejection::new(StatusCode::UPGRADE_REQUIRED, code, message)
        .with(header::CONNECTION, HeaderValue::from_static("Upgrade"))
        .with(header::UPGRADE, HeaderValue::from_static("websocket"))
}

fn bad_handshake(message: &str) -> Rejection {
    Rejection::bad_request("bad_handshake", message)
}

#[cfg(test)]
mod tests;
