//! TLS at the level of connections: the handshake, its end, and what a client of TLS does that another one cannot.
//! The conformance suite runs its scenarios over TLS as well.

mod support;

mod tls {
    mod ends;
    mod reload;
}

use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConfig, HandshakeKind, RootCertStore};
use support::{Certificate, Mover, Raw, Running, VERSIONS, connect_tls, eventually, in_time};
use tidings_core::{Heartbeat, Hub, HubConfig, Notification};
use tidings_server::Config;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// The ways of our server.
const WAYS: [Mover; 3] = [Mover::LANE, Mover::PLAIN_LANE, Mover::STREAM];

const STREAM: &str = "GET /topics/t HTTP/1.1\r\nHost: hub\r\nAccept: text/event-stream\r\n\r\n";

/// Plays a scenario by each way and by each version of TLS.
async fn every(
    change: impl Fn(&mut Config),
    scenario: impl AsyncFn(&Running, &Certificate, Arc<ClientConfig>),
) {
    for way in WAYS {
        for version in VERSIONS {
            eprintln!("-- {way:?}, {version:?}");
            let certificate = Certificate::new();
            let mut setup = way.config(HubConfig::default()).await;
            change(&mut setup);
            let mut server = Running::start_tls(setup, &certificate.tls).await;
            let client = Arc::new(certificate.client(version));
            in_time(scenario(&server, &certificate, client)).await;
            if server.hub.pool().closed().is_none() {
                server.ask_to_stop();
            }
            server.ended().await;
        }
    }
}

async fn request(
    server: &Running,
    client: &Arc<ClientConfig>,
    request: &str,
) -> Raw<TlsStream<TcpStream>> {
    let mut raw = Raw::over(connect_tls(server.address, client.clone()).await);
    raw.send(request).await;
    raw
}

/// A client that subscribes by SSE and has a seat.
async fn subscriber(server: &Running, client: &Arc<ClientConfig>) -> Raw<TlsStream<TcpStream>> {
    let before = server.hub.pool().len();
    let mut raw = request(server, client, STREAM).await;
    assert_eq!(raw.head().await.status, 200);
    eventually("it has a seat", async || server.hub.pool().len() > before).await;
    raw
}

#[tokio::test]
async fn one_connection_has_many_requests_and_then_a_stream() {
    every(
        |_| (),
        async |server, _, client| {
            let mut raw =
                request(server, &client, "GET /healthz HTTP/1.1\r\nHost: hub\r\n\r\n").await;
            assert_eq!(raw.answer().await.text(), "ok\n");
            // The general path reads a body that comes in parts.
            raw.send("POST /topics/t HTTP/1.1\r\nHost: hub\r\nContent-Length: 5\r\n\r\nhe").await;
            raw.send("llo").await;
            assert_eq!(raw.answer().await.status, 200);
            raw.send(STREAM).await;
            raw.until(b"\r\n\r\n").await;
            server.publish("t", "news").await;
            raw.until(b"data: news\n").await;
        },
    )
    .await;
}

#[tokio::test]
async fn slow_and_fast_readers_are_sent_all_bytes_of_large_notifications_in_order() {
    // More than a pass seals at once, and more than the sockets hold.
    const SIZE: usize = 200_000;
    every(
        |_| (),
        async |server, _, client| {
            let mut readers = Vec::new();
            for _ in 0..4 {
                readers.push(subscriber(server, &client).await);
            }
            let _silent = subscriber(server, &client).await;
            for letter in ["a", "b", "c", "d", "e", "f", "g", "h"] {
                server.publish("t", letter.repeat(SIZE)).await;
            }
            for reader in &mut readers {
                for letter in ["a", "b", "c", "d", "e", "f", "g", "h"] {
                    reader.until(b"data: ").await;
                    assert!(reader.take(SIZE).await == letter.repeat(SIZE).as_bytes(), "{letter}");
                }
            }
        },
    )
    .await;
}

#[tokio::test]
async fn a_client_that_is_gone_without_close_notify_loses_its_seat() {
    every(
        |_| (),
        async |server, _, client| {
            let raw = subscriber(server, &client).await;
            let (socket, _) = raw.stream.into_inner();
            drop(socket);
            eventually("the seat is free", async || server.hub.pool().is_empty()).await;
        },
    )
    .await;
}

/// The client is still there at its `close_notify`, so only a heartbeat after the end of its stream finds out that it is
/// gone.
#[tokio::test]
async fn a_client_that_leaves_after_its_close_notify_loses_its_seat() {
    every(
        |config| {
            let heartbeat = Heartbeat::default().interval(Duration::from_secs(3600));
            config.hub = Hub::new(HubConfig::default().heartbeat(heartbeat));
        },
        async |server, _, client| {
            let mut raw = subscriber(server, &client).await;
            raw.stream.get_mut().1.send_close_notify();
            raw.stream.flush().await.unwrap();
            // Its system would answer a close before unread bytes with a reset.
            raw.until(b":\nid: ").await;
            raw.until(b"\n\n").await;
            drop(raw);
            eventually("the seat is free", async || server.hub.pool().is_empty()).await;
        },
    )
    .await;
}

#[tokio::test]
async fn a_poll_that_is_closed_properly_while_it_is_held_loses_its_seat() {
    every(
        |_| (),
        async |server, _, client| {
            let head = server.hub.log().head();
            let poll = format!("GET /topics/t?after={head}&wait=60 HTTP/1.1\r\nHost: hub\r\n\r\n");
            let mut raw = request(server, &client, &poll).await;
            eventually("it has a seat", async || server.hub.pool().len() == 1).await;
            raw.stream.shutdown().await.unwrap();
            drop(raw);
            eventually("the seat is free", async || server.hub.pool().is_empty()).await;
        },
    )
    .await;
}

#[tokio::test]
async fn a_client_that_has_closed_its_side_is_still_answered() {
    every(
        |_| (),
        async |server, _, client| {
            let check = "GET /healthz HTTP/1.1\r\nHost: hub\r\n\r\n";
            let mut raw = request(server, &client, check).await;
            raw.stream.get_mut().1.send_close_notify();
            raw.stream.flush().await.unwrap();
            assert_eq!(raw.answer().await.text(), "ok\n");
        },
    )
    .await;
}

#[tokio::test]
async fn the_server_ends_a_connection_with_close_notify() {
    every(
        |_| (),
        async |server, _, client| {
            let last = "GET /healthz HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n";
            let mut raw = request(server, &client, last).await;
            let mut rest = String::new();
            // A truncation would be an error.
            raw.stream.read_to_string(&mut rest).await.unwrap();
            assert!(rest.ends_with("\r\n\r\nok\n"), "{rest}");
        },
    )
    .await;
}

#[tokio::test]
async fn a_session_is_resumed_by_a_ticket() {
    every(
        |_| (),
        async |server, _, client| {
            let check = "GET /healthz HTTP/1.1\r\nHost: hub\r\n\r\n";
            for kind in [HandshakeKind::Full, HandshakeKind::Resumed] {
                let mut raw = request(server, &client, check).await;
                assert_eq!(raw.answer().await.text(), "ok\n");
                assert_eq!(raw.stream.get_ref().1.handshake_kind(), Some(kind));
            }
        },
    )
    .await;
}

#[tokio::test]
async fn early_data_is_not_accepted() {
    every(
        |_| (),
        async |server, certificate, _| {
            let mut client = certificate.client(VERSIONS[1]);
            client.enable_early_data = true;
            let client = Arc::new(client);
            let check = "GET /healthz HTTP/1.1\r\nHost: hub\r\n\r\n";
            request(server, &client, check).await.answer().await;
            let socket = TcpStream::connect(server.address).await.unwrap();
            let connector = TlsConnector::from(client).early_data(true);
            let mut stream =
                connector.connect("localhost".try_into().unwrap(), socket).await.unwrap();
            let publish = "POST /topics/t HTTP/1.1\r\nHost: hub\r\nContent-Length: 2\r\n\r\nhi";
            stream.write_all(publish.as_bytes()).await.unwrap();
            stream.flush().await.unwrap();
            assert!(!stream.get_ref().1.is_early_data_accepted());
            let mut raw = Raw::over(stream);
            assert_eq!(raw.answer().await.status, 200, "it is sent again after the handshake");
            assert_eq!(server.hub.log().head().seq, 1, "it is published once");
        },
    )
    .await;
}

#[tokio::test]
async fn a_client_that_does_not_trust_the_certificate_gets_an_error_and_others_are_served() {
    every(
        |_| (),
        async |server, certificate, client| {
            let mut wary = certificate.client(VERSIONS[1]);
            wary = ClientConfig::builder_with_provider(wary.crypto_provider().clone())
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_root_certificates(RootCertStore::empty())
                .with_no_client_auth();
            let socket = TcpStream::connect(server.address).await.unwrap();
            let connector = TlsConnector::from(Arc::new(wary));
            let error =
                connector.connect("localhost".try_into().unwrap(), socket).await.unwrap_err();
            assert!(error.to_string().contains("UnknownIssuer"), "{error}");
            let check = "GET /healthz HTTP/1.1\r\nHost: hub\r\n\r\n";
            assert_eq!(request(server, &client, check).await.answer().await.text(), "ok\n");
        },
    )
    .await;
}

#[tokio::test]
async fn a_plain_request_is_answered_with_the_reason() {
    every(
        |_| (),
        async |server, _, _| {
            let answer = Raw::get(server.address, "/healthz").await;
            assert_eq!(answer.status, 400);
            assert!(answer.text().contains("https://"), "{}", answer.text());
        },
    )
    .await;
}

#[tokio::test]
async fn a_handshake_that_takes_too_long_is_ended() {
    every(
        |config| config.head_deadline = Duration::from_millis(50),
        async |server, _, _| {
            for begun in [&b""[..], b"\x16\x03\x01\x02\x00\x01"] {
                let mut raw = Raw::connect(server.address).await;
                raw.send(begun).await;
                assert_eq!(raw.rest().await, b"");
            }
        },
    )
    .await;
}

#[tokio::test]
async fn clients_are_sent_a_goodbye_at_the_shutdown() {
    every(
        |_| (),
        async |server, _, client| {
            let mut raw = subscriber(server, &client).await;
            server.hub.publish(Notification::text("t".parse().unwrap(), "last")).await.unwrap();
            server.hub.close(tidings_core::Reason::GoingAway);
            let mut rest = String::new();
            raw.stream.read_to_string(&mut rest).await.unwrap();
            assert!(rest.contains("data: last") && rest.contains("event: goodbye"), "{rest}");
        },
    )
    .await;
}

#[tokio::test]
async fn a_connection_over_the_limit_gets_a_503_and_another_one_its_place_later() {
    every(
        |config| config.max_connections = 1,
        async |server, _, client| {
            let only = subscriber(server, &client).await;
            let check = "GET /transports HTTP/1.1\r\nHost: hub\r\n\r\n";
            let mut surplus = request(server, &client, check).await;
            let answer = surplus.answer().await;
            assert_eq!(answer.rejection(), (503, "full".to_owned()));
            let mut rest = Vec::new();
            // A truncation would be an error.
            surplus.stream.read_to_end(&mut rest).await.unwrap();
            assert!(rest.is_empty());
            drop(only);
            eventually("there is room", async || {
                request(server, &client, check).await.answer().await.status == 200
            })
            .await;
        },
    )
    .await;
}
