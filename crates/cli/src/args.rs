//! The command line. Exit codes: 0 all well, 1 the run failed, 2 wrong usage.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use tidings::core::{IdempotencyKey, Position, SlowPolicy};
use tidings::server::transports;

use crate::broker::BrokerArgs;
use crate::headers::HeaderArgs;
use crate::listen::{Listen, listen};
use crate::remote::{RemoteArgs, Secret};
use crate::values::{at_least_one, host, origin, position, seconds, seconds_or_none, workers};

/// One notification stream by every realtime transport, measured side by side.
#[derive(Debug, Parser)]
#[command(name = "tidings", version, arg_required_else_help = true, after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "Examples:
  tidings compare --quick                  WebSocket, SSE and long-polling side by side
  tidings serve --demo                     a hub with a tick every second
  tidings subscribe http://127.0.0.1:8080/topics/ticks --transport sse
  echo hello | tidings publish http://127.0.0.1:8080/topics/greetings

Exit codes: 0 all well, 1 the run failed, 2 wrong usage.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the hub until Ctrl-C
    Serve(ServeArgs),
    /// Measure the transports side by side, and message queues beside them
    Compare(CompareArgs),
    /// Publish standard input as one notification
    Publish(PublishArgs),
    /// Print what arrives, one line each
    Subscribe(SubscribeArgs),
    /// Serve as the baseline does, for compare
    #[command(hide = true)]
    Baseline,
    /// Load a server as standard input says, for compare
    #[command(hide = true)]
    Load,
    /// Serve the transports in an axum application, for compare
    #[cfg(feature = "axum")]
    #[command(hide = true)]
    Mounted(MountedArgs),
    /// Serve one topic in axum over a broadcast channel of tokio, for compare
    #[cfg(feature = "axum")]
    #[command(hide = true)]
    Broadcast,
}

#[cfg(feature = "axum")]
#[derive(Debug, clap::Args)]
pub(crate) struct MountedArgs {
    /// Seconds between two heartbeats to each client
    #[arg(long, value_name = "SECONDS", default_value = "25", value_parser = seconds)]
    pub(crate) heartbeat: Duration,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tidings serve --demo
  tidings serve --listen 0.0.0.0:9000 --retain 10000
  tidings serve --listen unix:/run/tidings/tidings.sock
  curl -d hello http://127.0.0.1:8080/topics/greetings
  curl -N -H 'Accept: text/event-stream' http://127.0.0.1:8080/topics/greetings")]
pub(crate) struct ServeArgs {
    /// Listen on ADDRESS:PORT (port 0 takes a free one), unix:PATH, or the sockets of systemd (systemd) [repeatable]
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080", value_parser = listen)]
    pub(crate) listen: Vec<Listen>,
    /// Publish a tick every second to the topic `ticks`, from the first client on
    #[arg(long)]
    pub(crate) demo: bool,
    /// Notifications kept in memory for those who come back
    #[arg(long, value_name = "N", default_value_t = 65_536, value_parser = at_least_one())]
    pub(crate) retain: u64,
    #[command(flatten)]
    pub(crate) broker: BrokerArgs,
    /// Clients connected at once
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = at_least_one())]
    pub(crate) clients: u64,
    /// Seconds between two heartbeats to each client
    #[arg(long, value_name = "SECONDS", default_value = "25", value_parser = seconds)]
    pub(crate) heartbeat: Duration,
    /// What becomes of clients that are too slow
    #[arg(long, value_name = "POLICY", default_value = "gap")]
    pub(crate) slow: Slow,
    /// Seconds for the head of a request, from its first byte on
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub(crate) head_deadline: Duration,
    /// Seconds for which a connection may idle between two requests, announced as Keep-Alive: timeout=SECONDS
    #[arg(long, value_name = "SECONDS", default_value = "75", value_parser = seconds)]
    pub(crate) idle_timeout: Duration,
    /// Threads that serve, at most 1024 [default: one a core]
    #[arg(long, value_name = "N", value_parser = workers)]
    pub(crate) workers: Option<NonZeroUsize>,
    /// Further name that requests may give as their host, such as news.example; repeatable. With this flag, only
    /// loopback names, IP addresses and these [default: through a loopback address those and names without a dot,
    /// otherwise every name]
    #[arg(long = "host", value_name = "NAME", value_parser = host)]
    pub(crate) hosts: Vec<String>,
    /// Origin of web pages that may subscribe and publish, such as https://shop.example, besides the hub's own; repeatable
    #[arg(long = "allow-origin", value_name = "ORIGIN", value_parser = origin)]
    pub(crate) allow_origins: Vec<String>,
    /// Seconds for which SIGTERM changes only `/readyz` to 503, before the listener closes: as long as a
    /// load balancer needs to notice
    #[arg(long, value_name = "SECONDS", default_value = "0", value_parser = seconds_or_none)]
    pub(crate) drain_delay: Duration,
    /// Seconds over which the goodbyes to the clients are spread, once the listener is closed
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = seconds_or_none)]
    pub(crate) drain: Duration,
    /// Answer `/` with some lines of text in place of the live page
    #[arg(long)]
    pub(crate) no_page: bool,
    /// Send with one system call each, even where io_uring is to be had, to compare the two
    #[arg(long)]
    pub(crate) no_io_uring: bool,
    /// Serve through the stream adapters in place of the lanes, to compare the two
    #[arg(long)]
    pub(crate) general_path: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Slow {
    /// Tell them the gap and go on with the oldest that is left
    Gap,
    /// Let them go
    Disconnect,
    /// Tell them the gap and go on with the newest
    KeepLatest,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tidings compare
  tidings compare --quick --html report.html
  tidings compare --transports sse,message-queue
  tidings compare --clients 10000 --rate 4 --rows connect,steady --transports websocket,sse --json figures.json
  tidings compare --baseline --full
  tidings compare --baseline --rows saturation,p99 --rounds 5
  tidings compare --transports broker --clients 500
  tidings compare --url http://127.0.0.1:8080

Every notification goes to every client. Latency counts from the scheduled time of the publish.
Ctrl-C ends the run, reports the measurements that are finished and makes the exit code 1.
Anything lost, duplicated or reordered makes the exit code 1, and so does a contender that fails. A
target that is missed does not: on a machine with other work that says nothing yet. Neither does a
loss of the baseline, which closes a client whose socket is full, nor a message queue whose server is
not installed. A line says how to get it.")]
pub(crate) struct CompareArgs {
    /// Measure 200 clients in one round, as a first look
    #[arg(long)]
    pub(crate) quick: bool,
    /// Measure the long scenarios too: ten times as many quiet clients, a topic for each client, resume, and fifteen
    /// times as many clients
    #[arg(long)]
    pub(crate) full: bool,
    /// Measure the baseline next to each transport, and hold the ratios against their targets
    #[arg(long, conflicts_with = "url")]
    pub(crate) baseline: bool,
    /// Connected clients [default: 1000, with --quick 200]
    #[arg(long, value_name = "N")]
    pub(crate) clients: Option<usize>,
    /// Notifications published a second [default: 20, with --quick 40]
    #[arg(long, value_name = "PER-SECOND")]
    pub(crate) rate: Option<f64>,
    /// Bytes of each payload [default: 128]
    #[arg(long, value_name = "BYTES")]
    pub(crate) payload: Option<usize>,
    /// Interleaved rounds [default: 3, with --quick 1]
    #[arg(long, value_name = "N")]
    pub(crate) rounds: Option<usize>,
    /// Seconds of each stage [default: 1 steady and burst, 0.3 saturation]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) seconds: Option<Duration>,
    /// Transports and message queues to compare, in this order, by their name or their family: transports, plain,
    /// baseline, message-queue, broker (an unknown name lists all) [default: transports, message-queue]
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', value_parser = a_contender(), hide_possible_values = true)]
    pub(crate) transports: Vec<String>,
    /// Measure only these rows, by a part of their key such as p99 or steady.cpu (an unknown key lists all)
    #[arg(long, value_name = "KEY,…", value_delimiter = ',')]
    pub(crate) rows: Vec<String>,
    /// Measure a server that is already running; without --pid nothing is known of its CPU and memory
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<Secret>,
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
    /// The process of the server at --url, if it is on this machine
    #[arg(long, value_name = "PID", requires = "url")]
    pub(crate) pid: Option<u32>,
    /// Write every raw figure as JSON; - is standard output, and the table then goes to standard error
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Write a page with plots; - is standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  echo hello | tidings publish http://127.0.0.1:8080/topics/greetings
  tidings publish http://127.0.0.1:8080/topics/pictures --binary --content-type image/png < cat.png
  tidings publish https://hub.example/topics/orders.new --token \"$TOKEN\" < order.json
  echo '{\"topic\":\"orders.new\",\"data\":\"hello\"}' | tidings publish http://127.0.0.1:8080/topics --ndjson

One line end at the end of a text is left out, because `echo` and editors add it; --raw keeps it.")]
pub(crate) struct PublishArgs {
    /// The topic's address, such as http://127.0.0.1:8080/topics/greetings; https as well
    pub(crate) url: Secret,
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
    /// Publish each line, a JSON object with a topic, data or data_base64, and maybe a key; the address ends with /topics
    #[arg(long, conflicts_with_all = ["binary", "raw", "idempotency_key"])]
    pub(crate) ndjson: bool,
    /// The payload is binary, not text
    #[arg(long)]
    pub(crate) binary: bool,
    /// Keep the line end at the end of a text
    #[arg(long)]
    pub(crate) raw: bool,
    /// A key of this publish's own, such as a UUID: with it, trying again stores nothing twice
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

Reconnects by itself, with its position. A gap is a line on standard error, and with --json one on standard output.")]
pub(crate) struct SubscribeArgs {
    /// The address, such as http://127.0.0.1:8080/topics/orders.*; https as well
    pub(crate) url: Secret,
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
    /// By which transport
    #[arg(long, value_name = "NAME", default_value = "websocket", value_parser = a_transport())]
    pub(crate) transport: String,
    /// Print the id, the topic, the headers and the data as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Read after this id, from the `earliest`, or from the `latest` of each topic [default: from now on]
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

fn a_transport() -> clap::builder::PossibleValuesParser {
    let listed = transports();
    listed.iter().map(|listed| listed.server.name()).collect::<Vec<_>>().into()
}

fn a_contender() -> clap::builder::PossibleValuesParser {
    tidings_compare::contender_names().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn every_transport_can_be_compared() {
        let names = tidings_compare::contender_names();
        let listed = transports();
        assert!(listed.iter().all(|listed| names.contains(&listed.server.name())));
    }

    #[test]
    fn the_command_line_is_sound() {
        Args::command().debug_assert();
    }
}
