//! The list of scenarios: the number of clients, and the stages of each.

use crate::contender::{COMPRESSED, Contender, HTTP2, HTTP3, TRANSPORTS};
use crate::protocol::{Command, Transport};
use crate::workload::Workload;

/// A sequence of stages with the same server and the same load, both of which are fresh.
#[derive(Debug)]
pub(crate) struct Scenario {
    /// Its name on the command line.
    pub(crate) name: &'static str,
    /// The question that it answers.
    pub(crate) question: &'static str,
    /// The number of clients as a multiple of the plan's.
    pub(crate) times: usize,
    /// This number of clients instead. If it is more than ten times the plan's, the scenario is not measured.
    pub(crate) clients: Option<usize>,
    pub(crate) own_topics: bool,
    /// `true` if a log is published before clients connect.
    pub(crate) has_log: bool,
    /// `true` if it is measured only over TLS.
    pub(crate) needs_tls: bool,
    /// `true` if it is measured only if the plan has compression, and then by default.
    pub(crate) needs_compression: bool,
    /// Additional arguments of our server.
    pub(crate) serve_args: &'static [&'static str],
    pub(crate) stages: &'static [Stage],
    /// Selects the contenders that take part.
    pub(crate) includes: fn(&Contender) -> bool,
}

/// A part of a scenario that yields a sample.
#[derive(Debug)]
pub(crate) struct Stage {
    /// Its name in samples and in the keys of rows.
    pub(crate) name: &'static str,
    /// The command for the load.
    pub(crate) command: fn(&Workload) -> Command,
}

/// Notifications at the same instant in a burst.
pub(crate) const BURST: usize = 10;

/// Publishes per second to topics with one client, and to few clients.
const TOPICS_RATE: f64 = 500.0;

/// The interval of heartbeats while quiet clients are watched, and the time for which they are watched. Each client has
/// exactly one heartbeat in that time, which may be late by a hundredth of the interval.
const HEARTBEAT: &[&str] = &["--heartbeat", "5"];
const WATCH: Command = Command::Watch { seconds: 5.06 };

/// Connects all clients. Enough of them at once to keep a server busy, and few enough for the listen backlog of any
/// server.
pub(crate) const CONNECT: Command = Command::Connect { at_once: 64, resumes: false };

const DEFAULT: Scenario = Scenario {
    name: "fan-out",
    question: "What does it cost to connect, and to send each notification to all clients: steadily, in bursts, at most?",
    times: 1,
    clients: None,
    own_topics: false,
    has_log: false,
    needs_tls: false,
    needs_compression: false,
    serve_args: &[],
    stages: &[
        Stage { name: "connect", command: |_| CONNECT },
        Stage { name: "steady", command: publish_steadily },
        Stage { name: "burst", command: |it| publish(it.rate, BURST, it.burst_seconds) },
        Stage { name: "saturation", command: saturate },
    ],
    includes: |_| true,
};

/// Returns the name of each scenario, the question that it answers, and when it is measured. The last is empty for the
/// scenario that is measured by default.
pub fn scenarios() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    SCENARIOS.iter().map(|scenario| {
        let when = match scenario {
            Scenario { needs_tls: true, .. } => "needs --tls",
            Scenario { needs_compression: true, .. } => "needs --compression",
            _ if std::ptr::eq(scenario, &SCENARIOS[0]) => "",
            _ => "also with --full",
        };
        (scenario.name, scenario.question, when)
    })
}

/// The first scenario is measured by default, all of them with `--full`.
pub(crate) static SCENARIOS: &[Scenario] = &[
    DEFAULT,
    Scenario {
        name: "idle",
        question: "What does a client cost that is sent nothing but heartbeats?",
        times: 10,
        serve_args: HEARTBEAT,
        stages: &[
            Stage { name: "quiet", command: |_| CONNECT },
            Stage { name: "heartbeat", command: |_| WATCH },
        ],
        includes: Contender::is_one_http_server,
        ..DEFAULT
    },
    Scenario {
        name: "topics",
        question: "What does a notification cost if each client has its own topic?",
        times: 10,
        own_topics: true,
        stages: &[Stage { name: "topics", command: publish_often }],
        includes: |contender| contender.transport == Transport::WebSocket,
        ..DEFAULT
    },
    Scenario {
        name: "resume",
        question: "What does it cost to send a client everything that the server retains?",
        has_log: true,
        stages: &[Stage { name: "resume", command: |_| Command::Resume }],
        includes: |contender| matches!(contender.family, TRANSPORTS | HTTP2 | HTTP3 | COMPRESSED),
        ..DEFAULT
    },
    Scenario {
        name: "handshake",
        question: "How long does a new connection take, step by step?",
        stages: &[Stage {
            name: "handshake",
            command: |_| Command::Connect { at_once: 1, resumes: false },
        }],
        includes: Contender::is_one_http_server,
        ..DEFAULT
    },
    Scenario {
        name: "reconnect",
        question: "What does a TLS ticket save if clients connect again?",
        needs_tls: true,
        stages: &[
            Stage { name: "resumed", command: |_| Command::Connect { at_once: 1, resumes: true } },
            Stage {
                name: "reconnect",
                command: |_| Command::Connect { at_once: 64, resumes: true },
            },
        ],
        // The library of QUIC does not report whether a session was resumed.
        includes: |contender| contender.is_one_http_server() && contender.family != HTTP3,
        ..DEFAULT
    },
    Scenario {
        name: "many",
        question: "Does a delivery cost more if there are fifteen times as many clients?",
        times: 15,
        stages: &[Stage { name: "many", command: saturate }],
        includes: Contender::is_one_http_server,
        ..DEFAULT
    },
    by_size("clients-1", 1, &[Stage { name: "of-1", command: publish_often }]),
    by_size("clients-10", 10, &[Stage { name: "of-10", command: publish_often }]),
    by_size("clients-1000", 1_000, &[Stage { name: "of-1000", command: publish_steadily }]),
    by_size("clients-10000", 10_000, &[Stage { name: "of-10000", command: publish_steadily }]),
];

/// The same stage with a number of clients that does not depend on the plan. What is compressed once for all clients
/// costs the more for each client, the fewer there are.
const fn by_size(name: &'static str, clients: usize, stages: &'static [Stage]) -> Scenario {
    Scenario {
        name,
        question: "What does compression cost with this number of clients?",
        clients: Some(clients),
        needs_compression: true,
        stages,
        includes: Contender::is_one_http_server,
        ..DEFAULT
    }
}

fn publish_steadily(workload: &Workload) -> Command {
    publish(workload.rate, 1, workload.steady_seconds)
}

/// Few clients need more notifications for a CPU time that can be measured.
fn publish_often(workload: &Workload) -> Command {
    publish(TOPICS_RATE, 1, 2.0 * workload.steady_seconds)
}

fn publish(rate: f64, burst: usize, seconds: f64) -> Command {
    Command::Publish { rate, burst, seconds }
}

fn saturate(workload: &Workload) -> Command {
    Command::Saturate { seconds: workload.saturation_seconds }
}
