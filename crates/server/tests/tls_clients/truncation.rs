//! Connections that end without `close_notify`. By TLS that is a truncation, which an attacker can cause too.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use futures::StreamExt;
use socket2::SockRef;
use tidings_core::{HubConfig, Position};
use tidings_server::Listed;
use tidings_transport::client::{Arrival, Backoff, ClientError, Followed, Target, follow};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy, sink};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::support::{Certificate, Mover, Running, all_listed, in_time, trusting};

/// A notification that needs several records of TLS, so that the end is in the middle of it.
const LARGE: usize = 100_000;

/// How a connection ends.
#[derive(Clone, Copy, Debug)]
enum End {
    /// TCP is closed.
    Fin,
    /// TCP is reset.
    Reset,
}

/// Where in the records a connection ends.
#[derive(Clone, Copy, Debug)]
enum Place {
    /// Between two notifications. Everything before this record has arrived.
    Before,
    After,
    Inside,
}

/// Forwards connections to a server, without reading what is inside the records of TLS.
struct Forwarder {
    address: SocketAddr,
    /// The connection that forwards the next record ends with it.
    is_cutting: Arc<AtomicBool>,
    accepting: JoinHandle<()>,
}

impl Forwarder {
    async fn start(server: SocketAddr, place: Place, end: End) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let is_cutting = Arc::new(AtomicBool::new(false));
        let cutting = is_cutting.clone();
        let accepting = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(server).await.unwrap();
                connections.spawn(forward(client, server, cutting.clone(), place, end));
            }
        });
        Self { address, is_cutting, accepting }
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Forwards until one side ends, or until it cuts the connection.
async fn forward(
    mut client: TcpStream,
    mut server: TcpStream,
    is_cutting: Arc<AtomicBool>,
    place: Place,
    end: End,
) -> io::Result<()> {
    let (mut client_reads, client_writes) = client.split();
    let (server_reads, mut server_writes) = server.split();
    tokio::select! {
        ended = copy(&mut client_reads, &mut server_writes) => return ended.map(drop),
        cut = forward_records(server_reads, client_writes, &is_cutting, place) => cut?,
    }
    drop(server);
    match end {
        End::Fin => {
            client.shutdown().await?;
            // A close before unread bytes would be a reset.
            copy(&mut client, &mut sink()).await.map(drop)
        }
        End::Reset => SockRef::from(&client).set_linger(Some(Duration::ZERO)),
    }
}

/// Forwards records until one is cut. Fails at the end of the connection.
async fn forward_records(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    is_cutting: &AtomicBool,
    place: Place,
) -> io::Result<()> {
    loop {
        // The type, the version and the length of the rest (RFC 8446, section 5.1).
        let mut record = vec![0; 5];
        from.read_exact(&mut record).await?;
        let length = u16::from_be_bytes([record[3], record[4]]);
        record.resize(5 + usize::from(length), 0);
        from.read_exact(&mut record[5..]).await?;
        let is_last = is_cutting.swap(false, SeqCst);
        match place {
            Place::Before if is_last => record.clear(),
            Place::Inside if is_last => record.truncate(record.len() / 2),
            _ => {}
        }
        to.write_all(&record).await?;
        if is_last {
            return Ok(());
        }
    }
}

/// Publishes to a client whose connection is cut. Returns the errors of its connections, after it has received
/// everything.
async fn errors_of(
    server: &Running,
    forwarder: &Forwarder,
    listed: &Listed,
    certificate: &Certificate,
) -> Vec<ClientError> {
    let url = format!("https://{}/topics/t", forwarder.address).parse().unwrap();
    let target = Target::new(url).options(trusting(&certificate.pem)).position(Position::Live);
    let backoff = Backoff::default().shortest(Duration::from_millis(1));
    let mut followed = follow(listed.client.clone(), target, backoff);
    let large = "x".repeat(LARGE);
    let mut expected = ["first", &large, "last"].into_iter();
    let mut next = expected.next();
    let mut errors = Vec::new();
    while let Some(text) = next {
        match followed.next().await.expect("it follows without end") {
            Followed::Connected if errors.is_empty() => _ = server.publish("t", "first").await,
            // If the connection resumed at another position, this would arrive first.
            Followed::Connected => _ = server.publish("t", "last").await,
            Followed::Arrived(Arrival::Notification(received)) => {
                assert!(received.payload == text, "lost, doubled or cut: {received:?}");
                next = expected.next();
                if text == "first" {
                    forwarder.is_cutting.store(true, SeqCst);
                    server.publish("t", &large).await;
                } else if errors.is_empty() && next.is_some() {
                    // The poll was repeated, so there is no second `Connected`.
                    server.publish("t", "last").await;
                }
            }
            Followed::Disconnected { error, retry_in } => {
                assert!(retry_in.is_some());
                errors.push(error.expect("a truncation is not a regular end"));
            }
            Followed::Arrived(Arrival::Heartbeat(_)) => {}
            other => panic!("{other:?}"),
        }
    }
    errors
}

#[tokio::test]
async fn a_stream_that_is_cut_without_close_notify_is_broken_and_resumes_without_loss() {
    let certificate = Certificate::new();
    for tls in [&certificate.tls, &certificate.tls_of_http1()] {
        let setup = Mover::STREAM.config(HubConfig::default()).await;
        let server = Running::start_tls(setup, tls).await;
        for listed in all_listed() {
            for place in [Place::Before, Place::After, Place::Inside] {
                for end in [End::Fin, End::Reset] {
                    let name = listed.server.name();
                    let forwarder = Forwarder::start(server.address, place, end).await;
                    let errors = errors_of(&server, &forwarder, &listed, &certificate);
                    let errors = in_time(errors).await;
                    eprintln!("{name}, {place:?}, {end:?}: {errors:?}");
                    let is_broken = |error| matches!(error, &ClientError::Broken(_));
                    assert!(errors.iter().all(is_broken), "{name}, {place:?}, {end:?}: {errors:?}");
                    // A client that polls may repeat its poll on a new connection without an error.
                    let is_cut_once = errors.len() == 1 || name == "long-polling";
                    assert!(is_cut_once, "{name}, {place:?}, {end:?}: {errors:?}");
                }
            }
        }
        server.stop().await;
    }
}
