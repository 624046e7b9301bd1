//! Servers for tests: one that sends scripted responses, and one that stays silent.

use std::sync::Arc;
use std::time::Duration;

use tidings_testkit::scripted;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::{ConnectOptions, Target, TimeLimits};

pub(super) use tidings_testkit::Script;

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

pub(super) fn impatient() -> Arc<ConnectOptions> {
    let limit = Duration::from_millis(50);
    let limits = TimeLimits { connect: limit, head: limit, body: limit };
    Arc::new(ConnectOptions { limits, ..ConnectOptions::default() })
}

pub(super) async fn server(script: Script) -> (Target, JoinHandle<Vec<String>>) {
    let (url, requests) = scripted(script).await;
    (Target::new(url), requests)
}
