//! The client's side of the opening handshake (RFC 6455, section 4.1).

use http::{HeaderMap, HeaderName, HeaderValue, header};
use tidings_transport::client::{ClientError, Http, Stream, Target, request, url_after};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::{client::generate_key, derive_accept_key};
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use super::{MAX_MESSAGE, protocol};
use crate::SUBPROTOCOL;

/// Connects and sends the handshake. It uses the HTTP client of the other transports, so that errors are the same for
/// all transports. Fails as [`Http::upgrade`] does, and with [`ClientError::Protocol`] if the response does not match
/// the request.
pub(super) async fn shake(
    target: &Target,
    is_bare: bool,
) -> Result<WebSocketStream<Stream>, ClientError> {
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
    let upgraded = Http::upgrade(target, request).await?;
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

/// Checks the head of the `101`. Fails with [`ClientError::Protocol`] if the server did not agree to the upgrade, or
/// agreed to something that the client did not request.
fn verify(headers: &HeaderMap, key: &str, is_bare: bool) -> Result<(), ClientError> {
    let is = |name: HeaderName, expected: &str| {
        let values = headers.get_all(name);
        let mut tokens =
            values.iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
        tokens.any(|token| token.trim_ascii().eq_ignore_ascii_case(expected.as_bytes()))
    };
    let accept = headers.get(header::SEC_WEBSOCKET_ACCEPT);
    let problem = if !is(header::UPGRADE, "websocket") || !is(header::CONNECTION, "upgrade") {
        "the 101 is not an upgrade to WebSocket"
    } else if accept.is_none_or(|accept| accept != derive_accept_key(key.as_bytes()).as_str()) {
        "Sec-WebSocket-Accept does not match the key, is there a cache in between?"
    } else if headers.contains_key(header::SEC_WEBSOCKET_EXTENSIONS) {
        "the server chose an extension that was not offered"
    } else if is_bare && headers.contains_key(header::SEC_WEBSOCKET_PROTOCOL) {
        "the server chose a subprotocol that was not offered"
    } else if !is_bare && !is(header::SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL) {
        "the server did not choose tidings.v1, use `bare` if it is not a tidings server"
    } else {
        return Ok(());
    };
    Err(protocol(problem.to_owned()))
}

#[cfg(test)]
mod tests {
    use crate::WebSocketClient;
    use crate::client::tests::{V1, serve, server};
    use tidings_transport::client::Client;

    #[tokio::test]
    async fn a_rejected_or_wrong_handshake_is_an_error_with_the_reason() {
        let (target, _) = serve(|_| {
            vec![
                b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 31\r\n\r\n".to_vec(),
                br#"{"error":{"message":"no room"}}"#.to_vec(),
            ]
        })
        .await;
        let error = WebSocketClient::default().connect(target).await.err().unwrap();
        assert!(error.to_string().contains("no room"), "{error}");

        for (header, client, words) in [
            ("", WebSocketClient::default(), "did not choose tidings.v1"),
            (V1, WebSocketClient { bare: true }, "not offered"),
            ("Sec-WebSocket-Extensions: x\r\n", WebSocketClient { bare: true }, "extension"),
        ] {
            let (target, _) = server(header, vec![]).await;
            let error = client.connect(target).await.err().unwrap();
            assert!(error.to_string().contains(words), "{error}");
        }
        const WRONG_KEY: &[u8] =
            b"HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                                   Sec-WebSocket-Accept: x\r\n\r\n";
        let (target, _) = serve(|_| vec![WRONG_KEY.to_vec()]).await;
        let error = WebSocketClient::default().connect(target).await.err().unwrap();
        assert!(error.to_string().contains("does not match the key"), "{error}");
    }
}
