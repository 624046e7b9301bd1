use super::{DEFAULT, figure};
use crate::measures::{CPU_PER_HEARTBEAT, KERNEL_MEMORY, MEMORY};
use crate::scenario::{Plot, Scenario, Shape, Table};
use crate::sequence::{CONNECT, Clients, FAN_OUT, IDLE, Sequence, Stage, WATCH};
use crate::workload::Workload;

/// Quiet clients over TLS, in which all versions of HTTP take part.
const OVER_TLS: Sequence = Sequence {
    clients: Clients::Times(5),
    tls: true,
    hold: IDLE.hold,
    serve_args: IDLE.serve_args,
    stages: &[
        Stage {
            name: "quiet-tls",
            heading: "Quiet clients over TLS",
            before: None,
            command: |_| CONNECT,
            measures: &[MEMORY, KERNEL_MEMORY],
        },
        Stage {
            name: "heartbeat-tls",
            heading: "Quiet clients over TLS",
            before: None,
            command: |_| WATCH,
            measures: &[CPU_PER_HEARTBEAT],
        },
    ],
    includes: |contender| contender.is_one_http_server(),
    ..FAN_OUT
};

pub(super) static SCENARIO: Scenario = Scenario {
    name: "idle",
    question: "What does a quiet client cost?",
    method: "10,000 clients connect, and 5,000 over TLS. The memory of the server's process is its proportional set size. \
             The memory of the kernel is what the control group of the server is charged for: sockets, files and the \
             events of epoll. Then each client is sent one heartbeat, or the empty answer to one poll.",
    limits: "A client has sent and received little, so the buffers of its socket are empty. The memory of the kernel \
             is measured only if compare runs as root. Before Linux 6.12, it does not include the sockets that the \
             server has accepted. Clients by HTTP/2 have one connection each.",
    contenders: &["transports", "http2", "http3"],
    workload: Workload { rounds: 2, ..Workload::DEFAULT },
    sequences: &[Sequence { includes: |one| one.is_plain_http1(), ..IDLE }, OVER_TLS],
    tables: &[Table {
        title: "A quiet client",
        columns: &[
            "quiet.memory",
            "quiet.kernel",
            "heartbeat.cpu",
            "quiet-tls.memory",
            "quiet-tls.kernel",
            "heartbeat-tls.cpu",
        ],
    }],
    plots: &[
        Plot {
            title: "Memory of the server per client",
            note: "bytes in the server's process",
            shape: Shape::Bars(&[
                ("quiet.memory", "without TLS"),
                ("quiet-tls.memory", "over TLS"),
            ]),
        },
        Plot {
            title: "Memory of the kernel per client",
            note: "bytes that the control group of the server is charged for",
            shape: Shape::Bars(&[
                ("quiet.kernel", "without TLS"),
                ("quiet-tls.kernel", "over TLS"),
            ]),
        },
    ],
    answer: |it| {
        Some(format!(
            "A quiet client takes {} of the server's memory by SSE without TLS, {} over TLS and {} over HTTP/2.",
            figure(it, "SSE", "quiet.memory")?,
            figure(it, "SSE", "quiet-tls.memory")?,
            figure(it, "SSE, HTTP/2", "quiet-tls.memory")?,
        ))
    },
    ..DEFAULT
};
