//! A server on a Unix socket does everything that it does on TCP.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use tempfile::{TempDir, tempdir};
use tidings_core::{Hub, HubConfig, Notification, Reason};
use tidings_server::Handle;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::support::{Mover, Raw, Setup, eventually, every_mover_without_broker, masked};

/// A server that listens on a Unix socket alone.
struct Served {
    hub: Hub,
    handle: Handle,
    path: PathBuf,
    _folder: TempDir,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<io::Result<()>>,
}

impl Served {
    fn start(config: Setup) -> Self {
        let folder = tempdir().unwrap();
        let path = folder.path().join("socket");
        let hub = config.hub.clone();
        let server = config.server().bind_unix(&path).unwrap();
        assert_eq!(server.local_addrs(), []);
        let handle = server.handle();
        let (stop, stopped) = oneshot::channel::<()>();
        let ended = tokio::spawn(server.serve(async { drop(stopped.await) }));
        Self { hub, handle, path, _folder: folder, stop, ended }
    }

    async fn of(mover: Mover) -> Self {
        Self::start(mover.config(HubConfig::default()).await)
    }

    async fn connect(&self) -> Raw<UnixStream> {
        Raw::over(UnixStream::connect(&self.path).await.unwrap())
    }

    /// Connects and sends a request.
    async fn request(&self, request: &str) -> Raw<UnixStream> {
        let mut raw = self.connect().await;
        raw.send(request).await;
        raw
    }

    /// Connects and polls for the next notification.
    async fn poll(&self) -> Raw<UnixStream> {
        let after = self.hub.log().head();
        self.request(&format!("GET /topics/t?after={after} HTTP/1.1\r\nHost: hub\r\n\r\n")).await
    }

    async fn publish(&self, text: impl Into<String>) {
        let notification = Notification::text("t".parse().unwrap(), text);
        self.hub.publish(notification).await.unwrap();
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.ended.await.unwrap().unwrap();
        assert_eq!(self.handle.connections(), 0);
    }
}

const WEBSOCKET: &str = "GET /topics/t HTTP/1.1\r\nHost: hub\r\nConnection: Upgrade\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

const SSE: &str = "GET /topics/t HTTP/1.1\r\nHost: hub\r\nAccept: text/event-stream\r\n\r\n";

/// A request that hyper parses. After it the connection returns to its lane.
const CHUNKED: &str = "POST /topics/t HTTP/1.1\r\nHost: hub\r\nTransfer-Encoding: chunked\r\n\r\n\
    5\r\nparts\r\n0\r\n\r\n";

fn post(text: &str) -> String {
    let length = text.len();
    format!("POST /topics/t HTTP/1.1\r\nHost: hub\r\nContent-Length: {length}\r\n\r\n{text}")
}

#[test]
fn every_transport_and_publishing_work_up_to_the_goodbye() {
    every_mover_without_broker(async |mover| {
        let served = Served::of(mover).await;
        let mut websocket = served.request(WEBSOCKET).await;
        assert_eq!(websocket.head().await.status, 101);
        let mut sse = served.request(SSE).await;
        assert_eq!(sse.head().await.status, 200);
        let mut poll = served.poll().await;
        eventually("all have a seat", async || served.hub.pool().len() == 3).await;

        let mut publisher = served.request(&post("news")).await;
        assert_eq!(publisher.answer().await.status, 200);
        let answer = poll.answer().await;
        assert!(answer.text().contains("\"data\":\"news\""), "{answer:?}");
        assert_eq!(websocket.frame().await, (0x81, b"news".to_vec()));
        sse.until(b"data: news\n\n").await;
        // The same connection is served by hyper, and then by its lane again.
        for (request, text) in [(CHUNKED, "parts"), (&post("again"), "again")] {
            publisher.send(request).await;
            assert_eq!(publisher.answer().await.status, 200);
            assert_eq!(websocket.frame().await, (0x81, text.into()));
            sse.until(format!("data: {text}\n\n").as_bytes()).await;
        }
        websocket.send(masked(0x81, b"by a message")).await;
        assert_eq!(websocket.frame().await, (0x81, b"by a message".to_vec()));
        sse.until(b"data: by a message\n\n").await;
        assert_eq!(served.handle.connections(), 4);

        served.stop().await;
        let (first, close) = websocket.frame().await;
        assert_eq!((first, &close[..2]), (0x88, &Reason::GoingAway.code().to_be_bytes()[..]));
        let goodbye = sse.rest().await;
        assert!(String::from_utf8_lossy(&goodbye).contains("event: goodbye"));
    });
}

#[test]
fn a_half_closed_client_is_served_and_one_that_is_gone_loses_its_seat() {
    every_mover_without_broker(async |mover| {
        let served = Served::of(mover).await;
        let mut half_closed = served.request(SSE).await;
        assert_eq!(half_closed.head().await.status, 200);
        half_closed.stream.shutdown().await.unwrap();
        let mut gone = served.request(SSE).await;
        assert_eq!(gone.head().await.status, 200);
        let mut websocket = served.request(WEBSOCKET).await;
        assert_eq!(websocket.head().await.status, 101);
        let poll = served.poll().await;
        eventually("all have a seat", async || served.hub.pool().len() == 4).await;
        drop((gone, websocket, poll));
        eventually("one is left", async || served.hub.pool().len() == 1).await;
        served.publish("news").await;
        half_closed.until(b"data: news\n\n").await;
        served.stop().await;
    });
}

#[test]
fn a_publish_is_stored_even_if_the_client_leaves_before_the_response() {
    every_mover_without_broker(async |mover| {
        let served = Served::of(mover).await;
        for request in [post("news"), CHUNKED.to_owned()] {
            let before = served.hub.log().head().seq;
            drop(served.request(&request).await);
            eventually("it is stored", async || served.hub.log().head().seq > before).await;
        }
        served.stop().await;
    });
}

#[test]
fn a_client_that_does_not_read_is_cut_off() {
    every_mover_without_broker(async |mover| {
        let mut config = mover.config(HubConfig::default()).await;
        config.write_deadline = Duration::from_millis(200);
        let served = Served::start(config);
        let mut slow = served.request(SSE).await;
        assert_eq!(slow.head().await.status, 200);
        let much = "x".repeat(64 << 10);
        let is_cut_off = async || {
            served.publish(much.as_str()).await;
            served.hub.pool().is_empty()
        };
        eventually("it is cut off", is_cut_off).await;
        let metrics = served.handle.metrics().unwrap();
        assert!(metrics.contains("tidings_disconnected_total{reason=\"too_slow\"} 1"), "{metrics}");
        served.stop().await;
    });
}

#[test]
fn connections_over_the_limit_are_answered_503() {
    every_mover_without_broker(async |mover| {
        let mut config = mover.config(HubConfig::default()).await;
        config.max_connections = 1;
        let served = Served::start(config);
        let mut first = served.request(SSE).await;
        assert_eq!(first.head().await.status, 200);
        let mut second = served.request(&post("news")).await;
        assert_eq!(second.answer().await.rejection(), (503, "full".to_owned()));
        served.stop().await;
    });
}
