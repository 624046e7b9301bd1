//! A WebSocket server that returns each message to its sender, for test suites. Messages have up to 16 MiB. Text is
//! returned as text and binary as binary. `cargo xtask autobahn` runs Autobahn's test suite against it. Run it and
//! connect to ws://127.0.0.1:8080/topics/echo, or to any other topic:
//!
//! ```sh
//! cargo run -p tidings-examples --example echo
//! cargo run -p tidings-examples --example echo -- 127.0.0.1:8080 general-path
//! ```
//!
//! The server publishes each message to the topic of its sender, which receives it because [`Config::echo`] is set. A
//! client starts at the end of the log, so it receives nothing that was sent before it connected. Clients of the same
//! topic also receive each other's messages.

use std::sync::Arc;
use std::time::Duration;

use tidings::core::{Heartbeat, Hub, HubConfig, Retention};
use tidings::server::{ServeBy, Server};
use tidings::transport::compression::CompressionConfig;
use tidings::websocket::{WebSocket, WebSocketConfig};

/// The largest message in bytes. The log also keeps encoded copies.
const MAX_MESSAGE: usize = 16 << 20;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // No pings, because a test suite counts the pings that it receives.
    let heartbeat = Heartbeat::default().interval(Duration::from_secs(24 * 60 * 60));
    let hub = Hub::new(
        HubConfig::default()
            .heartbeat(heartbeat)
            .max_payload(MAX_MESSAGE)
            .retention(Retention::default().bytes(8 * MAX_MESSAGE)),
    );
    let limits = WebSocketConfig::default().max_message(MAX_MESSAGE).max_frame(MAX_MESSAGE);
    let server = Server::builder(hub).configure(|config| {
        config.transports = vec![Arc::new(WebSocket::new(limits))];
        config.compression = Some(CompressionConfig::default());
    });
    // Serves by the lanes, or by the stream adapters if the second argument is `general-path`.
    let is_general = std::env::args().nth(2).is_some_and(|way| way == "general-path");
    let serve_by = if is_general { ServeBy::GeneralPath } else { ServeBy::Lanes };
    let server = server.serve_by(serve_by);

    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let server = server.bind(address).await?;
    println!("listening on http://{}", server.local_addrs()[0]);
    let interrupted = async {
        // If the handler for Ctrl-C cannot be installed, the system still ends the program at Ctrl-C.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    server.serve(interrupted).await?;
    Ok(())
}
