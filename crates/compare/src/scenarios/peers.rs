use super::{CPU_BARS, DEFAULT, figure};
use crate::plan::Compression;
use crate::scenario::{Plot, Scenario, Table};
use crate::sequence::{FAN_OUT, SATURATION, STEADY, Sequence};
use crate::workload::{Payload, Workload};

pub(super) static SCENARIO: Scenario = Scenario {
    name: "peers",
    question: "How do other servers compare?",
    method: "1,000 clients and an order update in JSON of 227 B. ws, Bun and nginx are also measured with compression. \
             Each server has one thread, and otherwise the settings that its documentation recommends, if there are \
             any.",
    limits: "Most of these servers store nothing, so a client that is disconnected misses notifications. Each has one \
             core: those that scale over cores by themselves do more on a larger machine.",
    contenders: &["websocket", "sse", "peers"],
    compression: Some(Compression::Both),
    workload: Workload { payload: Payload::Orders, ..Workload::DEFAULT },
    sequences: &[Sequence { stages: &[STEADY, SATURATION], ..FAN_OUT }],
    tables: &[Table {
        title: "Deliveries",
        columns: &[
            "steady.cpu",
            "steady.p99",
            "steady.received",
            "saturation.rate",
            "saturation.cpu",
        ],
    }],
    plots: &[Plot {
        title: "CPU per delivery",
        note: "microseconds in the server",
        shape: CPU_BARS,
    }],
    answer: |it| {
        Some(format!(
            "A steady delivery by WebSocket takes {} of the server's CPU time in tidings, {} in ws and {} in Bun.",
            figure(it, "WebSocket", "steady.cpu")?,
            figure(it, "WebSocket, ws", "steady.cpu")?,
            figure(it, "WebSocket, Bun", "steady.cpu")?,
        ))
    },
    ..DEFAULT
};
