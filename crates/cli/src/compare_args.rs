//! The command line of `tidings compare`.

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use tidings_compare::Payload;

use crate::bill_args::BillArgs;
use crate::remote::{CredentialArgs, Secret};
use crate::values::seconds;

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum HttpVersion {
    #[value(name = "1")]
    One,
    #[value(name = "2")]
    Two,
    #[value(name = "3")]
    Three,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Compressed {
    On,
    Off,
    Both,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  tidings compare
  tidings compare --quick --html report.html
  tidings compare --transports sse,message-queue
  tidings compare --list
  tidings compare --scenario idle,resume --transports sse
  tidings compare --clients 10000 --rate 4 --rows connect,steady --transports websocket,sse --json figures.json
  tidings compare --all --output comparison
  tidings compare --scenario baseline,baseline-tls --output comparison
  tidings compare --tls --http 1,2,3
  tidings compare --compression both --payload orders --transports transports,peers
  tidings compare --baseline --rows saturation,p99 --rounds 5
  tidings compare --scenario broker
  tidings compare --merge here/fan-out.json there/fan-out.json
  tidings compare --bill --output comparison --bill-clients 200000 --price-egress 0.01
  tidings compare --url http://127.0.0.1:8080

Latency counts from the time for which the publish was scheduled.
Ctrl-C ends the run and reports the measurements that are finished. The exit code is then 1.
The exit code is also 1 if a notification is lost, duplicated or reordered, or if a contender fails.
It remains 0 if a target is missed, because other work on the machine may be the reason. It also remains 0
if the baseline loses notifications, because it closes a client whose socket is full, and if the server of a
message queue is not installed. In that case a line of the report names the package to install.")]
pub(crate) struct CompareArgs {
    /// Measure these scenarios, by name
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', default_value = "fan-out")]
    pub(crate) scenario: Vec<String>,
    /// Measure all scenarios and write the whole comparison to the folder of --output [default: comparison]. It continues
    /// after an interruption
    #[arg(long, conflicts_with_all = ["scenario", "url"])]
    pub(crate) all: bool,
    /// List the scenarios and the question that each answers, and measure nothing
    #[arg(long)]
    pub(crate) list: bool,
    /// Measure a fifth of the clients in one round, as a first look
    #[arg(long)]
    pub(crate) quick: bool,
    /// Measure the baseline next to each transport, and compare the ratios with their targets
    #[arg(long, conflicts_with = "url")]
    pub(crate) baseline: bool,
    /// Measure over TLS, with a new certificate
    #[arg(long, conflicts_with = "url")]
    pub(crate) tls: bool,
    /// Measure our transports over these versions of HTTP, each with its own columns: 1, 2, or 3 (WebTransport, needs
    /// --tls) [default: 1, with message queues]
    #[arg(long, value_name = "VERSION,…", value_delimiter = ',')]
    pub(crate) http: Vec<HttpVersion>,
    /// Measure with compression, without, or both side by side with their ratios and targets. Named contenders of
    /// --transports get a column each [default: off, with message queues]
    #[arg(long, value_name = "on|off|both", conflicts_with = "http")]
    pub(crate) compression: Option<Compressed>,
    /// Connect N clients [default: that of the scenario, mostly 1000]
    #[arg(long, value_name = "N")]
    pub(crate) clients: Option<usize>,
    /// Publish this many notifications per second [default: that of the scenario, mostly 20]
    #[arg(long, value_name = "PER-SECOND")]
    pub(crate) rate: Option<f64>,
    /// Publish payloads of this size, or JSON as of real services: ticks or orders, or random text [default: that of the scenario, mostly 128]
    #[arg(long, value_name = "BYTES|NAME")]
    pub(crate) payload: Option<Payload>,
    /// Measure in N interleaved rounds [default: that of the scenario, mostly 3]
    #[arg(long, value_name = "N")]
    pub(crate) rounds: Option<usize>,
    /// Measure each stage for this time [default: that of the scenario, mostly 1, and 0.3 for saturation]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) seconds: Option<Duration>,
    /// Compare these contenders, in this order, by name or by family: transports, http2, http3, compressed, plain,
    /// general, general-compressed, mounted, axum, encoding, baseline, peers, peers-compressed, proxies, message-queue,
    /// broker, two-servers, browser (an unknown name lists all) [default: those of the scenario; with --baseline, --tls,
    /// --compression or --url without message queues]
    #[arg(
        long,
        value_name = "NAME,…",
        value_delimiter = ',',
        value_parser = contender_names(),
        hide_possible_values = true
    )]
    pub(crate) transports: Vec<String>,
    /// Start the servers of other projects (family peers) by the scripts in this folder
    #[arg(long, value_name = "FOLDER", default_value = "benches/peers")]
    pub(crate) peers: PathBuf,
    /// Measure only these rows, by part of their key, such as p99 or steady.cpu (an unknown key lists all)
    #[arg(long, value_name = "KEY,…", value_delimiter = ',')]
    pub(crate) rows: Vec<String>,
    /// Measure a server that is already running (its CPU and memory need --pid)
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<Secret>,
    #[command(flatten)]
    pub(crate) credentials: CredentialArgs,
    /// Measure CPU and memory of this process, the server at --url on this machine
    #[arg(long, value_name = "PID", requires = "url")]
    pub(crate) pid: Option<u32>,
    /// Write the raw figures of each scenario to FOLDER/NAME.json and the page about them to FOLDER/report.html. Disturbed
    /// measurements are repeated, and an interrupted run is continued
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["json", "html", "url"])]
    pub(crate) output: Option<PathBuf>,
    /// Print the figures of these files of raw data side by side, from several machines, and measure nothing
    #[arg(long, value_name = "FILE", num_args = 2.., conflicts_with_all = ["scenario", "all", "output", "url"])]
    pub(crate) merge: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) bill: BillArgs,
    /// Write all raw figures as JSON (- is standard output; the table then goes to standard error)
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Write an HTML report with plots (- is standard output)
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
}

fn contender_names() -> clap::builder::PossibleValuesParser {
    tidings_compare::contender_names().into()
}

#[cfg(test)]
mod tests {
    use tidings::server::transports;

    #[test]
    fn every_transport_can_be_compared() {
        let names = tidings_compare::contender_names();
        assert!(transports().iter().all(|listed| names.contains(&listed.server.name())));
    }
}
