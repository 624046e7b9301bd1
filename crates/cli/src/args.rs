//! The command line. Exit codes: 0 after success, 1 after a failed run, 2 after wrong usage.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::PossibleValue;
use clap::{Parser, Subcommand, ValueEnum};
use tidings::core::{IdempotencyKey, Position, SlowPolicy};
use tidings::server::transports;

use crate::broker::BrokerArgs;
use crate::compare_args::CompareArgs;
use crate::compression::CompressionArgs;
use crate::headers::HeaderArgs;
use crate::listen::{Listen, listen};
use crate::remote::{RemoteArgs, Secret};
use crate::subscribe::WEBTRANSPORT;
use crate::tls::TlsArgs;
use crate::values::{at_least_one, host, origin, position, seconds, seconds_or_none, workers};

/// Serve one stream of notifications by WebSocket, SSE and long-polling, and measure them side by side.
#[derive(Debug, Parser)]
#[command(name = "tidings", version, arg_required_else_help = true, after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "Examples:
  tidings compare --quick                  WebSocket, SSE and long-polling side by side
  tidings serve --demo                     a server with a tick every second
  tidings subscribe http://127.0.0.1:8080/topics/ticks --transport sse
  echo hello | tidings publish http://127.0.0.1:8080/topics/greetings

Exit codes: 0 success, 1 failed run, 2 wrong usage.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the server until Ctrl-C
    Serve(ServeArgs),
    /// Measure transports and message queues side by side
    Compare(CompareArgs),
    /// Publish standard input as one notification, or each of its lines (--ndjson)
    Publish(PublishArgs),
    /// Print the notifications of a topic as they arrive
    Subscribe(SubscribeArgs),
    /// Run the baseline server, for compare
    #[command(hide = true)]
    Baseline(BaselineArgs),
    /// Load a server by commands from standard input, for compare
    #[command(hide = true)]
    Load,
    /// Load a server with the tabs of a browser, by commands from standard input, for compare
    #[command(hide = true)]
    Browser,
    /// Serve the transports in an axum application, for compare
    #[cfg(feature = "axum")]
    #[command(hide = true)]
    Mounted(MountedArgs),
    /// Serve one topic with axum and a broadcast channel of tokio, for compare
    #[cfg(feature = "axum")]
    #[command(hide = true)]
    Broadcast(BroadcastArgs),
}

#[cfg(feature = "axum")]
#[derive(Debug, clap::Args)]
pub(crate) struct BroadcastArgs {
    /// Send JSON with the topic and the payload, which is encoded once or for each client [default: only the payload]
    #[arg(long, value_name = "once|each")]
    pub(crate) envelope: Option<Envelope>,
}

/// How often JSON is encoded.
#[cfg(feature = "axum")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Envelope {
    Once,
    Each,
}

#[cfg(feature = "axum")]
#[derive(Debug, clap::Args)]
pub(crate) struct MountedArgs {
    /// Send heartbeats to each client at this interval
    #[arg(long, value_name = "SECONDS", default_value = "25", value_parser = seconds)]
    pub(crate) heartbeat: Duration,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tidings serve --demo
  tidings serve --listen 0.0.0.0:9000 --retain 10000
  tidings serve --listen unix:/run/tidings/tidings.sock
  tidings serve --listen 0.0.0.0:443 --tls-cert chain.pem --tls-key key.pem --listen-plain 0.0.0.0:80 --redirect
  tidings serve --demo --tls-self-signed
  tidings serve --compression on --compression-exclude 'tokens.*,accounts.>'
  curl -d hello http://127.0.0.1:8080/topics/greetings
  curl -N -H 'Accept: text/event-stream' http://127.0.0.1:8080/topics/greetings")]
pub(crate) struct ServeArgs {
    /// Listen on ADDRESS:PORT (port 0 takes a free one), on unix:PATH, or on the sockets that systemd passes (systemd);
    /// repeatable
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080", value_parser = listen)]
    pub(crate) listen: Vec<Listen>,
    /// Publish a tick every second to the topic ticks, from the first client on
    #[arg(long)]
    pub(crate) demo: bool,
    /// Keep at most N notifications in memory for clients that resume
    #[arg(long, value_name = "N", default_value_t = 65_536, value_parser = at_least_one())]
    pub(crate) retain: u64,
    #[command(flatten)]
    pub(crate) broker: BrokerArgs,
    /// Accept at most N clients at the same time
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = at_least_one())]
    pub(crate) clients: u64,
    /// Send heartbeats to each client at this interval
    #[arg(long, value_name = "SECONDS", default_value = "25", value_parser = seconds)]
    pub(crate) heartbeat: Duration,
    /// Choose what happens to a client that is too slow
    #[arg(long, value_name = "POLICY", default_value = "gap")]
    pub(crate) slow: Slow,
    /// Allow this time for the head of a request, from its first byte on
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub(crate) head_deadline: Duration,
    /// Close a connection that is idle for this time between two requests, announced as Keep-Alive: timeout=SECONDS
    #[arg(long, value_name = "SECONDS", default_value = "75", value_parser = seconds)]
    pub(crate) idle_timeout: Duration,
    /// Serve with N threads, at most 1024 [default: one per core]
    #[arg(long, value_name = "N", value_parser = workers)]
    pub(crate) workers: Option<NonZeroUsize>,
    /// Accept requests for this host name, such as news.example; repeatable. All other names are rejected, except
    /// loopback names and IP addresses [default: on a loopback address those and names without a dot, otherwise every
    /// name]
    #[arg(long = "host", value_name = "NAME", value_parser = host)]
    pub(crate) hosts: Vec<String>,
    /// Allow web pages of this origin, besides the server's own, to subscribe and publish, such as
    /// https://shop.example; repeatable
    #[arg(long = "allow-origin", value_name = "ORIGIN", value_parser = origin)]
    pub(crate) allow_origins: Vec<String>,
    /// Keep the listener open for this time after SIGTERM, with /readyz at 503, until load balancers have noticed
    #[arg(long, value_name = "SECONDS", default_value = "0", value_parser = seconds_or_none)]
    pub(crate) drain_delay: Duration,
    /// Spread the goodbyes to the clients over this time after the listener is closed
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = seconds_or_none)]
    pub(crate) drain: Duration,
    /// Serve lines of text at / instead of the live page
    #[arg(long)]
    pub(crate) no_page: bool,
    /// Send with one system call per client even if io_uring is available, to compare the two
    #[arg(long)]
    pub(crate) no_io_uring: bool,
    /// Serve by the stream adapters instead of the lanes, to compare the two
    #[arg(long)]
    pub(crate) general_path: bool,
    #[command(flatten)]
    pub(crate) compression: CompressionArgs,
    #[command(flatten)]
    pub(crate) tls: TlsArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Slow {
    /// Send it a gap and continue with the oldest retained notification
    Gap,
    /// Disconnect it
    Disconnect,
    /// Send it a gap and continue with the newest notification
    KeepLatest,
}

#[derive(Debug, clap::Args)]
pub(crate) struct BaselineArgs {
    /// Serve https with the certificate in this PEM file
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Use the private key in this PEM file
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  echo hello | tidings publish http://127.0.0.1:8080/topics/greetings
  tidings publish http://127.0.0.1:8080/topics/pictures --binary --content-type image/png < cat.png
  tidings publish https://hub.example/topics/orders.new --token \"$TOKEN\" < order.json
  echo '{\"topic\":\"orders.new\",\"data\":\"hello\"}' | tidings publish http://127.0.0.1:8080/topics --ndjson

One line end at the end of the text is removed, because echo and editors add it. --raw keeps it.")]
pub(crate) struct PublishArgs {
    /// Publish to this http or https URL, such as http://127.0.0.1:8080/topics/greetings
    pub(crate) url: Secret,
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
    /// Publish each line, a JSON object with topic, data or data_base64, and optionally headers and key; URL ends with
    /// /topics
    #[arg(long, conflicts_with_all = ["binary", "raw", "idempotency_key", "event", "content_type", "time"])]
    pub(crate) ndjson: bool,
    /// Publish the payload as binary instead of text
    #[arg(long)]
    pub(crate) binary: bool,
    /// Keep the line end at the end of the text
    #[arg(long)]
    pub(crate) raw: bool,
    /// Send this idempotency key, such as a UUID, so that a retry stores nothing twice
    #[arg(long, value_name = "KEY")]
    pub(crate) idempotency_key: Option<IdempotencyKey>,
    #[command(flatten)]
    pub(crate) headers: HeaderArgs,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tidings subscribe http://127.0.0.1:8080/topics/ticks
  tidings subscribe 'http://127.0.0.1:8080/topics/orders.>' --transport long-polling --json
  tidings subscribe http://127.0.0.1:8080/topics/ticks --after earliest
  tidings subscribe https://hub.example/topics/ticks --token \"$TOKEN\"

After a cut it reconnects and resumes from its last position. A gap is printed to standard error, or with --json to
standard output.")]
pub(crate) struct SubscribeArgs {
    /// Subscribe to the topics at this http or https URL, such as http://127.0.0.1:8080/topics/orders.*
    pub(crate) url: Secret,
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
    /// Use this transport
    #[arg(long, value_name = "NAME", default_value = "websocket", value_parser = transport_names())]
    pub(crate) transport: String,
    /// Print each notification as JSON, with its id, topic, headers and data
    #[arg(long)]
    pub(crate) json: bool,
    /// Start after this id, with the earliest, or with the latest of each topic [default: from now on]
    #[arg(long, value_name = "ID", value_parser = position)]
    pub(crate) after: Option<Position>,
}

impl From<Slow> for SlowPolicy {
    fn from(slow: Slow) -> Self {
        match slow {
            Slow::Gap => Self::Gap,
            Slow::Disconnect => Self::Disconnect,
            Slow::KeepLatest => Self::KeepLatest,
        }
    }
}

fn transport_names() -> clap::builder::PossibleValuesParser {
    let listed = transports();
    let names = listed.iter().map(|listed| PossibleValue::new(listed.server.name()));
    // Accepted by every build, so that the error of a build without it names the feature.
    let missing =
        cfg!(not(feature = "webtransport")).then(|| PossibleValue::new(WEBTRANSPORT).hide(true));
    names.chain(missing).collect::<Vec<_>>().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_has_no_contradictions() {
        Args::command().debug_assert();
    }
}
