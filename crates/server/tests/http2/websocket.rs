//! WebSocket over HTTP/2 (RFC 8441). The client is the HTTP/2 client of hyper, with `tokio-tungstenite` over its stream.

use std::net::SocketAddr;

use futures::{SinkExt, StreamExt};
use http::{Method, Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::ext::Protocol;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tidings_core::HubConfig;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::support::{
    PATIENCE, Running, Sender, connect, empty, eventually, every_mover_without_broker,
};

pub(super) type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// Sends an extended `CONNECT` with these headers.
pub(super) async fn handshake(
    address: SocketAddr,
    sender: &Sender,
    protocol: &'static str,
    path: &str,
    headers: &[(&str, &str)],
) -> Response<Incoming> {
    let uri = format!("http://{address}{path}");
    let mut request = Request::builder().method(Method::CONNECT).uri(uri);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.extension(Protocol::from_static(protocol)).body(empty()).unwrap();
    timeout(PATIENCE, sender.clone().send_request(request)).await.unwrap().unwrap()
}

pub(super) const VERSION: (&str, &str) = ("sec-websocket-version", "13");

/// Opens a WebSocket at `/topics/TOPIC`.
pub(super) async fn open(address: SocketAddr, sender: &Sender, topic: &str) -> Socket {
    let path = format!("/topics/{topic}");
    let response = handshake(address, sender, "websocket", &path, &[VERSION]).await;
    assert_eq!(response.status(), 200);
    let upgraded = timeout(PATIENCE, hyper::upgrade::on(response)).await.unwrap().unwrap();
    WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Client, None).await
}

pub(super) async fn message(socket: &mut Socket) -> Message {
    timeout(PATIENCE, socket.next()).await.expect("nothing arrived").expect("it ended").unwrap()
}

#[test]
fn sockets_of_one_connection_send_receive_and_close_independently() {
    every_mover_without_broker(async |mover| {
        let hub = mover.hub().await;
        let sender = connect(hub.address).await;
        let mut one = open(hub.address, &sender, "room").await;
        let mut two = open(hub.address, &sender, "room").await;
        let large = "x".repeat(1 << 20);
        for text in ["hello", &large] {
            one.send(Message::text(text)).await.unwrap();
            assert_eq!(message(&mut one).await.into_text().unwrap(), text);
            assert_eq!(message(&mut two).await.into_text().unwrap(), text);
        }
        one.send(Message::Ping("?".into())).await.unwrap();
        assert_eq!(message(&mut one).await, Message::Pong("?".into()));
        one.close(None).await.unwrap();
        assert!(matches!(message(&mut one).await, Message::Close(_)));
        assert!(timeout(PATIENCE, one.next()).await.unwrap().is_none());
        eventually("its seat is free", async || hub.hub.pool().len() == 1).await;
        hub.publish("room", "later").await;
        assert_eq!(message(&mut two).await.into_text().unwrap(), "later");
        // A stream that is dropped is reset.
        drop(two);
        eventually("the other seat is free", async || hub.hub.pool().is_empty()).await;
        hub.stop().await;
    });
}

#[test]
fn a_socket_gets_its_goodbye_at_the_shutdown() {
    every_mover_without_broker(async |mover| {
        let mut hub = mover.hub().await;
        let sender = connect(hub.address).await;
        let mut socket = open(hub.address, &sender, "room").await;
        hub.ask_to_stop();
        match message(&mut socket).await {
            Message::Close(Some(frame)) => assert_eq!(u16::from(frame.code), 1001),
            other => panic!("{other:?}"),
        }
        hub.ended().await;
    });
}

#[test]
fn a_handshake_is_checked_as_over_http1() {
    every_mover_without_broker(async |mover| {
        let mut config = mover.config(HubConfig::default()).await;
        config.max_streams = 20;
        let hub = Running::start(config).await;
        let sender = connect(hub.address).await;
        let foreign = ("origin", "http://evil.example");
        for (protocol, path, headers, status, code) in [
            ("websocket", "/topics/t", &[][..], 400, "bad_version"),
            ("websocket", "/topics/t", &[VERSION, foreign], 403, "origin_not_allowed"),
            ("websocket", "/topics/a..b", &[VERSION], 400, "bad_topic"),
            ("websocket", "/healthz", &[VERSION], 405, "method_not_allowed"),
            ("websocket", "/elsewhere", &[VERSION], 404, "not_found"),
            ("websocket", "/topics/t?transport=sse", &[VERSION], 501, "unknown_protocol"),
            ("connect-udp", "/topics/t", &[VERSION], 501, "unknown_protocol"),
        ] {
            let response = handshake(hub.address, &sender, protocol, path, headers).await;
            assert_eq!(response.status(), status, "{code}");
            let body = response.into_body().collect().await.unwrap().to_bytes();
            assert!(String::from_utf8_lossy(&body).contains(code), "{body:?}");
        }
        let offer = ("sec-websocket-protocol", "mqtt, tidings.v1");
        let response =
            handshake(hub.address, &sender, "websocket", "/topics/t", &[VERSION, offer]).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["sec-websocket-protocol"], "tidings.v1");
        assert!(!response.headers().contains_key("sec-websocket-accept"));
        drop(response);
        eventually("no seat is left", async || hub.hub.pool().is_empty()).await;
        hub.stop().await;
    });
}
