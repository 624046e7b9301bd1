//! How the server ends a connection over TLS. A client must be able to distinguish the end from a truncation, so each
//! read to the end fails if `close_notify` is missing (RFC 8446, section 6.1).

use std::io::Write;
use std::time::Duration;

use tidings_core::Reason;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{Raw, connect_tls, eventually};
use crate::{every, request, subscriber};

#[tokio::test]
async fn an_idle_connection_ends_with_close_notify() {
    every(
        |config| config.idle_timeout = Duration::from_millis(100),
        async |server, _, client| {
            let check = "GET /healthz HTTP/1.1\r\nHost: hub\r\n\r\n";
            let mut raw = request(server, &client, check).await;
            assert_eq!(raw.answer().await.text(), "ok\n");
            assert_eq!(raw.stream.read(&mut [0]).await.expect("not truncated"), 0);
        },
    )
    .await;
}

#[tokio::test]
async fn an_idle_connection_of_a_server_that_stops_ends_with_close_notify() {
    every(
        |_| (),
        async |server, _, client| {
            let check = "GET /healthz HTTP/1.1\r\nHost: hub\r\n\r\n";
            let mut raw = request(server, &client, check).await;
            assert_eq!(raw.answer().await.text(), "ok\n");
            server.hub.close(Reason::GoingAway);
            assert_eq!(raw.stream.read(&mut [0]).await.expect("not truncated"), 0);
        },
    )
    .await;
}

#[tokio::test]
async fn a_client_that_has_closed_its_side_is_sent_a_goodbye_and_close_notify() {
    every(
        |_| (),
        async |server, _, client| {
            let mut raw = subscriber(server, &client).await;
            raw.stream.get_mut().1.send_close_notify();
            raw.stream.flush().await.unwrap();
            // The heartbeat that looks whether it is still there.
            raw.until(b":\nid: ").await;
            server.hub.close(Reason::GoingAway);
            let mut rest = String::new();
            raw.stream.read_to_string(&mut rest).await.expect("not truncated");
            assert!(rest.contains("event: goodbye"), "{rest}");
        },
    )
    .await;
}

#[tokio::test]
async fn a_poll_whose_client_closes_its_side_with_the_request_gets_one_answer() {
    every(
        |_| (),
        async |server, _, client| {
            let head = server.hub.log().head();
            let poll = format!("GET /topics/t?after={head}&wait=60 HTTP/1.1\r\nHost: hub\r\n\r\n");
            let mut raw = Raw::over(connect_tls(server.address, client.clone()).await);
            // The request, the `close_notify` and the end of the stream leave at once.
            raw.stream.get_mut().1.writer().write_all(poll.as_bytes()).unwrap();
            raw.stream.shutdown().await.unwrap();
            eventually("it has a seat", async || server.hub.pool().len() == 1).await;
            server.publish("t", "news").await;
            let mut answer = String::new();
            raw.stream.read_to_string(&mut answer).await.expect("not truncated");
            assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
            assert!(answer.contains("news"), "{answer}");
        },
    )
    .await;
}
