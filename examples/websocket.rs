//! One stream of notifications by WebSocket. Run it and open http://127.0.0.1:8080 in a few tabs, or subscribe with the
//! program tidings:
//!
//! ```sh
//! cargo run -p tidings-examples --example websocket
//! cargo run -- subscribe http://127.0.0.1:8080/ticks --transport websocket
//! ```

use std::time::Duration;

use axum::{Router, extract::Request, response::Html, routing::get};
use tidings::axum::{Mount, Origins, serve};
use tidings::core::{Filters, Heartbeat, Hub, HubConfig, Notification, Source, Topic};
use tidings::websocket::{WebSocket, WebSocketConfig};
use tokio::net::TcpListener;

const PAGE: &str = r#"<!doctype html><title>WebSocket</title><h1>Tidings by WebSocket</h1><ol></ol>
<script>
const show = text => document.querySelector('ol').append(Object.assign(document.createElement('li'), {textContent: text}))
const socket = new WebSocket(`ws://${location.host}/ticks`)
socket.onmessage = message => show(message.data)
socket.onclose = close => show(`closed: ${close.code} ${close.reason}`)
</script>"#;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // A client that is idle for 5 s is sent a ping. After three unanswered pings it is disconnected.
    let heartbeat = Heartbeat::default().interval(Duration::from_secs(5));
    // The hub has a pool with a seat for each connected client.
    let hub = Hub::new(HubConfig::default().heartbeat(heartbeat));
    // The source starts once, with the first client.
    tokio::spawn(Source::default().run(hub.clone(), tick));

    let config = WebSocketConfig::default().max_message(64 << 10);
    let ticks = Mount::new(hub.clone()).transport(WebSocket::new(config)).origins(Origins::Same); // pages of other sites may not connect
    let topic: Filters = "ticks".parse()?;
    let ticks = async move |request: Request| ticks.subscribe(request, topic).await;
    let app = Router::new().route("/", get(Html(PAGE))).route("/ticks", get(ticks));

    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    // At Ctrl-C each client is sent a close frame with the reason.
    serve(listener, app, hub, async { drop(tokio::signal::ctrl_c().await) }).await?;
    Ok(())
}

/// Publishes a tick every second.
async fn tick(hub: Hub) -> anyhow::Result<()> {
    let topic: Topic = "ticks".parse()?;
    let mut number = 0;
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        number += 1;
        let text = format!("tick {number}, clients here: {}", hub.pool().len());
        hub.publish(Notification::text(topic.clone(), text)).await?;
    }
}
