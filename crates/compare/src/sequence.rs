//! Sequences of stages, each of which yields a sample.

use crate::contender::Contender;
use crate::measures::{
    ANSWER, BROKER_CPU, BYTES_PER_CLIENT, CONNECTIONS, CPU_PER_CLIENT, CPU_PER_DELIVERY,
    CPU_PER_HEARTBEAT, DELIVERIES, KERNEL_MEMORY, LOAD_BUSY, MAX, MEMORY, Measure, P50, P90, P99,
    RECEIVED, REQUESTS, SENT,
};
use crate::protocol::Command;
use crate::workload::{Payload, Workload};

/// Stages that are measured one after another, with the same server and the same load, both of which are fresh.
#[derive(Debug)]
pub(crate) struct Sequence {
    pub(crate) clients: Clients,
    /// `true` if each client has its own topics.
    pub(crate) own_topics: bool,
    /// The streams of each client, each with its own topic: on one connection by HTTP/2, and otherwise on one connection
    /// each. More than 1 only with `own_topics` and [`Clients::Exactly`].
    pub(crate) streams: usize,
    /// `true` if it is measured over TLS, even if the plan is not.
    pub(crate) tls: bool,
    /// The name of the simulated network between servers and clients. `None` means loopback.
    pub(crate) network: Option<&'static str>,
    /// The payload instead of the plan's.
    pub(crate) payload: Option<Payload>,
    /// The seconds for which the server may hold a poll.
    pub(crate) hold: u32,
    /// Additional arguments of our server.
    pub(crate) serve_args: &'static [&'static str],
    pub(crate) stages: &'static [Stage],
    /// Selects the contenders that take part.
    pub(crate) includes: fn(&Contender) -> bool,
}

impl Sequence {
    /// The streams that share a connection of this contender.
    pub(crate) fn streams_per_connection(&self, contender: &Contender) -> usize {
        if contender.http2 { self.streams } else { 1 }
    }

    /// `true` if clients resume TLS sessions in one of its stages.
    pub(crate) fn resumes_sessions(&self) -> bool {
        let command = |stage: &Stage| (stage.command)(&Workload::DEFAULT);
        let resumes = |command| matches!(command, Command::Connect { resumes: true, .. });
        self.stages.iter().any(|stage| resumes(command(stage)))
    }
}

/// The number of clients of a sequence.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Clients {
    /// A multiple of the plan's.
    Times(usize),
    /// This number, which the headings of its stages contain. If it is more than ten times the plan's, the sequence is
    /// not measured.
    Exactly(usize),
}

/// A part of a sequence that yields a sample.
#[derive(Debug)]
pub(crate) struct Stage {
    /// Its name in samples and in the keys of rows.
    pub(crate) name: &'static str,
    /// Its heading in reports.
    pub(crate) heading: &'static str,
    /// A command before it that has no sample.
    pub(crate) before: Option<fn(&Workload) -> Command>,
    /// The command for the load.
    pub(crate) command: fn(&Workload) -> Command,
    /// Its figures, in the order of the table.
    pub(crate) measures: &'static [Measure],
}

/// Notifications at the same instant in a burst.
pub(crate) const BURST: usize = 10;

/// Publishes per second to topics with one client, and to few clients.
const OFTEN: f64 = 500.0;

/// The interval of heartbeats while quiet clients are watched, the hold of their polls, and the time for which they are
/// watched. Each client has exactly one heartbeat or empty answer in that time, which may be late by a hundredth of the
/// interval.
pub(crate) const HEARTBEAT: &[&str] = &["--heartbeat", "5"];
pub(crate) const HOLD: u32 = 5;
pub(crate) const WATCH: Command = Command::Watch { seconds: 5.06 };

/// Connects all clients. Enough of them at once to keep a server busy, and few enough for the listen backlog of any
/// server.
pub(crate) const CONNECT: Command = Command::Connect { at_once: 64, resumes: false };

pub(crate) const CONNECT_STAGE: Stage = Stage {
    name: "connect",
    heading: "Connect",
    before: None,
    command: |_| CONNECT,
    measures: &[CONNECTIONS, CPU_PER_CLIENT, BYTES_PER_CLIENT, MEMORY],
};

pub(crate) const STEADY: Stage = Stage {
    name: "steady",
    heading: "Steady",
    before: None,
    command: publish_steadily,
    measures: &[
        DELIVERIES,
        CPU_PER_DELIVERY,
        P50,
        P90,
        P99,
        MAX,
        ANSWER,
        RECEIVED,
        SENT,
        REQUESTS,
        BROKER_CPU,
    ],
};

pub(crate) const BURSTS: Stage = Stage {
    name: "burst",
    heading: "Burst",
    before: None,
    command: |it| publish(it.rate, BURST, it.burst_seconds),
    measures: &[CPU_PER_DELIVERY, P50, P99, ANSWER, RECEIVED, REQUESTS, BROKER_CPU],
};

pub(crate) const SATURATION: Stage = Stage {
    name: "saturation",
    heading: "Saturation",
    before: None,
    command: saturate,
    measures: &[DELIVERIES, CPU_PER_DELIVERY, LOAD_BUSY, RECEIVED, REQUESTS, BROKER_CPU],
};

/// Each notification to all clients: steadily, in bursts and at most.
pub(crate) const FAN_OUT: Sequence = Sequence {
    clients: Clients::Times(1),
    own_topics: false,
    streams: 1,
    tls: false,
    network: None,
    payload: None,
    // The longest that servers allow, so that quiet clients send as few polls as possible.
    hold: 60,
    serve_args: &[],
    stages: &[CONNECT_STAGE, STEADY, BURSTS, SATURATION],
    includes: |_| true,
};

/// Many clients that are sent nothing but heartbeats.
pub(crate) const IDLE: Sequence = Sequence {
    clients: Clients::Times(10),
    hold: HOLD,
    serve_args: HEARTBEAT,
    stages: &[
        Stage {
            name: "quiet",
            heading: "Quiet clients",
            before: None,
            command: |_| CONNECT,
            measures: &[MEMORY, KERNEL_MEMORY],
        },
        Stage {
            name: "heartbeat",
            heading: "Quiet clients",
            before: None,
            command: |_| WATCH,
            measures: &[CPU_PER_HEARTBEAT],
        },
    ],
    includes: Contender::is_one_http_server,
    ..FAN_OUT
};

/// One notification at a time.
pub(crate) fn publish_steadily(workload: &Workload) -> Command {
    publish(workload.rate, 1, workload.steady_seconds)
}

/// Few clients need more notifications for a CPU time that can be measured.
pub(crate) fn publish_often(workload: &Workload) -> Command {
    publish(OFTEN, 1, 2.0 * workload.steady_seconds)
}

pub(crate) fn publish(rate: f64, burst: usize, seconds: f64) -> Command {
    Command::Publish { rate, burst, seconds, hidden: false }
}

pub(crate) fn saturate(workload: &Workload) -> Command {
    Command::Saturate { seconds: workload.saturation_seconds }
}
