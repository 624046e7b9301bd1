//! One stream of notifications by long-polling, which needs only requests and responses. Run it and open
//! http://127.0.0.1:8080, or send the requests of the page with curl. Each response has the cursor for the next
//! request:
//!
//! ```sh
//! cargo run -p tidings-examples --example long_polling
//! curl 'http://127.0.0.1:8080/ticks'
//! curl 'http://127.0.0.1:8080/ticks?after=CURSOR'
//! ```

use std::time::Duration;

use axum::{Router, extract::Request, response::Html, routing::get};
use tidings::axum::{Mount, serve};
use tidings::core::{Filters, Hub, Notification, Source, Topic};
use tidings::long_polling::LongPolling;
use tokio::net::TcpListener;

const PAGE: &str = r#"<!doctype html><title>Long-polling</title><h1>Tidings by long-polling</h1><ol></ol>
<script type="module">
const show = text => document.querySelector('ol').append(Object.assign(document.createElement('li'), {textContent: text}))
for (let url = '/ticks', strikes = 0; strikes < 3;) try {
  const answer = await (await fetch(url, {cache: 'no-store'})).json()
  for (const notification of answer.notifications) show(notification.data)
  if (answer.goodbye) { show(`closed: ${answer.goodbye.message}`); break }
  [url, strikes] = [`/ticks?after=${answer.cursor}`, 0]
} catch (error) { show(`strike ${++strikes}: ${error.message}`) }
</script>"#;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // The hub has a pool with a seat for each client while its poll is held.
    let hub = Hub::default();
    // The source starts once, with the first client. It continues between polls, and the log keeps what clients miss.
    tokio::spawn(Source::default().run(hub.clone(), tick));

    // A poll without a notification ends after 5 s with an empty response. A client has no seat between two polls.
    let transport = LongPolling::new(Duration::from_secs(5), Duration::from_secs(60));
    let ticks = Mount::new(hub.clone()).transport(transport);
    let topic: Filters = "ticks".parse()?;
    let ticks = async move |request: Request| ticks.subscribe(request, topic).await;
    let app = Router::new().route("/", get(Html(PAGE))).route("/ticks", get(ticks));

    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    // At Ctrl-C each held poll is answered with a goodbye.
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
