use super::{DEFAULT, figure};
use crate::contender::HTTP3;
use crate::measures::{BYTES_PER_CLIENT, CONNECTIONS, CPU_PER_CLIENT, Measure, REQUEST, TCP, TLS};
use crate::protocol::Command;
use crate::scenario::{Plot, Scenario, Shape, Table};
use crate::sequence::{FAN_OUT, Sequence, Stage};

const STEPS: &[Measure] = &[TCP, TLS, REQUEST, CPU_PER_CLIENT, BYTES_PER_CLIENT];

const fn stage(
    name: &'static str,
    heading: &'static str,
    command: fn(&crate::workload::Workload) -> Command,
) -> Stage {
    Stage { name, heading, before: None, command, measures: STEPS }
}

/// One connection after another.
pub(super) const HANDSHAKE: Sequence = Sequence {
    stages: &[stage("handshake", "Connect, one at a time", |_| one_at_a_time(false))],
    includes: |contender| contender.is_one_http_server(),
    ..FAN_OUT
};

/// Clients that were connected before, and have a ticket.
pub(super) const RECONNECT: Sequence = Sequence {
    tls: true,
    stages: &[
        stage("resumed", "Reconnect by ticket, one at a time", |_| one_at_a_time(true)),
        Stage {
            name: "reconnect",
            heading: "Reconnect by ticket",
            before: None,
            command: |_| Command::Connect { at_once: 64, resumes: true },
            measures: &[CONNECTIONS, CPU_PER_CLIENT],
        },
    ],
    // The library of QUIC does not report whether a session was resumed.
    includes: |contender| contender.is_one_http_server() && contender.family != HTTP3,
    ..FAN_OUT
};

const fn one_at_a_time(resumes: bool) -> Command {
    Command::Connect { at_once: 1, resumes }
}

pub(super) static SCENARIO: Scenario = Scenario {
    name: "connecting",
    question: "How long does a connection take, step by step, and what does it cost the server?",
    method: "Clients connect one after another: without TLS, with a full handshake of TLS 1.3, and with a ticket of \
             an earlier connection. Finally all reconnect with tickets, 64 at a time.",
    limits: "The network has no delay here. Each step takes one more round trip on a real one: TCP, TLS, the request. \
             QUIC needs one less. In the scenario networks it still connects later, because 100 clients connect at \
             once over one line, and each sends 9 kB.",
    contenders: &["transports", "http2", "http3"],
    sequences: &[
        Sequence { includes: |one| one.is_plain_http1(), ..HANDSHAKE },
        Sequence {
            tls: true,
            stages: &[stage("handshake-tls", "Connect over TLS, one at a time", |_| {
                one_at_a_time(false)
            })],
            ..HANDSHAKE
        },
        RECONNECT,
    ],
    tables: &[
        Table {
            title: "Without TLS",
            columns: &["handshake.tcp", "handshake.request", "handshake.cpu", "handshake.bytes"],
        },
        Table {
            title: "Over TLS",
            columns: &[
                "handshake-tls.tcp",
                "handshake-tls.tls",
                "handshake-tls.request",
                "handshake-tls.cpu",
                "handshake-tls.bytes",
            ],
        },
        Table {
            title: "Over TLS with a ticket",
            columns: &[
                "resumed.tls",
                "resumed.request",
                "resumed.cpu",
                "resumed.bytes",
                "reconnect.rate",
                "reconnect.cpu",
            ],
        },
    ],
    plots: &[Plot {
        title: "CPU per connection",
        note: "microseconds in the server",
        shape: Shape::Bars(&[
            ("handshake.cpu", "without TLS"),
            ("handshake-tls.cpu", "over TLS"),
            ("resumed.cpu", "with a ticket"),
        ]),
    }],
    answer: |it| {
        Some(format!(
            "A connection by SSE takes {} of the server's CPU time without TLS, {} with a full handshake and {} with a \
             ticket.",
            figure(it, "SSE", "handshake.cpu")?,
            figure(it, "SSE", "handshake-tls.cpu")?,
            figure(it, "SSE", "resumed.cpu")?,
        ))
    },
    ..DEFAULT
};
