use super::{DEFAULT, ratio};
use crate::scenario::{Plot, Scenario, Shape, Table};
use crate::sequence::{FAN_OUT, STEADY, Sequence};
use crate::workload::Workload;

pub(super) static SCENARIO: Scenario = Scenario {
    name: "mounts",
    question: "What does it cost to embed the transports in another HTTP server?",
    method: "Our server with lanes, the same without lanes, the transports mounted in an axum application, and a handler \
             of axum with a broadcast channel of tokio, as in the documentation of both. The baseline is a loop over an \
             epoll that sends the same bytes.",
    limits: "The handler with a broadcast channel stores nothing, so a client that is slow misses notifications.",
    contenders: &["transports", "general", "mounted", "axum"],
    baseline: true,
    workload: Workload { rate: 40.0, ..Workload::DEFAULT },
    sequences: &[Sequence { stages: &[STEADY], ..FAN_OUT }],
    tables: &[Table { title: "Steady", columns: &["steady.cpu", "steady.p50", "steady.p99"] }],
    plots: &[Plot {
        title: "CPU per delivery",
        note: "microseconds in the server",
        shape: Shape::Bars(&[("steady.cpu", "")]),
    }],
    answer: |it| {
        Some(format!(
            "Mounted in axum, a delivery by SSE costs {} times as much as on our server, and {} times as much as with a \
             handler of axum and a broadcast channel.",
            ratio(it, ("SSE, mounted in axum", "steady.cpu"), ("SSE", "steady.cpu"))?,
            ratio(
                it,
                ("SSE, mounted in axum", "steady.cpu"),
                ("SSE, axum and tokio", "steady.cpu")
            )?,
        ))
    },
    ..DEFAULT
};
