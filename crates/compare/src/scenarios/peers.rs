use super::{DEFAULT, figure};
use crate::plan::Compression;
use crate::scenario::{Plot, Scenario, Shape, Table};
use crate::sequence::{CONNECT_STAGE, FAN_OUT, SATURATION, STEADY, Sequence};
use crate::workload::{Payload, Workload};

pub(super) static SCENARIO: Scenario = Scenario {
    name: "peers",
    question: "How do other servers compare?",
    method: "1,000 clients are sent order updates in JSON of 227 B. Each server has one core, and one worker or event \
             loop, and otherwise the settings that its documentation recommends, if there are any. Our server, ws, \
             Bun, nchan and gorilla with a hub are also measured with compression. Each server is warmed up for a \
             second.",
    limits: "Most of these servers store nothing, so a client that is disconnected misses notifications. Those that \
             scale over cores by themselves do more on a larger machine. Our server sends by io_uring, which \
             containers often forbid; the rows with plain writes are without it. At saturation, 64 notifications for \
             the same clients are in flight: a server that sends several together pays one send for them, which it \
             could not with a topic for each client. The servers from Debian 12 are some years old, and newer ones may \
             be faster. socket.io, centrifuge, sockudo-ws and Sockudo can compress too, which is not measured. With \
             the allocator of the system instead of mimalloc, a client of sockudo-ws takes 19 kB of memory instead of \
             88.",
    contenders: &["websocket", "websocket-plain", "sse", "sse-plain", "peers"],
    compression: Some(Compression::Both),
    workload: Workload {
        payload: Payload::Orders,
        steady_seconds: 2.0,
        saturation_seconds: 1.0,
        ..Workload::DEFAULT
    },
    sequences: &[Sequence { stages: &[CONNECT_STAGE, STEADY, SATURATION], ..FAN_OUT }],
    tables: &[
        Table {
            title: "Deliveries",
            columns: &[
                "steady.rate",
                "steady.cpu",
                "steady.p99",
                "steady.received",
                "saturation.rate",
                "saturation.cpu",
            ],
        },
        Table { title: "Connecting", columns: &["connect.cpu", "connect.bytes", "connect.memory"] },
    ],
    plots: &[Plot {
        title: "CPU per delivery",
        note: "microseconds in the server",
        shape: Shape::Bars(&[("steady.cpu", "one notification at a time")]),
    }],
    answer: |it| {
        Some(format!(
            "A steady delivery by WebSocket takes {} of the server's CPU time in tidings, {} in tidings without io_uring, {} in \
             Bun and {} in ws.",
            figure(it, "WebSocket", "steady.cpu")?,
            figure(it, "WebSocket, plain writes", "steady.cpu")?,
            figure(it, "WebSocket, Bun", "steady.cpu")?,
            figure(it, "WebSocket, ws", "steady.cpu")?,
        ))
    },
    ..DEFAULT
};
