//! Three transports of one hub inside an axum application, beside its own routes. Run it and open
//! http://127.0.0.1:8080, or:
//!
//! ```sh
//! cargo run -p tidings-examples --example embed_axum
//! curl --no-buffer --header 'Accept: text/event-stream' http://127.0.0.1:8080/topics/orders.*
//! curl 'http://127.0.0.1:8080/topics/orders.*?after=earliest'
//! curl --data teapot http://127.0.0.1:8080/orders
//! ```

use std::time::Duration;

use axum::extract::State;
use axum::response::Html;
use axum::routing::{get, post};
use axum::{Router, middleware};
use tidings::axum::{Hosts, Mount, Rejection, WriteDeadlineListener, check_host, farewell, router};
use tidings::{Hub, Notification, Topic, core::Reason};
use tidings::{long_polling::LongPolling, sse::Sse, websocket::WebSocket};
use tokio::net::TcpListener;

const PAGE: &str = r#"<!doctype html><title>Orders</title><h1>Orders</h1>
<button onclick="fetch('/orders', {method: 'POST', body: 'a teapot'})">Order a teapot</button><ol></ol>
<script type="module">
const show = text => document.querySelector('ol').append(Object.assign(document.createElement('li'), {textContent: text}))
const url = '/topics/orders.*'
new WebSocket(`ws://${location.host}${url}`).onmessage = message => show(`${message.data} (WebSocket)`)
new EventSource(url).onmessage = message => show(`${message.data} (SSE)`)
for (let after = '';;) {
  const answer = await (await fetch(url + after, {cache: 'no-store'})).json()
  for (const order of answer.notifications) show(`${order.data} (long-polling)`)
  if (answer.goodbye) break
  after = `?after=${answer.cursor}`
}
</script>"#;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let hub = Hub::default();
    // A request is for the first transport that claims it; long-polling claims them all, so it is the last.
    let mount = Mount::new(hub.clone())
        .transport(WebSocket::default())
        .transport(Sse::default())
        .transport(LongPolling::default());
    let app = Router::new()
        .route("/", get(Html(PAGE)))
        .nest("/topics", router(mount))
        .route("/orders", post(order))
        .with_state((hub.clone(), "orders.new".parse::<Topic>()?));

    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let listener = TcpListener::bind(address).await?;
    // Keeps pages of other names out that point to this address: DNS rebinding.
    let hosts = (Hosts::default(), listener.local_addr()?);
    let app = app.layer(middleware::from_fn_with_state(hosts, check_host));
    println!("listening on http://{}", listener.local_addr()?);
    tokio::select! {
        served = axum::serve(WriteDeadlineListener::new(listener), app) => served?,
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    farewell(&hub, Reason::GoingAway, Duration::from_secs(5)).await;
    Ok(())
}

/// A route of the application's own, which tells everyone what it did.
async fn order(
    State((hub, topic)): State<(Hub, Topic)>,
    item: String,
) -> Result<String, Rejection> {
    let id = hub.publish(Notification::text(topic, item)).await?;
    Ok(format!("order {id}\n"))
}
