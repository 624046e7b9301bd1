//! The command line.

use std::net::{SocketAddr, ToSocketAddrs};

use clap::{Args, Parser, Subcommand, value_parser};

use crate::clients::load::Plan;
use crate::clients::requests::Transport;

/// The most clients that one process has: what is usually allowed are 20,000 descriptors.
const MOST_CLIENTS: u64 = 19_900;

/// Drives a server that speaks the wire of tidings with thousands of clients, on one thread. Says `ready`, waits for
/// a line on stdin, measures, prints one line of JSON, and serves its clients until a further line or the end.
#[derive(Debug, Parser)]
#[command(name = "tidings-load", version)]
pub(crate) struct Options {
    #[command(subcommand)]
    pub(crate) scenario: Scenario,
}

/// What is measured.
#[derive(Debug, Subcommand)]
pub(crate) enum Scenario {
    /// Notifications at a rate, to everyone.
    Steady {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        pace: Pace,
        /// How many notifications are published back to back; the rate stays what it is.
        #[arg(long, value_name = "N", default_value_t = 1, value_parser = value_parser!(u64).range(1..))]
        burst: u64,
    },
    /// Notifications as fast as the server answers, to everyone.
    Saturate {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        publishes: Publishes,
        /// How many publishes may be unanswered.
        #[arg(long, value_name = "N", default_value_t = WINDOW, value_parser = value_parser!(u64).range(1..))]
        in_flight: u64,
    },
    /// Notifications at a rate, each to one client: client I subscribes to the topic t.I.
    Topics {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        pace: Pace,
    },
    /// Connections and handshakes.
    Connect {
        #[command(flatten)]
        common: Common,
        /// How many clients are on their way at once.
        #[arg(long, value_name = "N", default_value_t = 64, value_parser = value_parser!(u64).range(1..))]
        concurrency: u64,
    },
    /// Clients that hear nothing but heartbeats; measured by whoever looks at the server meanwhile.
    Idle {
        #[command(flatten)]
        common: Common,
        /// How long they are looked at. A load that hears nothing on stdin for this long and its patience has been
        /// forgotten, and ends.
        #[arg(long, value_name = "N", default_value_t = 3600, value_parser = value_parser!(u64).range(1..=86_400))]
        seconds: u64,
    },
    /// Clients that come back at once for a log they have missed.
    Resume {
        #[command(flatten)]
        common: Common,
        /// How many notifications the log has.
        #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..=MOST_PUBLISHES))]
        log: u64,
    },
    /// Notifications that nobody reads before all are published and a line `read` has come on stdin.
    Flood {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        publishes: Publishes,
    },
}

/// How many publishes may be unanswered where that is not an option.
const WINDOW: u64 = 64;

/// For each publish there is a time to be kept, of eight bytes.
const MOST_PUBLISHES: u64 = 100_000_000;

/// What every scenario asks for.
#[derive(Debug, Args)]
pub(crate) struct Common {
    /// The server, by http.
    #[arg(long, value_name = "URL", value_parser = server)]
    url: SocketAddr,
    /// How clients receive.
    #[arg(long)]
    transport: Transport,
    /// How many clients there are.
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..=MOST_CLIENTS))]
    clients: u64,
    /// How long a payload is, in bytes.
    #[arg(long, value_name = "BYTES", default_value_t = 128, value_parser = value_parser!(u64).range(48..=1_048_576))]
    payload: u64,
    /// How long is waited, in seconds: for all clients to be ready, and then for what has been published, counted
    /// from the last publish where these have a schedule. What is missing by then is lost.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = value_parser!(u64).range(1..=86_400))]
    patience: u64,
}

/// Publishes by the clock.
#[derive(Debug, Args)]
pub(crate) struct Pace {
    /// How many notifications a second.
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..=1_000_000))]
    pub(crate) rate: u64,
    /// For how long.
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..=86_400))]
    seconds: u64,
}

impl Pace {
    /// How many that makes.
    pub(crate) fn publishes(&self) -> u64 {
        self.rate * self.seconds
    }
}

/// Publishes by their number.
#[derive(Debug, Args)]
pub(crate) struct Publishes {
    /// How many notifications.
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..=MOST_PUBLISHES))]
    pub(crate) publishes: u64,
}

impl Scenario {
    /// What it wants of the load.
    pub(crate) fn plan(&self) -> Plan {
        match self {
            Self::Steady { common, pace, .. } => common.plan(pace.publishes()),
            Self::Saturate { common, publishes, in_flight } => {
                Plan { window: *in_flight, ..common.plan(publishes.publishes) }
            }
            Self::Topics { common, pace } => {
                Plan { topics: common.clients, ..common.plan(pace.publishes()) }
            }
            // Whoever only connects has no use for a second poll.
            Self::Connect { common, .. } => Plan { renew: false, ..common.plan(0) },
            Self::Idle { common, .. } => common.plan(0),
            Self::Resume { common, log } => Plan { earliest: true, ..common.plan(*log) },
            Self::Flood { common, publishes } => {
                // Four times what is sent, because the system counts what it wraps each send in, too.
                let bytes = 4 * publishes.publishes * (common.payload + 64);
                let receive_buffer = Some(bytes.min(i32::MAX as u64 / 2) as usize);
                Plan { receive_buffer, ..common.plan(publishes.publishes) }
            }
        }
    }
}

impl Common {
    fn plan(&self, publishes: u64) -> Plan {
        Plan {
            server: self.url,
            transport: self.transport,
            clients: self.clients as usize,
            payload: self.payload as usize,
            patience: self.patience * 1_000_000_000,
            publishes,
            window: WINDOW,
            topics: 1,
            earliest: false,
            renew: true,
            receive_buffer: None,
        }
    }
}

/// The address in `http://host:port/`.
fn server(url: &str) -> Result<SocketAddr, String> {
    let rest = url.strip_prefix("http://").ok_or("the load speaks http only: http://HOST:PORT/")?;
    let authority = rest.strip_suffix('/').unwrap_or(rest);
    let mut addresses = authority
        .to_socket_addrs()
        .map_err(|error| format!("{authority} is no HOST:PORT of a server: {error}"))?;
    addresses.next().ok_or_else(|| format!("{authority} has no address"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_http_with_a_host_and_a_port() {
        let address = SocketAddr::from(([127, 0, 0, 1], 8080));
        for url in ["http://127.0.0.1:8080/", "http://127.0.0.1:8080"] {
            assert_eq!(server(url), Ok(address));
        }
        for url in ["https://127.0.0.1:8080/", "127.0.0.1:8080", "http://127.0.0.1/"] {
            assert!(server(url).is_err(), "{url}");
        }
    }
}
