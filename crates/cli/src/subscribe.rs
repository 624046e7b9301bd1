//! `tidings subscribe`: prints notifications as they arrive.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use futures::StreamExt;
use futures::stream::BoxStream;
use serde_json::{Value, json};
use tidings::core::{Gap, Kind};
use tidings::server::transports;
use tidings::transport::base64_of;
use tidings::transport::client::{
    Arrival, Backoff, Client, Followed, Received, Target, follow, shown,
};
use tokio::time::sleep;

use crate::args::SubscribeArgs;
use crate::failure::failure;
use crate::serve::shutdown;
use crate::usage::Usage;
use crate::values::NO_WEBTRANSPORT;

/// The name of the transport that uses only HTTP/1.1.
const WEBSOCKET: &str = "websocket";

/// The name of the transport over UDP.
pub(crate) const WEBTRANSPORT: &str = "webtransport";

/// After this time without an answer by UDP, a line is printed. A closed UDP port does not refuse a connection, so an
/// attempt takes the whole time limit.
const UNANSWERED: Duration = Duration::from_secs(3);

/// Prints notifications until Ctrl-C, and reconnects after a cut.
///
/// # Errors
/// Fails if an argument is invalid, the client cannot or must not connect again, or standard output cannot be written.
pub(crate) async fn subscribe(args: SubscribeArgs) -> anyhow::Result<ExitCode> {
    let client = client(&args.transport)?;
    let url = args.url.topic_url()?;
    let options = args.remote.options(&url)?;
    if options.http2_prior_knowledge && args.transport == WEBSOCKET {
        let remedy = "a WebSocket uses HTTP/1.1, choose --transport sse or long-polling";
        return Err(Usage::new(format!("invalid --http2-prior-knowledge: {remedy}")).into());
    }
    let target = Target::new(url).position(args.after.unwrap_or_default()).options(options);
    let unanswered = format!(
        "no answer from {} yet, is its UDP port open? still connecting",
        shown(&target.url)
    );
    let followed = follow(client.clone(), target, Backoff::default());
    let has_silent_port = args.transport == WEBTRANSPORT;
    let code = print_all(followed, args.json, has_silent_port.then_some(unanswered)).await;
    // The program would otherwise exit before the end of a session is sent.
    client.closed().await;
    code
}

/// Prints until Ctrl-C or the end of the stream, and drops it. `unanswered` is printed if the first attempt to connect
/// takes long.
async fn print_all(
    mut followed: BoxStream<'static, Followed>,
    as_json: bool,
    mut unanswered: Option<String>,
) -> anyhow::Result<ExitCode> {
    let mut interrupted = std::pin::pin!(shutdown());
    let mut is_late = std::pin::pin!(sleep(UNANSWERED));
    loop {
        let event = tokio::select! {
            event = followed.next() => event,
            () = &mut interrupted => return Ok(ExitCode::SUCCESS),
            () = &mut is_late, if unanswered.is_some() => {
                eprintln!("{}", unanswered.take().unwrap_or_default());
                continue;
            }
        };
        unanswered = None;
        match event {
            None => return Ok(ExitCode::FAILURE),
            Some(Followed::Connected) => tracing::debug!("connected"),
            Some(Followed::Arrived(arrival)) => match print(&arrival, as_json) {
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
    if cfg!(not(feature = "webtransport")) && name == WEBTRANSPORT {
        return Err(Usage::new(format!("--transport {name} {NO_WEBTRANSPORT}")).into());
    }
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
