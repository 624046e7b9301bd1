//! All transports of one hub in a hyper server, without a framework. The last segment of a path names the topics:
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
    // Created once before the loop. A future per iteration would miss a signal between two iterations.
    let mut interrupted = std::pin::pin!(tokio::signal::ctrl_c());
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            interrupted = &mut interrupted => break interrupted?,
        };
        // The connection was reset, or there are too many open files.
        let Ok((socket, _)) = accepted else { continue };
        // hyper has no timeout for writes to a client that has stopped reading.
        let socket = TokioIo::new(WriteDeadline::new(socket, Duration::from_secs(30)));
        let service = TowerToHyperService::new(mount.clone());
        let connection = http1::Builder::new().half_close(true).serve_connection(socket, service);
        connections.spawn(connection.with_upgrades());
    }
    // Sends each client a goodbye. Waits for clients and then for connections, each for at most 5 s.
    farewell(&hub, Reason::GoingAway, Duration::from_secs(5)).await;
    connections.close();
    let _ = timeout(Duration::from_secs(5), connections.wait()).await;
    Ok(())
}
