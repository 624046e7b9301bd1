use super::{CPU_BARS, DEFAULT, figure};
use crate::scenario::{Plot, Scenario, Table};
use crate::sequence::FAN_OUT;
use crate::workload::Workload;

pub(super) static SCENARIO: Scenario = Scenario {
    name: "broker",
    question: "What does a broker below the servers cost?",
    method: "500 SSE clients are on one server without a broker, or on one or two servers over NATS JetStream or Redis. \
             Publishers are on the first server. The CPU time of the broker is counted separately.",
    limits: "All servers and the broker share one core, so two servers are not faster than one. The servers from \
             Debian 12 are some years old, and newer ones may be faster.",
    contenders: &["broker"],
    workload: Workload { clients: 500, ..Workload::DEFAULT },
    sequences: &[FAN_OUT],
    tables: &[
        Table {
            title: "Steady",
            columns: &["steady.answer", "steady.cpu", "steady.p50", "steady.p99", "steady.broker"],
        },
        Table {
            title: "Saturation",
            columns: &["saturation.rate", "saturation.cpu", "saturation.broker"],
        },
    ],
    plots: &[Plot {
        title: "CPU per delivery",
        note: "microseconds in the servers",
        shape: CPU_BARS,
    }],
    answer: |it| {
        Some(format!(
            "A publish is answered after {} over JetStream and {} over Redis instead of {}, and a steady delivery takes {} \
             and {} instead of {} of the server's CPU time.",
            figure(it, "NATS, 1 server", "steady.answer")?,
            figure(it, "Redis, 1 server", "steady.answer")?,
            figure(it, "no broker, 1 server", "steady.answer")?,
            figure(it, "NATS, 1 server", "steady.cpu")?,
            figure(it, "Redis, 1 server", "steady.cpu")?,
            figure(it, "no broker, 1 server", "steady.cpu")?,
        ))
    },
    ..DEFAULT
};
