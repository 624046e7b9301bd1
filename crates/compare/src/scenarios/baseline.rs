//! Our server and the baseline, with targets.

use super::connecting::{HANDSHAKE, RECONNECT};
use super::resume::RESUME;
use super::topics::TOPICS;
use super::{CPU_BARS, DEFAULT, ratio};
use crate::measures::CPU_PER_DELIVERY;
use crate::protocol::Transport;
use crate::scenario::{Plot, Scenario, Table};
use crate::sequence::{
    CONNECT_STAGE, Clients, FAN_OUT, IDLE, SATURATION, STEADY, Sequence, Stage, saturate,
};
use crate::summary::Summary;
use crate::workload::Workload;

/// Saturation of fifteen times as many clients.
const MANY: Sequence = Sequence {
    clients: Clients::Times(15),
    stages: &[Stage {
        name: "many",
        heading: "Saturation of many",
        before: None,
        command: saturate,
        measures: &[CPU_PER_DELIVERY],
    }],
    includes: |contender| contender.is_one_http_server(),
    ..FAN_OUT
};

pub(super) static SCENARIO: Scenario = BASELINE;

const BASELINE: Scenario = Scenario {
    name: "baseline",
    question: "How much does our server cost above a bare loop?",
    method: "The baseline is a loop over an epoll that sends the bytes of each notification to all sockets, without \
             topics, a log or timeouts. The ratios to it are compared with targets.",
    limits: "The baseline closes a client whose socket is full, so it may lose clients. It sends no heartbeats, so its CPU \
             time for them is that of idle connections.",
    baseline: true,
    sequences: &[
        FAN_OUT,
        IDLE,
        Sequence { includes: |one| one.transport == Transport::WebSocket, ..TOPICS },
        RESUME,
        HANDSHAKE,
        MANY,
    ],
    tables: TABLES,
    plots: &[Plot {
        title: "CPU per delivery",
        note: "microseconds in the server",
        shape: CPU_BARS,
    }],
    answer,
    ..DEFAULT
};

pub(super) static OVER_TLS: Scenario = Scenario {
    name: "baseline-tls",
    question: "How much does our server cost above a bare loop, over TLS?",
    workload: Workload { tls: true, ..Workload::DEFAULT },
    sequences: &[
        Sequence { stages: &[CONNECT_STAGE, STEADY, SATURATION], ..FAN_OUT },
        IDLE,
        HANDSHAKE,
        RECONNECT,
    ],
    ..BASELINE
};

const TABLES: &[Table] = &[Table {
    title: "Deliveries",
    columns: &["steady.cpu", "steady.p99", "saturation.cpu", "connect.cpu", "quiet.memory"],
}];

fn answer(summary: &Summary) -> Option<String> {
    Some(format!(
        "A delivery costs {} times the CPU time of the baseline by SSE, and {} times by WebSocket.",
        ratio(summary, ("SSE", "steady.cpu"), ("baseline SSE", "steady.cpu"))?,
        ratio(summary, ("WebSocket", "steady.cpu"), ("baseline WebSocket", "steady.cpu"))?,
    ))
}
