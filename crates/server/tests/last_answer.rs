//! A poll that requests the end of its connection (RFC 9112, section 9.3).

use std::time::Duration;

use tidings_core::{Hub, Notification};
use tidings_server::Server;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

#[tokio::test]
async fn the_connection_of_a_held_poll_is_closed_after_the_response_if_it_requests_that() {
    timeout(Duration::from_secs(120), poll_and_close()).await.expect("it ends in time");
}

async fn poll_and_close() {
    let hub = Hub::default();
    let server = Server::builder(hub.clone()).bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addrs()[0];
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(server.serve(async { drop(stopped.await) }));

    for (version, option) in [("HTTP/1.1", "Connection: close\r\n"), ("HTTP/1.0", "")] {
        let mut poll = TcpStream::connect(address).await.unwrap();
        let after = hub.log().head();
        let request = format!("GET /topics/t?after={after} {version}\r\nHost: h\r\n{option}\r\n");
        poll.write_all(request.as_bytes()).await.unwrap();
        while hub.pool().is_empty() {
            tokio::task::yield_now().await;
        }
        hub.publish(Notification::text("t".parse().unwrap(), "news")).await.unwrap();
        let mut answer = String::new();
        poll.read_to_string(&mut answer).await.unwrap();
        assert!(answer.contains("connection: close\r\n"), "{answer}");
        assert!(answer.contains("\"data\":\"news\""), "{answer}");
        drop(poll);
        while !hub.pool().is_empty() {
            tokio::task::yield_now().await;
        }
    }
    stop.send(()).unwrap();
    running.await.unwrap().unwrap();
}
