//! The list of scenarios: how many clients there are, and the stages they go through.

use std::time::Duration;

use crate::contender::{Contender, Family, Server};
use crate::protocol::Transport;

/// A fresh server, a fresh load, and stages one after the other.
#[derive(Debug)]
pub(crate) struct Scenario {
    /// The number of clients as a multiple of the plan's.
    pub(crate) times: usize,
    pub(crate) own_topics: bool,
    /// Further arguments of our server.
    pub(crate) serve_args: &'static [&'static str],
    pub(crate) stages: &'static [Stage],
    includes: fn(&Contender) -> bool,
}

/// A part of a scenario that yields a sample.
#[derive(Debug)]
pub(crate) struct Stage {
    /// Its name in samples and in the keys of rows.
    pub(crate) name: &'static str,
    pub(crate) work: Work,
}

/// What happens in a stage.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Work {
    Connect,
    /// Nothing is published for so long.
    Watch(Duration),
    Steady,
    Burst,
    Saturate,
    /// Publishes of which each is meant for one client.
    Topics,
    /// All clients return to a log that they have not seen.
    Resume,
}

/// Notifications at the same instant in a burst.
pub(crate) const BURST: usize = 10;

/// The interval of heartbeats while quiet clients are watched, and the time: each client has exactly one heartbeat,
/// which may be late by a hundredth of the interval.
const HEARTBEAT: &[&str] = &["--heartbeat", "5"];
const WATCH: Duration = Duration::from_millis(5_060);

/// The first scenario is measured by default, all of them with `--full`.
pub(crate) static SCENARIOS: &[Scenario] = &[
    Scenario {
        times: 1,
        own_topics: false,
        serve_args: &[],
        stages: &[
            Stage { name: "connect", work: Work::Connect },
            Stage { name: "steady", work: Work::Steady },
            Stage { name: "burst", work: Work::Burst },
            Stage { name: "saturation", work: Work::Saturate },
        ],
        includes: |_| true,
    },
    Scenario {
        times: 10,
        own_topics: false,
        serve_args: HEARTBEAT,
        stages: &[
            Stage { name: "quiet", work: Work::Connect },
            Stage { name: "heartbeat", work: Work::Watch(WATCH) },
        ],
        includes: is_http,
    },
    Scenario {
        times: 10,
        own_topics: true,
        serve_args: &[],
        stages: &[Stage { name: "topics", work: Work::Topics }],
        includes: |contender| contender.transport == Transport::WebSocket,
    },
    Scenario {
        times: 1,
        own_topics: false,
        serve_args: &[],
        stages: &[Stage { name: "resume", work: Work::Resume }],
        includes: |contender| contender.family == Family::Transports,
    },
    Scenario {
        times: 15,
        own_topics: false,
        serve_args: &[],
        stages: &[Stage { name: "many", work: Work::Saturate }],
        includes: is_http,
    },
];

fn is_http(contender: &Contender) -> bool {
    contender.transport.is_http() && !matches!(contender.server, Server::Nodes(..))
}

impl Scenario {
    /// Returns `true` if the contender takes part.
    pub(crate) fn includes(&self, contender: &Contender) -> bool {
        (self.includes)(contender)
    }
}

impl Work {
    /// Returns `true` if the clients have to be connected before the stage.
    pub(crate) fn needs_clients(self) -> bool {
        !matches!(self, Self::Connect | Self::Resume)
    }
}
