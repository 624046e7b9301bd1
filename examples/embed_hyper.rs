//! Every transport of one hub in a server of hyper, without a framework. The last segment of a path names the topics:
//!
//! ```sh
//! cargo run -p tidings-examples --example embed_hyper
//! curl --no-buffer --header 'Accept: text/event-stream' http://127.0.0.1:8080/news.*
//! curl --data 'the fair is open' http://127.0.0.1:8080/news.local
//! ```

use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tidings::core::Reason;
use tidings::transport::Authorizer;
use tidings::transport::mount::{Mount, WriteDeadline, farewell};
use tidings::{Hub, long_polling::LongPolling, sse::Sse, websocket::WebSocket};
use tokio::{net::TcpListener, time::timeout};
use tokio_util::task::TaskTracker;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let hub = Hub::default();
    let mount = Mount::new(hub.clone())
        .transport(WebSocket::default())
        .transport(Sse::default())
        .transport(LongPolling::default())
        .authorizer(Authorizer::allow_all());

    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    // One for all turns of the loop: a signal between two of them would reach none that is made anew.
    let mut interrupted = std::pin::pin!(tokio::signal::ctrl_c());
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            interrupted = &mut interrupted => break interrupted?,
        };
        // A connection that is gone already, or too many open files.
        let Ok((socket, _)) = accepted else { continue };
        // hyper does not notice by itself that a client has stopped reading.
        let socket = TokioIo::new(WriteDeadline::new(socket, Duration::from_secs(30)));
        let service = TowerToHyperService::new(mount.clone());
        let connection = http1::Builder::new().half_close(true).serve_connection(socket, service);
        connections.spawn(connection.with_upgrades());
    }
    // Each client is sent a goodbye. No client and no connection is waited for longer than 5 s.
    farewell(&hub, Reason::GoingAway, Duration::from_secs(5)).await;
    connections.close();
    let _ = timeout(Duration::from_secs(5), connections.wait()).await;
    Ok(())
}
