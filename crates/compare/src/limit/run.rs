//! What one run is: a server, a crowd of one transport, and what it does.

use std::fmt;
use std::time::Duration;

use crate::pin::Place;

/// A server as it is started. Two runs with equal parts are one run, whatever rows ask for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Server {
    pub(crate) side: Side,
    /// Behind the arguments with which each of its side is started.
    pub(crate) flags: &'static [&'static str],
    pub(crate) place: Place,
}

/// Whose server it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Hub,
    Limit,
}

/// By which transport the crowd is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    WebSocket,
    Sse,
    LongPolling,
}

/// A crowd and what it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Load {
    pub(crate) transport: Transport,
    pub(crate) clients: usize,
    pub(crate) work: Work,
}

/// What is done, as the load program names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// Publishes on schedule, `burst` at the same instant, `rate` a second in the mean.
    Steady { rate: u32, burst: u32, time: Duration },
    /// Publishes with [`IN_FLIGHT`] unanswered.
    Saturate { publishes: u32 },
    /// A topic for each client, publishes in turn, one delivery each.
    Topics { rate: u32, time: Duration },
    /// Handshakes.
    Connect,
    /// Connects everybody and then keeps still for the window, which may be none at all.
    Idle { window: Duration },
    /// Everybody comes back to a log of so many at once.
    Resume { log: u32 },
    /// Publishes while nobody reads, so that all the CPU there is can be the server's.
    Flood { publishes: u32 },
}

/// A server with its load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) server: Server,
    pub(crate) load: Load,
}

/// Notifications, or handshakes, that are under way at the same time.
const IN_FLIGHT: u32 = 64;

/// By how much `--quick` makes everything smaller.
const QUICK: u32 = 10;
/// How long `--quick` publishes.
const QUICK_TIME: Duration = Duration::from_secs(2);

impl Server {
    /// Whether it sends by io_uring where it can.
    pub(crate) fn wants_io_uring(&self) -> bool {
        self.side == Side::Hub && !self.flags.contains(&"--no-io-uring")
    }

    /// This server under that load.
    pub(crate) const fn under(self, load: Load) -> Run {
        Run { server: self, load }
    }
}

impl Run {
    /// The same with small numbers.
    pub(crate) fn quick(self) -> Self {
        let work = match self.load.work {
            Work::Steady { rate, burst, .. } => Work::Steady { rate, burst, time: QUICK_TIME },
            Work::Topics { rate, .. } => Work::Topics { rate, time: QUICK_TIME },
            // A tenth of the clients, ten times as often: as many heartbeats a second.
            Work::Idle { window } => Work::Idle { window: window / QUICK },
            Work::Resume { log } => Work::Resume { log: log / QUICK },
            as_it_is @ (Work::Saturate { .. } | Work::Connect | Work::Flood { .. }) => as_it_is,
        };
        let clients = (self.load.clients / QUICK as usize).max(1);
        Self { load: Load { clients, work, ..self.load }, ..self }
    }

    /// How many of the rounds that are asked for it takes part in. What is long and hardly spreads need
    /// not be repeated as often.
    pub(crate) fn rounds(&self, asked: usize) -> usize {
        match self.load.work {
            Work::Idle { .. } => asked.min(3),
            Work::Resume { .. } => asked.min(2),
            _ => asked,
        }
    }

    /// What the server is started with, behind the arguments that all of its side share.
    pub(crate) fn server_args(&self) -> Vec<String> {
        let mut args: Vec<String> = self.server.flags.iter().map(|&flag| flag.to_owned()).collect();
        let mut add = |name: &str, value: String| args.extend([name.to_owned(), value]);
        match (self.server.side, self.load.work) {
            // So that everybody has one heartbeat within the window.
            (Side::Hub, Work::Idle { window }) if !window.is_zero() => {
                add("--heartbeat", window.as_secs_f64().to_string());
            }
            (Side::Hub, Work::Resume { log }) => add("--retain", log.to_string()),
            _ => {}
        }
        args
    }
}

impl Load {
    /// What the load program is started with, the server's address apart.
    pub(crate) fn args(&self) -> Vec<String> {
        let Self { transport, clients, work } = *self;
        let mut args = vec![work.name().to_owned()];
        let mut add = |name: &str, value: String| args.extend([name.to_owned(), value]);
        add("--transport", transport.name().to_owned());
        add("--clients", clients.to_string());
        match work {
            Work::Steady { rate, burst, time } => {
                add("--rate", rate.to_string());
                add("--burst", burst.to_string());
                add("--seconds", time.as_secs_f64().to_string());
            }
            Work::Topics { rate, time } => {
                add("--rate", rate.to_string());
                add("--seconds", time.as_secs_f64().to_string());
            }
            Work::Saturate { publishes } => {
                add("--publishes", publishes.to_string());
                add("--in-flight", IN_FLIGHT.to_string());
            }
            Work::Connect => add("--concurrency", IN_FLIGHT.to_string()),
            Work::Resume { log } => add("--log", log.to_string()),
            Work::Flood { publishes } => add("--publishes", publishes.to_string()),
            Work::Idle { .. } => {}
        }
        args
    }
}

impl Side {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Hub => "hub",
            Self::Limit => "limit",
        }
    }
}

impl Transport {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::WebSocket => "websocket",
            Self::Sse => "sse",
            Self::LongPolling => "long-polling",
        }
    }
}

impl Work {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Steady { .. } => "steady",
            Self::Saturate { .. } => "saturate",
            Self::Topics { .. } => "topics",
            Self::Connect => "connect",
            Self::Idle { .. } => "idle",
            Self::Resume { .. } => "resume",
            Self::Flood { .. } => "flood",
        }
    }
}

/// As `hub --workers 1 under steady --transport sse`, and so on: what was asked of both, and the name under which
/// samples are filed.
impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.server.side.name())?;
        self.server_args().iter().try_for_each(|arg| write!(f, " {arg}"))?;
        write!(f, " under {}", self.load)
    }
}

/// As the load program is asked for it.
impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.args().join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limit::rows::{HUB, HUB_PLAIN, LIMIT};

    const IDLE: Load = Load {
        transport: Transport::Sse,
        clients: 10_000,
        work: Work::Idle { window: Duration::from_secs(25) },
    };

    #[test]
    fn a_quick_crowd_has_as_many_heartbeats_a_second() {
        let quick = HUB.under(IDLE).quick();
        assert_eq!(quick.load.clients, 1_000);
        assert!(quick.server_args().ends_with(&["--heartbeat".into(), "2.5".into()]));
    }

    #[test]
    fn the_limit_is_not_asked_for_what_only_the_hub_has() {
        assert!(LIMIT.under(IDLE).server_args().is_empty());
    }

    #[test]
    fn the_load_program_is_asked_in_its_own_words() {
        let work = Work::Steady { rate: 20, burst: 10, time: Duration::from_secs(5) };
        let run = HUB_PLAIN.under(Load { transport: Transport::LongPolling, clients: 7, work });
        assert_eq!(
            run.to_string(),
            "hub --workers 1 --no-io-uring under steady --transport long-polling --clients 7 \
             --rate 20 --burst 10 --seconds 5"
        );
    }

    #[test]
    fn one_client_stays_one_client() {
        let load = Load { clients: 1, ..IDLE };
        assert_eq!(LIMIT.under(load).quick().load.clients, 1);
    }
}
