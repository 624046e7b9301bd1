//! What every configuration must do.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use http::Method;
use tidings_core::{Heartbeat, HubConfig};
use tidings_transport::Hosts;
use tidings_transport::compression::CompressionConfig;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use crate::client::{Client, Reading, Version};
use crate::config::Config;
use crate::program::{Files, NAME, Program};
use crate::support::{Mover, PATIENCE, Running, eventually};

/// What the server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backend {
    Plain,
    Tls,
}

/// What a proxy supports.
#[derive(Clone, Copy)]
pub(crate) struct Expected {
    /// WebSockets by HTTP/1.1 and by HTTP/2 between the client and the proxy.
    pub(crate) websocket: [bool; 2],
}

/// Publishes and subscribes through the proxy.
pub(crate) async fn play(
    program: &Program,
    backend: Backend,
    config: impl Fn(&Config) -> String,
    version: Version,
    expected: Expected,
) {
    let files = Files::new();
    // Some proxies notice only at the next write that a client is gone.
    let heartbeat = Heartbeat::default().interval(Duration::from_millis(500)).strikes(u8::MAX);
    let mut setup = Mover::LANE.config(HubConfig::default().heartbeat(heartbeat)).await;
    setup.hosts = Hosts::Listed(vec![NAME.to_owned()]);
    setup.compression = Some(CompressionConfig::default());
    let server = match backend {
        Backend::Plain => Running::start(setup).await,
        Backend::Tls => Running::start_tls(setup, &files.tls()).await,
    };
    let proxy = program.start(files, server.address, config).await;
    let client = Client::connect(proxy.address, &proxy.certificate, program.prefix, version).await;
    // A balancer rejects requests until its first check.
    eventually("the proxy finds the server", async || {
        client.request(Method::GET, "/readyz", &[], "").await.status() == 200
    })
    .await;
    origins_are_checked(&client, backend).await;
    for encoding in ["identity", "gzip"] {
        events_arrive_at_once(&server, &client, encoding).await;
    }
    polls_are_held(&server, &client).await;
    messages_go_both_ways(&server, &client, expected.websocket[version as usize]).await;
    drop((client, proxy));
    server.stop().await;
}

async fn origins_are_checked(client: &Client, backend: Backend) {
    let own = client.origin();
    let plain = own.replace("https:", "http:");
    let is_plain_allowed = backend == Backend::Plain;
    for (origin, is_allowed) in
        [(&own[..], true), (&plain, is_plain_allowed), ("https://other.example", false)]
    {
        let headers = [("origin", origin)];
        let response = client.request(Method::POST, "/topics/t", &headers, "posted").await;
        assert_eq!(response.status(), if is_allowed { 200 } else { 403 }, "{origin}");
    }
}

async fn events_arrive_at_once(server: &Running, client: &Client, encoding: &str) {
    let origin = client.origin();
    let headers =
        [("accept", "text/event-stream"), ("origin", &origin), ("accept-encoding", encoding)];
    let subscribe = async || {
        let response = client.request(Method::GET, "/topics/t", &headers, "").await;
        assert_eq!(response.status(), 200);
        let reading = Reading::new(response);
        assert_eq!(reading.is_gzip(), encoding == "gzip");
        reading
    };
    let (mut one, mut two) = (subscribe().await, subscribe().await);
    eventually("both have a seat", async || server.hub.pool().len() == 2).await;
    for text in ["one", "two"] {
        server.publish("t", text).await;
        for stream in [&mut one, &mut two] {
            stream.until(&format!("data: {text}\n")).await;
        }
    }
    drop(one);
    eventually("the client that left has no seat", async || server.hub.pool().len() == 1).await;
    server.publish("t", "three").await;
    two.until("data: three\n").await;
    drop(two);
    eventually("no seat is left", async || server.hub.pool().is_empty()).await;
}

async fn polls_are_held(server: &Running, client: &Client) {
    for (is_aborted, wait) in [(false, 60), (true, 5)] {
        let path = format!("/topics/t?after={}&wait={wait}", server.hub.log().head());
        let poll = client.request(Method::GET, &path, &[], "");
        let seated = eventually("it has a seat", async || server.hub.pool().len() == 1);
        if is_aborted {
            tokio::select! {
                response = poll => panic!("it was not held: {response:?}"),
                () = seated => {}
            }
        } else {
            let publishing = async {
                seated.await;
                server.publish("t", "polled").await;
            };
            let (response, ()) = tokio::join!(poll, publishing);
            assert_eq!(response.status(), 200);
            Reading::new(response).until("polled").await;
        }
        eventually("no seat is left", async || server.hub.pool().is_empty()).await;
    }
}

async fn messages_go_both_ways(server: &Running, client: &Client, is_expected: bool) {
    let socket = client.websocket("/topics/t").await;
    assert_eq!(socket.is_some(), is_expected, "WebSocket");
    let Some(mut socket) = socket else { return };
    socket.send(Message::text("sent")).await.unwrap();
    let message = timeout(PATIENCE, socket.next()).await.expect("a message").unwrap().unwrap();
    assert_eq!(message.into_text().unwrap(), "sent");
    server.publish("t", "received").await;
    let message = timeout(PATIENCE, socket.next()).await.expect("a message").unwrap().unwrap();
    assert_eq!(message.into_text().unwrap(), "received");
    drop(socket);
    eventually("no seat is left", async || server.hub.pool().is_empty()).await;
}
