use super::{DEFAULT, figure};
use crate::measures::{CPU_PER_HEARTBEAT, KERNEL_MEMORY, MEMORY};
use crate::protocol::Command;
use crate::scenario::{Plot, Scenario, Shape, Table};
use crate::sequence::{CONNECT, Clients, FAN_OUT, IDLE, Sequence, Stage};

/// Quiet clients over TLS, in which all versions of HTTP take part.
const OVER_TLS: Sequence = Sequence {
    clients: Clients::Times(5),
    tls: true,
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
            command: |_| Command::Watch { seconds: 5.06 },
            measures: &[CPU_PER_HEARTBEAT],
        },
    ],
    includes: |contender| contender.is_one_http_server(),
    ..FAN_OUT
};

pub(super) static SCENARIO: Scenario = Scenario {
    name: "idle",
    question: "What does a client cost that is sent nothing but heartbeats?",
    method: "Ten times as many clients as in the other scenarios connect, five times as many over TLS. The memory of \
             the server's process is its proportional set size, and that of the kernel what the control group of the \
             server is charged for: sockets, files and the events of epoll. Then each client is sent one heartbeat.",
    limits: "A client has sent and received little, so the buffers of its socket are empty. The memory of the kernel \
             needs root and is missing otherwise. Clients by HTTP/2 have one connection each.",
    contenders: &["transports", "http2", "http3"],
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
            "A quiet client takes {} of the server's memory without TLS, by any transport over HTTP/1.1, {} over TLS and \
             {} by SSE over HTTP/2.",
            figure(it, "SSE", "quiet.memory")?,
            figure(it, "SSE", "quiet-tls.memory")?,
            figure(it, "SSE, HTTP/2", "quiet-tls.memory")?,
        ))
    },
    ..DEFAULT
};
