//! Three transports of one hub inside an axum application, beside its own routes. Run it and open
//! http://127.0.0.1:8080, or:
//!
//! ```sh
//! cargo run -p tidings-examples --example embed_axum
//! curl --no-buffer --header 'Accept: text/event-stream' http://127.0.0.1:8080/topics/orders.*
//! curl 'http://127.0.0.1:8080/topics/orders.*?after=earliest'
//! curl --data teapot http://127.0.0.1:8080/orders
//! ```

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use tidings::core::{Filters, Hub, Notification, Reason, Topic};
use tidings::transport::mount::{Mount, farewell};
use tidings::transport::{Hosts, Rejection, Transport};
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
    let transports: [Arc<dyn Transport>; 3] = [
        Arc::new(WebSocket::default()),
        Arc::new(Sse::default()),
        Arc::new(LongPolling::default()),
    ];
    let mounts = transports.map(|transport| Mount::new(hub.clone(), transport));
    let app = Router::new()
        .route("/", get(Html(PAGE)))
        .route("/topics/{filters}", get(subscribe).with_state(mounts))
        .route("/orders", post(order).with_state((hub.clone(), "orders.new".parse::<Topic>()?)));

    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let listener = TcpListener::bind(address).await?;
    let app = app.layer(middleware::from_fn_with_state(listener.local_addr()?, check_host));
    println!("listening on http://{}", listener.local_addr()?);
    tokio::select! {
        served = axum::serve(listener, app) => served?,
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    farewell(&hub, Reason::GoingAway, Duration::from_secs(5)).await;
    Ok(())
}

/// Keeps pages of other names out that point to this address: DNS rebinding.
async fn check_host(address: State<SocketAddr>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    match Hosts::default().check(&parts, *address) {
        Ok(()) => next.run(Request::from_parts(parts, body)).await,
        Err(rejection) => rejection.into_response().map(Body::from),
    }
}

async fn subscribe(mounts: State<[Mount; 3]>, filters: Path<String>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let filters: Filters = match filters.parse() {
        Ok(filters) => filters,
        Err(error) => return Rejection::from(error).into_response().map(Body::from),
    };
    let Some(mount) = mounts.iter().find(|mount| mount.transport.claims(&parts)) else {
        return Response::default();
    };
    mount.respond(Request::from_parts(parts, body), &filters).await.map(Body::new)
}

/// A route of the application's own, which tells everyone what it did.
async fn order(State((hub, topic)): State<(Hub, Topic)>, item: String) -> Response {
    match hub.publish(Notification::text(topic, item)).await {
        Ok(id) => format!("order {id}\n").into_response(),
        Err(error) => Rejection::from(error).into_response().map(Body::from),
    }
}
