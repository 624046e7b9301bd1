//! A WebSocket server that returns to each client what it has sent, for test suites: messages of up to 16 MiB, text
//! as text and binary as binary. `cargo xtask autobahn` runs Autobahn's test suite against it. Run it and connect
//! to ws://127.0.0.1:8080/topics/echo, or any other topic:
//!
//! ```sh
//! cargo run -p tidings-examples --example echo
//! cargo run -p tidings-examples --example echo -- 127.0.0.1:8080 general-path
//! ```
//!
//! It is a server like any other. A client's message is published to the topic that it follows, and comes back to
//! it because [`Config::echo`] is set. A client starts at the end of the log, so it gets nothing that was sent
//! before. Clients of one topic get each other's messages as well.

use std::sync::Arc;
use std::time::Duration;

use tidings::core::{Heartbeat, Hub, HubConfig, Retention};
use tidings::server::{ServeBy, Server};
use tidings::websocket::{WebSocket, WebSocketConfig};

/// The largest message. The log also keeps the encoded copies.
const MAX_MESSAGE: usize = 16 << 20;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // A test suite counts the pings that it gets, so there are none.
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
    });
    // Serves by the lanes, or without them by the stream adapters of a `Mount`.
    let is_general = std::env::args().nth(2).is_some_and(|way| way == "general-path");
    let serve_by = if is_general { ServeBy::GeneralPath } else { ServeBy::Lanes };
    let server = server.serve_by(serve_by);

    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let server = server.bind(address).await?;
    println!("listening on http://{}", server.local_addrs()[0]);
    let interrupted = async {
        // Without a handler for Ctrl-C, the system ends the program.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    server.serve(interrupted).await?;
    Ok(())
}
