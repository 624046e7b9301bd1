//! The client half.

use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt, SinkExt, StreamExt};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use serde::Deserialize;
use tidings_core::{Gap, Id, Kind};
use tidings_transport::client::{
    Arrival, Arrivals, Client, ClientError, Goodbye, Http, Metered, Notice, Received, Target,
    request, url_after,
};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::{client::generate_key, derive_accept_key};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message, error::ProtocolError};

/// The subprotocol in which every frame is a JSON text.
const SUBPROTOCOL: &str = "tidings.v1";
/// The longest message that is taken.
const MAX_MESSAGE: usize = 16 * 1024 * 1024;
/// How long the hub is given to close the connection behind its close frame (RFC 6455, section 7.1.1).
const CLOSE_PATIENCE: Duration = Duration::from_secs(1);

/// Subscribes by WebSocket (RFC 6455).
#[derive(Clone, Copy, Debug, Default)]
pub struct WebSocketClient {
    /// Speak no subprotocol, as `new WebSocket(url)` does: each frame is a bare payload, so that neither
    /// ids, topics and gaps nor a position to come back with arrive. The default is `tidings.v1`, which
    /// has them all.
    pub bare: bool,
}

impl Client for WebSocketClient {
    fn transport(&self) -> &'static str {
        "websocket"
    }

    fn connect(&self, target: Target) -> BoxFuture<'static, Result<Arrivals, ClientError>> {
        connect(target, self.bare).boxed()
    }
}

async fn connect(target: Target, is_bare: bool) -> Result<Arrivals, ClientError> {
    let mut socket = handshake(&target, is_bare).await?;
    let arrivals = async_stream::try_stream! {
        while let Some(message) = socket.next().await {
            let arrival = match message.map_err(|error| broken(&error))? {
                Message::Text(text) if is_bare => received(Kind::Text, text.into()),
                Message::Text(text) => envelope(&text)?,
                Message::Binary(payload) if is_bare => received(Kind::Binary, payload),
                Message::Binary(_) => {
                    Err(protocol("a binary frame, and tidings.v1 has only text".to_owned()))?
                }
                Message::Ping(_) => {
                    // The pong is queued, and this client has nothing of its own to send behind it.
                    socket.flush().await.map_err(|error| broken(&error))?;
                    Arrival::Heartbeat(None)
                }
                Message::Close(frame) => {
                    // The answer is queued too. A hub that has already hung up needs none.
                    let _ = socket.flush().await;
                    let (code, reason) = match frame {
                        Some(frame) => (Some(frame.code.into()), frame.reason.to_string()),
                        None => (None, String::new()),
                    };
                    yield Arrival::Goodbye(Goodbye { code, reason });
                    let _ = tokio::time::timeout(CLOSE_PATIENCE, socket.next()).await;
                    return;
                }
                Message::Pong(_) | Message::Frame(_) => continue,
            };
            yield arrival;
        }
    };
    Ok(arrivals.boxed())
}

/// The opening handshake (RFC 6455, section 4.1), over the HTTP client that the other transports use, so
/// that a refusal reads the same on each of them.
async fn handshake(
    target: &Target,
    is_bare: bool,
) -> Result<WebSocketStream<Metered<TcpStream>>, ClientError> {
    let http = Http::connect(target).await?;
    let mut request = request(&url_after(&target.url, target.position))?;
    let key = generate_key();
    let headers = request.headers_mut();
    let mut add = |name: HeaderName, value: &str| {
        headers.extend(HeaderValue::try_from(value).ok().map(|value| (name, value)));
    };
    add(header::CONNECTION, "Upgrade");
    add(header::UPGRADE, "websocket");
    add(header::SEC_WEBSOCKET_VERSION, "13");
    add(header::SEC_WEBSOCKET_KEY, &key);
    if !is_bare {
        add(header::SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL);
    }
    let upgraded = http.upgrade(request).await?;
    verify(upgraded.head.headers(), &key, is_bare)?;
    let config = WebSocketConfig::default()
        .read_buffer_size(4 * 1024)
        .write_buffer_size(0)
        .max_write_buffer_size(64 * 1024)
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE));
    let read = upgraded.read.to_vec();
    let socket =
        WebSocketStream::from_partially_read(upgraded.stream, read, Role::Client, Some(config));
    Ok(socket.await)
}

/// Whether the hub agreed to what was asked for, and to nothing else.
fn verify(headers: &HeaderMap, key: &str, is_bare: bool) -> Result<(), ClientError> {
    let is = |name: HeaderName, expected: &str| {
        let values = headers.get_all(name);
        let mut tokens =
            values.iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
        tokens.any(|token| token.trim_ascii().eq_ignore_ascii_case(expected.as_bytes()))
    };
    let accept = headers.get(header::SEC_WEBSOCKET_ACCEPT);
    let problem = if !is(header::UPGRADE, "websocket") || !is(header::CONNECTION, "upgrade") {
        "its 101 is an upgrade to something else"
    } else if accept.is_none_or(|accept| accept != derive_accept_key(key.as_bytes()).as_str()) {
        "Sec-WebSocket-Accept does not fit the key; is there a cache in between?"
    } else if headers.contains_key(header::SEC_WEBSOCKET_EXTENSIONS) {
        "it chose an extension that was not offered"
    } else if is_bare && headers.contains_key(header::SEC_WEBSOCKET_PROTOCOL) {
        "it chose a subprotocol that was not offered"
    } else if !is_bare && !is(header::SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL) {
        "it did not choose tidings.v1; connect `bare` to a server that is no tidings hub"
    } else {
        return Ok(());
    };
    Err(protocol(problem.to_owned()))
}

/// A frame of `tidings.v1`: a notification, a gap, or a ping that may tell the position.
#[derive(Deserialize)]
struct Frame {
    id: Option<Id>,
    topic: Option<String>,
    data: Option<String>,
    data_base64: Option<String>,
    gap: Option<Gap>,
    ping: Option<u64>,
}

fn envelope(text: &str) -> Result<Arrival, ClientError> {
    let frame = serde_json::from_str(text).map_err(|error| protocol(error.to_string()))?;
    Ok(match frame {
        Frame { gap: Some(gap), .. } => Arrival::Gap(gap),
        Frame { ping: Some(_), id, .. } => Arrival::Heartbeat(id),
        Frame { id: Some(id), topic: Some(topic), data, data_base64, .. } => {
            let notice = Notice { id, topic, data, data_base64 };
            Arrival::Notification(notice.received().map_err(protocol)?)
        }
        Frame { .. } => {
            Err(protocol("a frame that is neither notification, gap nor ping".to_owned()))?
        }
    })
}

fn received(kind: Kind, payload: Bytes) -> Arrival {
    Arrival::Notification(Received { id: None, topic: None, kind, payload })
}

fn protocol(problem: String) -> ClientError {
    ClientError::Protocol { transport: "WebSocket", problem }
}

fn broken(error: &Error) -> ClientError {
    match error {
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {
            ClientError::Broken("it ended without a close frame".to_owned())
        }
        Error::Protocol(_) | Error::Capacity(_) | Error::Utf8(_) => protocol(error.to_string()),
        _ => ClientError::broken(error),
    }
}
