//! One stream of notifications by server-sent events, in a plain hyper server. Run it and open
//! http://127.0.0.1:8080 in a few tabs, or read along; `Last-Event-ID: earliest` starts at the beginning:
//!
//! ```sh
//! cargo run -p tidings-examples --example sse
//! curl --no-buffer http://127.0.0.1:8080/ticks
//! ```

use std::convert::Infallible;
use std::time::Duration;

use http::{Request, Response};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tidings::core::{Filters, Heartbeat, Hub, HubConfig, Notification, Reason, Source, Topic};
use tidings::sse::Sse;
use tidings::transport::mount::{Mount, MountBody, WriteDeadline, farewell};
use tokio::net::TcpListener;

const PAGE: &str = r#"<!doctype html><title>SSE</title><h1>Tidings by server-sent events</h1><ol></ol>
<script>
const show = text => document.querySelector('ol').append(Object.assign(document.createElement('li'), {textContent: text}))
const source = new EventSource('/ticks')
source.onmessage = message => show(message.data)
source.addEventListener('goodbye', event => show(JSON.parse(event.data).goodbye.message))
source.onerror = () => show('cut; the browser comes back by itself, with its position')
</script>"#;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // Who is quiet for 5 s is sent a comment. It cannot answer, so the strikes are counted at the socket:
    // who takes nothing for as long as three heartbeats is let go.
    let heartbeat = Heartbeat { interval: Duration::from_secs(5), strikes: 3 };
    let patience = heartbeat.interval * heartbeat.strikes.into();
    // The hub holds the pool of clients: a seat for each, given back when the client goes.
    let hub = Hub::new(HubConfig { heartbeat, ..HubConfig::default() });
    // The source starts with the first client, once, however many come at the same moment.
    tokio::spawn(Source::default().run(hub.clone(), tick));

    let ticks = Mount::new(hub.clone()).transport(Sse::default());
    let topic: Filters = "ticks".parse()?;
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let listener = TcpListener::bind(address).await?;
    println!("listening on http://{}", listener.local_addr()?);
    // One for all turns of the loop: a signal between two of them would reach none that is made anew.
    let mut interrupted = std::pin::pin!(tokio::signal::ctrl_c());
    loop {
        let (socket, _) = tokio::select! {
            accepted = listener.accept() => accepted?,
            interrupted = &mut interrupted => break interrupted?,
        };
        let socket = TokioIo::new(WriteDeadline::new(socket, patience));
        let (ticks, topic) = (ticks.clone(), topic.clone());
        let service = service_fn(move |request| answer(ticks.clone(), topic.clone(), request));
        tokio::spawn(http1::Builder::new().serve_connection(socket, service));
    }
    // Closes all: each stream ends with an event that says why. Nobody is waited for longer than 5 s.
    farewell(&hub, Reason::GoingAway, Duration::from_secs(5)).await;
    Ok(())
}

async fn answer(
    ticks: Mount,
    topic: Filters,
    request: Request<Incoming>,
) -> Result<Response<MountBody>, Infallible> {
    Ok(match request.uri().path() {
        "/ticks" => ticks.subscribe(request, topic).await,
        _ => Response::new(MountBody::whole(PAGE.into())),
    })
}

/// The work: broadcasts to everyone, every second.
async fn tick(hub: Hub) -> anyhow::Result<()> {
    let topic: Topic = "ticks".parse()?;
    let mut number = 0;
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        number += 1;
        hub.publish(Notification::text(topic.clone(), format!("tick {number}"))).await?;
    }
}
