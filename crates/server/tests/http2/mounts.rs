//! WebSocket over HTTP/2 in the servers of hyper and axum, which give the `:protocol` of a request to a mount.

use std::net::SocketAddr;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use http_body_util::BodyExt;
use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use tidings_core::{Heartbeat, Hub, HubConfig, Notification, Reason};
use tidings_long_polling::LongPolling;
use tidings_server::Server;
use tidings_transport::Authorizer;
use tidings_transport::mount::{Mount, farewell};
use tidings_websocket::WebSocket;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use super::websocket::{VERSION, handshake, message, open};
use crate::support::{PATIENCE, Sender, connect, eventually};

#[derive(Clone, Copy, Debug)]
enum Way {
    /// A mount in hyper.
    Hyper,
    /// A mount in axum.
    Axum,
    /// A mount in axum that hands connections over to lanes, except those that are streams of HTTP/2.
    AxumToLanes,
    /// The service of our server in axum.
    Service,
}

/// A server that is aborted when this is dropped, and a connection to it.
struct Connected {
    hub: Hub,
    address: SocketAddr,
    sender: Sender,
    serving: JoinSet<()>,
}

async fn connect_to(way: Way, write_deadline: Duration) -> Connected {
    // A stalled client is not found by its heartbeats.
    let heartbeat = Heartbeat::default().interval(Duration::from_secs(3600));
    let hub = Hub::new(HubConfig::default().heartbeat(heartbeat));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mount = Mount::new(hub.clone())
        .transport(WebSocket::default())
        .transport(LongPolling::default())
        .authorizer(Authorizer::allow_all())
        .write_deadline(write_deadline);
    let mut serving = JoinSet::new();
    match way {
        Way::Hyper => drop(serving.spawn(async move {
            let (socket, _) = listener.accept().await.unwrap();
            let mut http = http2::Builder::new(TokioExecutor::new());
            let service = TowerToHyperService::new(mount);
            let http = http.enable_connect_protocol();
            http.serve_connection(TokioIo::new(socket), service).await.unwrap();
        })),
        Way::Axum => {
            let app = axum::Router::new().nest("/topics", tidings_axum::router(mount));
            serving.spawn(async move { axum::serve(listener, app).await.unwrap() });
        }
        Way::AxumToLanes => {
            let mut server = Server::builder(hub.clone()).build();
            let mount = mount.adopter(server.lanes());
            let app = axum::Router::new().nest("/topics", tidings_axum::router(mount));
            serving.spawn(async move { axum::serve(listener, app).await.unwrap() });
            serving.spawn(async move { server.serve(std::future::pending()).await.unwrap() });
        }
        Way::Service => {
            let service = Server::builder(hub.clone())
                .configure(|config| config.write_deadline = write_deadline)
                .into_service(address);
            let app = axum::Router::new().fallback_service(service);
            serving.spawn(async move { axum::serve(listener, app).await.unwrap() });
        }
    }
    Connected { hub, address, sender: connect(address).await, serving }
}

#[tokio::test]
async fn a_mounted_websocket_sends_receives_and_closes() {
    for way in [Way::Hyper, Way::Axum, Way::AxumToLanes, Way::Service] {
        let Connected { hub, address, sender, serving } = connect_to(way, PATIENCE).await;
        let mut one = open(address, &sender, "room").await;
        let mut two = open(address, &sender, "room").await;
        let large = "x".repeat(1 << 20);
        for text in ["hello", &large] {
            one.send(Message::text(text)).await.unwrap();
            assert_eq!(message(&mut one).await.into_text().unwrap(), text, "{way:?}");
            assert_eq!(message(&mut two).await.into_text().unwrap(), text, "{way:?}");
        }
        one.close(None).await.unwrap();
        assert!(matches!(message(&mut one).await, Message::Close(_)), "{way:?}");
        assert!(timeout(PATIENCE, one.next()).await.unwrap().is_none(), "{way:?}");
        eventually("its seat is free", async || hub.pool().len() == 1).await;
        let mut third = open(address, &sender, "room").await;
        // A stream that is dropped is reset.
        drop(two);
        eventually("the other seat is free", async || hub.pool().len() == 1).await;
        hub.publish(Notification::text("room".parse().unwrap(), "later")).await.unwrap();
        assert_eq!(message(&mut third).await.into_text().unwrap(), "later", "{way:?}");
        let (left, goodbye) =
            tokio::join!(farewell(&hub, Reason::GoingAway, PATIENCE), message(&mut third));
        match goodbye {
            Message::Close(Some(frame)) => assert_eq!(u16::from(frame.code), 1001, "{way:?}"),
            other => panic!("{way:?}: {other:?}"),
        }
        assert_eq!(left, 0, "{way:?}");
        drop(serving);
    }
}

/// hyper waits for the window of a stream without a limit, and the connection has room.
#[tokio::test]
async fn a_mounted_websocket_that_is_not_read_loses_its_seat_and_its_neighbour_goes_on() {
    for way in [Way::Hyper, Way::Axum, Way::AxumToLanes, Way::Service] {
        let Connected { hub, address, sender, serving } =
            connect_to(way, Duration::from_millis(500)).await;
        let stalled = open(address, &sender, "large").await;
        let mut neighbour = open(address, &sender, "small").await;
        let large = Notification::text("large".parse().unwrap(), "x".repeat(1 << 20));
        hub.publish(large).await.unwrap();
        eventually("its seat is free", async || hub.pool().len() == 1).await;
        hub.publish(Notification::text("small".parse().unwrap(), "later")).await.unwrap();
        assert_eq!(message(&mut neighbour).await.into_text().unwrap(), "later", "{way:?}");
        drop((stalled, serving));
    }
}

#[tokio::test]
async fn a_handshake_at_a_mount_is_checked_as_over_http1() {
    for way in [Way::Hyper, Way::Axum, Way::Service] {
        let Connected { hub, address, sender, serving } = connect_to(way, PATIENCE).await;
        let foreign = ("origin", "http://evil.example");
        for (protocol, path, headers, status, code) in [
            ("websocket", "/topics/t", &[][..], 400, "bad_version"),
            ("websocket", "/topics/t", &[VERSION, foreign], 403, "origin_not_allowed"),
            ("websocket", "/topics/a..b", &[VERSION], 400, "bad_topic"),
            ("connect-udp", "/topics/t", &[VERSION], 501, "unknown_protocol"),
        ] {
            let response = handshake(address, &sender, protocol, path, headers).await;
            assert_eq!(response.status(), status, "{way:?}: {code}");
            let body = response.into_body().collect().await.unwrap().to_bytes();
            assert!(String::from_utf8_lossy(&body).contains(code), "{way:?}: {body:?}");
        }
        let own = format!("http://{address}");
        let headers = [VERSION, ("origin", &own), ("sec-websocket-protocol", "mqtt, tidings.v1")];
        let response = handshake(address, &sender, "websocket", "/topics/t", &headers).await;
        assert_eq!(response.status(), 200, "{way:?}");
        assert_eq!(response.headers()["sec-websocket-protocol"], "tidings.v1", "{way:?}");
        drop(response);
        eventually("no seat is left", async || hub.pool().is_empty()).await;
        drop(serving);
    }
}
