//! Three transports of one hub and other routes in an axum application. Run it and open http://127.0.0.1:8080, or:
//!
//! ```sh
//! cargo run -p tidings-examples --example embed_axum
//! curl --no-buffer --header 'Accept: text/event-stream' http://127.0.0.1:8080/topics/orders.*
//! curl 'http://127.0.0.1:8080/topics/orders.*?after=earliest'
//! curl --data teapot http://127.0.0.1:8080/orders
//! ```

use axum::routing::{get, post};
use axum::{Router, extract::State, middleware::from_fn_with_state, response::Html};
use tidings::axum::{Hosts, Mount, Rejection, check_host, router, serve};
use tidings::{Hub, Notification};
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
    // The first transport that claims a request accepts it. Long-polling claims all requests, so it comes last.
    let mount = Mount::new(hub.clone())
        .transport(WebSocket::default())
        .transport(Sse::default())
        .transport(LongPolling::default());
    let app = Router::new()
        .route("/", get(Html(PAGE)))
        .nest("/topics", router(mount))
        .route("/orders", post(order))
        .with_state(hub.clone());

    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let listener = TcpListener::bind(address).await?;
    // Rejects requests for other host names that resolve to this address (DNS rebinding).
    let hosts = (Hosts::default(), listener.local_addr()?);
    let app = app.layer(from_fn_with_state(hosts, check_host));
    println!("listening on http://{}", listener.local_addr()?);
    serve(listener, app, hub, async { drop(tokio::signal::ctrl_c().await) }).await?;
    Ok(())
}

/// A route of the application that publishes a notification.
async fn order(hub: State<Hub>, item: String) -> Result<String, Rejection> {
    let id = hub.publish(Notification::text("orders.new".parse()?, item)).await?;
    Ok(format!("order {id}\n"))
}
