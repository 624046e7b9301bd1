//! What to measure, and how long.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;
use tidings_transport::client::ConnectOptions;
use url::Url;

use crate::schedule::BURST;
use crate::stamp::Stamp;

/// The most sockets that one load process holds: the usual limit of 20,000 open files, less some.
pub const MAX_SOCKETS: usize = 19_900;

/// The plan of a comparison. Start from [`Plan::new`] or [`Plan::quick`] and set what should differ.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The hub to measure.
    pub hub: HubUnderTest,
    /// Names of the contenders to compare, or of their families, in this order; empty means all that are
    /// given to [`run`](crate::run). Default: empty.
    pub transports: Vec<String>,
    /// Connected clients, each of which receives everything. Default 1,000.
    pub clients: usize,
    /// Notifications published a second in the regimes steady and burst; times `clients` are the
    /// deliveries. Keep it below what the hub and the load can do: beyond, latencies only say how long
    /// the queue grew. Default 20, because a request for each delivery is then still below saturation
    /// with one core for each side.
    pub rate: f64,
    /// Bytes of each payload, at least [`Plan::MIN_PAYLOAD`]. Default 128.
    pub payload: usize,
    /// Interleaved rounds (A B C A B C), each with a fresh hub where the hub is ours. The medians are
    /// over rounds. Default 3.
    pub rounds: usize,
    /// How long the steady regime publishes, for each transport and round. Default 3 s.
    pub steady: Duration,
    /// How long the burst regime publishes, for each transport and round. Default 3 s.
    pub burst: Duration,
    /// How long saturation goes on, for each transport and round. Default 1.5 s.
    pub saturation: Duration,
    /// Publishing connections, and so the notifications in flight at saturation. Default 64.
    pub publishers: usize,
    /// How long to wait for what has been published and has not arrived; then it is lost. Default 10 s.
    pub patience: Duration,
}

/// Which hub is measured.
#[derive(Clone, Debug)]
pub enum HubUnderTest {
    /// A child process, a fresh one for each transport and round.
    Child {
        /// The program.
        program: PathBuf,
        /// Its arguments. It has to listen on a free port and to write the line
        /// `listening on http://ADDRESS:PORT` to standard output. Where hubs share a stream, the
        /// arguments `--broker URL` follow these.
        args: Vec<String>,
    },
    /// A hub that runs already.
    Url {
        /// Its address, such as `http://127.0.0.1:8080`.
        url: Url,
        /// Its process, where it is on this machine: without, nothing is known of its CPU and memory.
        pid: Option<u32>,
        /// Headers, time limits and certificates of every connection to it.
        options: Arc<ConnectOptions>,
    },
}

/// The numbers of a plan as the report keeps them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanRecord {
    /// Connected clients.
    pub clients: usize,
    /// Notifications a second in the regimes steady and burst.
    pub rate: f64,
    /// Bytes of each payload.
    pub payload: usize,
    /// Rounds.
    pub rounds: usize,
    /// Seconds of the steady regime.
    pub steady_seconds: f64,
    /// Seconds of the burst regime.
    pub burst_seconds: f64,
    /// Seconds of saturation.
    pub saturation_seconds: f64,
    /// Publishing connections.
    pub publishers: usize,
    /// Whether the hub was a child of the load process.
    pub own_hub: bool,
}

/// A plan that cannot be carried out.
#[derive(Debug, Error, PartialEq)]
pub enum PlanError {
    /// Nothing to measure.
    #[error("{what} must be at least {least}, not {given}")]
    TooSmall {
        /// The field.
        what: &'static str,
        /// What is needed.
        least: usize,
        /// What the plan has.
        given: usize,
    },
    /// No row of the table against the limit has this in its name.
    #[error("there is no row {name:?}; there are {known}")]
    UnknownRow {
        /// What was asked for.
        name: String,
        /// Those there are.
        known: String,
    },
    /// Not a number that can be published at.
    #[error("rate must be above 0 and at most {most} a second, not {given}")]
    BadRate {
        /// What is allowed.
        most: f64,
        /// What the plan has.
        given: f64,
    },
    /// The payload is more than a hub takes by default.
    #[error("payload must be at most {most} bytes, not {given}")]
    PayloadTooBig {
        /// What is allowed.
        most: usize,
        /// What the plan has.
        given: usize,
    },
    /// More sockets than one process holds.
    #[error("{clients} clients and {publishers} publishers need {} sockets, and one load process holds {most}: compare with fewer clients", .clients + .publishers)]
    TooManySockets {
        /// Clients of the plan.
        clients: usize,
        /// Publishers of the plan.
        publishers: usize,
        /// What one process holds.
        most: usize,
    },
    /// Not enough publishes to say anything.
    #[error(
        "{regime} at {rate} notifications a second for {seconds} s publishes fewer than {least}: raise the rate or the time"
    )]
    TooShort {
        /// The regime.
        regime: &'static str,
        /// Notifications a second.
        rate: f64,
        /// Seconds.
        seconds: f64,
        /// What is needed.
        least: usize,
    },
    /// No client of this name.
    #[error("there is no transport {name:?}; there are {known}")]
    UnknownTransport {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// Nodes are started by whoever measures them.
    #[error("hubs that share a stream are started for the run: leave out the address of a hub")]
    NotOurs,
    /// No contenders at all.
    #[error("there is no transport to compare")]
    NoTransport,
}

impl Plan {
    /// The smallest payload: it carries who sent it, its number and its time.
    pub const MIN_PAYLOAD: usize = Stamp::LEN;
    /// The greatest payload, what a hub takes by default.
    pub const MAX_PAYLOAD: usize = 1024 * 1024;
    /// The greatest rate, which is beyond every hub of one machine.
    pub const MAX_RATE: f64 = 1e6;

    /// The default plan: under 90 s on two cores for three transports.
    pub fn new(hub: HubUnderTest) -> Self {
        Self {
            hub,
            transports: Vec::new(),
            clients: 1_000,
            rate: 20.0,
            payload: 128,
            rounds: 3,
            steady: Duration::from_secs(3),
            burst: Duration::from_secs(3),
            saturation: Duration::from_millis(1_500),
            publishers: 64,
            patience: Duration::from_secs(10),
        }
    }

    /// A look in under 20 s for six contenders: 200 clients, 40 notifications a second, and one round, so that its medians
    /// are single samples.
    pub fn quick(hub: HubUnderTest) -> Self {
        Self {
            clients: 200,
            rate: 40.0,
            rounds: 1,
            steady: Duration::from_secs(1),
            burst: Duration::from_secs(1),
            saturation: Duration::from_millis(600),
            ..Self::new(hub)
        }
    }

    /// Whether the plan can be carried out. [`run`](crate::run) asks this first.
    pub fn check(&self) -> Result<(), PlanError> {
        let least = |what, least, given| {
            if given < least { Err(PlanError::TooSmall { what, least, given }) } else { Ok(()) }
        };
        least("clients", 1, self.clients)?;
        least("rounds", 1, self.rounds)?;
        least("publishers", 1, self.publishers)?;
        least("payload", Self::MIN_PAYLOAD, self.payload)?;
        if self.payload > Self::MAX_PAYLOAD {
            return Err(PlanError::PayloadTooBig { most: Self::MAX_PAYLOAD, given: self.payload });
        }
        if !(self.rate > 0.0 && self.rate <= Self::MAX_RATE) {
            return Err(PlanError::BadRate { most: Self::MAX_RATE, given: self.rate });
        }
        let sockets = self.clients.saturating_add(self.publishers);
        if sockets > MAX_SOCKETS || self.publishers > usize::from(u16::MAX) {
            let (clients, publishers) = (self.clients, self.publishers);
            return Err(PlanError::TooManySockets { clients, publishers, most: MAX_SOCKETS });
        }
        for (regime, time) in [("steady", self.steady), ("burst", self.burst)] {
            let (rate, seconds) = (self.rate, time.as_secs_f64());
            if rate * seconds < BURST as f64 {
                return Err(PlanError::TooShort { regime, rate, seconds, least: BURST });
            }
        }
        Ok(())
    }

    /// The numbers for the report.
    pub(crate) fn record(&self) -> PlanRecord {
        PlanRecord {
            clients: self.clients,
            rate: self.rate,
            payload: self.payload,
            rounds: self.rounds,
            steady_seconds: self.steady.as_secs_f64(),
            burst_seconds: self.burst.as_secs_f64(),
            saturation_seconds: self.saturation.as_secs_f64(),
            publishers: self.publishers,
            own_hub: matches!(self.hub, HubUnderTest::Child { .. }),
        }
    }
}

impl HubUnderTest {
    /// `serve` of the program that is running.
    ///
    /// # Errors
    /// Where the system does not tell which program that is.
    pub fn this_program() -> std::io::Result<Self> {
        let args = ["serve", "--listen", "127.0.0.1:0"].map(str::to_owned).to_vec();
        Ok(Self::Child { program: std::env::current_exe()?, args })
    }

    /// How to connect to it.
    pub(crate) fn options(&self) -> Arc<ConnectOptions> {
        match self {
            Self::Child { .. } => Arc::default(),
            Self::Url { options, .. } => options.clone(),
        }
    }

    /// The same over the engine at this address. A hub that runs already is over what it is over.
    pub(crate) fn over(&self, engine: &Url) -> Self {
        let mut hub = self.clone();
        if let Self::Child { args, .. } = &mut hub {
            args.extend(["--broker".to_owned(), engine.to_string()]);
        }
        hub
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        Plan::new(HubUnderTest::Child { program: "tidings".into(), args: Vec::new() })
    }

    #[test]
    fn the_presets_can_be_carried_out() {
        assert_eq!(plan().check(), Ok(()));
        assert_eq!(Plan::quick(plan().hub).check(), Ok(()));
    }

    #[test]
    fn more_sockets_than_a_process_holds_are_refused_with_the_numbers() {
        let error = Plan { clients: 30_000, ..plan() }.check().unwrap_err();
        assert_eq!(
            error.to_string(),
            "30000 clients and 64 publishers need 30064 sockets, and one load process holds 19900: \
             compare with fewer clients"
        );
        assert_eq!(Plan { clients: MAX_SOCKETS - 64, ..plan() }.check(), Ok(()));
        assert!(Plan { clients: usize::MAX, ..plan() }.check().is_err());
    }

    #[test]
    fn a_plan_that_would_measure_nothing_is_refused() {
        for bad in [
            Plan { clients: 0, ..plan() },
            Plan { rounds: 0, ..plan() },
            Plan { publishers: 0, ..plan() },
            Plan { rate: 0.0, ..plan() },
            Plan { rate: f64::NAN, ..plan() },
            Plan { rate: 2.0 * Plan::MAX_RATE, ..plan() },
            Plan { payload: Plan::MIN_PAYLOAD - 1, ..plan() },
            Plan { payload: Plan::MAX_PAYLOAD + 1, ..plan() },
            Plan { rate: 1.0, ..plan() },
            Plan { burst: Duration::ZERO, ..plan() },
        ] {
            assert!(bad.check().is_err(), "{bad:?}");
        }
    }
}
