//! One stream of notifications by server-sent events. Run it and open http://127.0.0.1:8080 in a few tabs, or use curl.
//! The header `Last-Event-ID: earliest` starts at the beginning:
//!
//! ```sh
//! cargo run -p tidings-examples --example sse
//! curl --no-buffer http://127.0.0.1:8080/ticks
//! ```

use std::time::Duration;

use axum::{Router, extract::Request, response::Html, routing::get};
use tidings::axum::{Mount, serve};
use tidings::core::{Filters, Heartbeat, Hub, HubConfig, Notification, Source, Topic};
use tidings::sse::Sse;
use tokio::net::TcpListener;

const PAGE: &str = r#"<!doctype html><title>SSE</title><h1>Tidings by server-sent events</h1><ol></ol>
<script>
const show = text => document.querySelector('ol').append(Object.assign(document.createElement('li'), {textContent: text}))
const source = new EventSource('/ticks')
source.onmessage = message => show(message.data)
source.addEventListener('goodbye', event => show(JSON.parse(event.data).goodbye.message))
source.onerror = () => show('disconnected, the browser reconnects and resumes')
</script>"#;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // A stream that is idle for 5 s is sent a comment. A client that reads nothing for 30 s is disconnected.
    let heartbeat = Heartbeat::default().interval(Duration::from_secs(5));
    // The hub has a pool with a seat for each connected client.
    let hub = Hub::new(HubConfig::default().heartbeat(heartbeat));
    // The source starts once, with the first client.
    tokio::spawn(Source::default().run(hub.clone(), tick));

    let ticks = Mount::new(hub.clone()).transport(Sse::default());
    let topic: Filters = "ticks".parse()?;
    let ticks = async move |request: Request| ticks.subscribe(request, topic).await;
    let app = Router::new().route("/", get(Html(PAGE))).route("/ticks", get(ticks));

    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    // At Ctrl-C each stream ends with a goodbye event that contains the reason.
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
        hub.publish(Notification::text(topic.clone(), format!("tick {number}"))).await?;
    }
}
