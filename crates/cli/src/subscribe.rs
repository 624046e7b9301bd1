//! `tidings subscribe`: prints notifications as they arrive.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use futures::StreamExt;
use serde_json::{Value, json};
use tidings::core::{Gap, Kind};
use tidings::server::transports;
use tidings::transport::base64_of;
use tidings::transport::client::{Arrival, Backoff, Client, Followed, Received, Target, follow};

use crate::args::SubscribeArgs;
use crate::failure::failure;
use crate::serve::shutdown;
use crate::usage::Usage;

/// The name of the transport that uses only HTTP/1.1.
const WEBSOCKET: &str = "websocket";

/// The name of the transport over UDP, and how long its end is sent.
const WEBTRANSPORT: &str = "webtransport";
const CLOSE: Duration = Duration::from_millis(50);

/// Prints notifications until Ctrl-C, and reconnects after a cut.
///
/// # Errors
/// Fails if an argument is invalid, the client must not connect again, or standard output cannot be written.
pub(crate) async fn subscribe(args: SubscribeArgs) -> anyhow::Result<ExitCode> {
    let client = client(&args.transport)?;
    let url = args.url.topic_url()?;
    let options = args.remote.options(&url)?;
    if options.http2_prior_knowledge && args.transport == WEBSOCKET {
        let remedy = "a WebSocket uses HTTP/1.1, choose --transport sse or long-polling";
        return Err(Usage::new(format!("invalid --http2-prior-knowledge: {remedy}")).into());
    }
    let target = Target::new(url).position(args.after.unwrap_or_default()).options(options);
    let mut followed = follow(client, target, Backoff::default());
    let mut interrupted = std::pin::pin!(shutdown());
    loop {
        let event = tokio::select! {
            event = followed.next() => event,
            () = &mut interrupted => {
                drop(followed);
                if args.transport == WEBTRANSPORT {
                    // A task sends the close. Without it the server keeps the session until its idle timeout.
                    tokio::time::sleep(CLOSE).await;
                }
                return Ok(ExitCode::SUCCESS);
            }
        };
        match event {
            None => return Ok(ExitCode::FAILURE),
            Some(Followed::Connected) => tracing::debug!("connected"),
            Some(Followed::Arrived(arrival)) => match print(&arrival, args.json) {
                // The reader of a pipe has exited, as in `| head`.
                Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {
                    return Ok(ExitCode::SUCCESS);
                }
                printed => printed.context("cannot write to standard output")?,
            },
            Some(Followed::Disconnected { error: Some(error), retry_in: None }) => {
                return Err(failure(error));
            }
            Some(Followed::Disconnected { error, retry_in }) => {
                let why = error.map_or_else(
                    || "the connection ended".to_owned(),
                    |error| format!("{:#}", failure(error)),
                );
                match retry_in {
                    Some(delay) => eprintln!("{why}, retrying in {:.1} s", delay.as_secs_f64()),
                    None => eprintln!("{why}"),
                }
            }
        }
    }
}

fn client(name: &str) -> anyhow::Result<Arc<dyn Client>> {
    let mut listed = transports().into_iter();
    let found = listed.find(|listed| listed.server.name() == name);
    Ok(found.with_context(|| format!("unknown transport {name:?}"))?.client)
}

fn print(arrival: &Arrival, as_json: bool) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    match arrival {
        Arrival::Notification(received) if as_json => {
            writeln!(out, "{}", envelope(received))?;
        }
        Arrival::Notification(received) => {
            out.write_all(&received.payload)?;
            out.write_all(b"\n")?;
        }
        Arrival::Gap(gap) if as_json => writeln!(out, "{}", json!({ "gap": gap }))?,
        Arrival::Gap(gap) => eprintln!("{}", gap_text(gap)),
        Arrival::Goodbye(goodbye) => eprintln!("goodbye from the server: {}", goodbye.reason),
        // Heartbeats are not printed. Replies do not occur, because no message is sent.
        _ => {}
    }
    out.flush()
}

/// The JSON of a notification, in the format of the server. Not every transport has the id, the topic and the headers.
fn envelope(received: &Received) -> Value {
    let (name, data) = match received.kind {
        Kind::Text => ("data", String::from_utf8_lossy(&received.payload).into_owned()),
        Kind::Binary => ("data_base64", base64_of(&received.payload)),
    };
    let mut envelope = json!({ "id": received.id, "topic": received.topic, name: data });
    if let Some(headers) = &received.headers {
        envelope["headers"] = json!(headers);
    }
    envelope
}

fn gap_text(gap: &Gap) -> String {
    let number = gap.missed.map_or("some".to_owned(), |missed| missed.to_string());
    let Gap { after, resume, .. } = gap;
    format!("gap: {number} missed after {after}, continuing after {resume}")
}
