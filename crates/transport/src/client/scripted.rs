//! A server for tests that sends scripted responses.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::{ConnectOptions, Target, TimeLimits};

/// A list of connections, each a list of responses, each written in these pieces. A connection is closed after its last
/// response.
pub(super) type Script = &'static [&'static [&'static [&'static str]]];

/// Starts a server that writes this text to each connection, reads nothing, and keeps the connection open.
pub(super) async fn mute(text: &'static str) -> (Target, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/topics/a", listener.local_addr().unwrap());
    let held = tokio::spawn(async move {
        let mut held = Vec::new();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(text.as_bytes()).await.unwrap();
            held.push(stream);
        }
    });
    (Target { options: impatient(), ..Target::new(url.parse().unwrap()) }, held)
}

/// Returns options with time limits of 50 ms.
pub(super) fn impatient() -> Arc<ConnectOptions> {
    let limit = Duration::from_millis(50);
    let limits = TimeLimits { connect: limit, head: limit, body: limit };
    Arc::new(ConnectOptions { limits, ..ConnectOptions::default() })
}

/// Starts a server on a free port. It returns the requests that it received once the script is over.
pub(super) async fn server(script: Script) -> (Target, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let target = Target::new(format!("http://{address}/topics/a").parse().unwrap());
    let served = tokio::spawn(async move {
        let mut requests = Vec::new();
        for answers in script {
            // A script whose connections do not come would be waited for without a limit.
            let accepted = tokio::time::timeout(Duration::from_secs(120), listener.accept());
            let (mut stream, _) = accepted.await.expect("the client connects in time").unwrap();
            for pieces in *answers {
                requests.push(request(&mut stream).await);
                for piece in *pieces {
                    stream.write_all(piece.as_bytes()).await.unwrap();
                    tokio::task::yield_now().await;
                }
            }
        }
        requests
    });
    (target, served)
}

async fn request(stream: &mut TcpStream) -> String {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(request.clone()).unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body).await.unwrap();
    head + &String::from_utf8(body).unwrap()
}
