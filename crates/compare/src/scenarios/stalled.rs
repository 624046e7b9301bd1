use super::{DEFAULT, figure};
use crate::measures::{CPU_PER_DELIVERY, KERNEL_GROWTH, MEMORY_GROWTH, P50, P99};
use crate::protocol::Command;
use crate::scenario::{Plot, Scenario, Shape, Table};
use crate::sequence::{Clients, FAN_OUT, Sequence, Stage, publish};
use crate::workload::{Payload, Workload};

/// Enough bytes to fill the buffers of a socket on both sides.
fn publish_much(_: &Workload) -> Command {
    publish(50.0, 1, 3.0)
}

pub(super) static SCENARIO: Scenario = Scenario {
    name: "stalled",
    question: "What do clients that do not read do to the others, and to the server?",
    method: "100 clients are sent 50 notifications of 64 KiB a second for three seconds. Then ten of them stop \
             reading, without closing their connection, and the same is published again: 10 MB for each of the ten. \
             The growth of the server and of the kernel's memory is that of the whole stage.",
    limits: "A client that polls leaves one answer unread, and the server sends it nothing more. A peer with a log in \
             memory grows by it in both stages, unless its log is full. Ours and that of nchan keep 100 notifications \
             here, so they are full before the second stage, and that of durable-streams is a file. A client that does \
             not read stops the plain loop of gorilla, so it has no figures. Three seconds do not show what a server \
             does after minutes, such as a disconnect. Our server keeps the notifications once for all clients, in its \
             log, and reports a gap to a client that reads again too late.",
    contenders: &["transports", "peers"],
    workload: Workload { rounds: 2, ..Workload::DEFAULT },
    sequences: &[Sequence {
        clients: Clients::Exactly(100),
        payload: Some(Payload::Plain(64 << 10)),
        // The log is full after the first stage, so its growth is not counted for the second.
        serve_args: &["--retain", "100"],
        stages: &[
            Stage {
                name: "healthy",
                heading: "All read",
                before: None,
                command: publish_much,
                measures: &[CPU_PER_DELIVERY, P50, P99, MEMORY_GROWTH],
            },
            Stage {
                name: "stalled",
                heading: "Ten do not read",
                before: Some(|_| Command::Stall { clients: 10 }),
                command: publish_much,
                measures: &[CPU_PER_DELIVERY, P50, P99, MEMORY_GROWTH, KERNEL_GROWTH],
            },
        ],
        ..FAN_OUT
    }],
    tables: &[
        Table {
            title: "The clients that read",
            columns: &["healthy.p50", "stalled.p50", "healthy.p99", "stalled.p99"],
        },
        Table {
            title: "The server",
            columns: &[
                "healthy.cpu",
                "stalled.cpu",
                "healthy.growth",
                "stalled.growth",
                "stalled.kernel-growth",
            ],
        },
    ],
    plots: &[
        Plot {
            title: "Latency p99 of the clients that read",
            note: "milliseconds",
            shape: Shape::Bars(&[("healthy.p99", "all read"), ("stalled.p99", "ten do not read")]),
        },
        Plot {
            title: "Growth of the server",
            note: "bytes, while ten clients do not read 10 MB each",
            shape: Shape::Bars(&[("stalled.growth", "")]),
        },
    ],
    answer: |it| {
        let kernel = figure(it, "SSE", "stalled.kernel-growth")
            .map(|bytes| format!(", and the memory of the kernel by {bytes}"))
            .unwrap_or_default();
        Some(format!(
            "With ten clients of 100 that do not read, the p99 of the others is {} instead of {} by SSE, and the server \
             grows by {}{kernel}.",
            figure(it, "SSE", "stalled.p99")?,
            figure(it, "SSE", "healthy.p99")?,
            figure(it, "SSE", "stalled.growth")?,
        ))
    },
    ..DEFAULT
};
