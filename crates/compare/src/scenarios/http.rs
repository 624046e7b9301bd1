use super::{CPU_BARS, DEFAULT, ratio};
use crate::scenario::{Plot, Scenario, Table};
use crate::sequence::FAN_OUT;
use crate::workload::Workload;

pub(super) static SCENARIO: Scenario = Scenario {
    name: "http",
    question: "What do HTTP/2 and HTTP/3 change?",
    method: "The same notifications are sent to the same number of clients over HTTP/1.1, HTTP/2 and WebTransport, all \
             over TLS 1.3. Each client has one connection, with one stream over HTTP/2. Publishers use HTTP/1.1.",
    limits: "A browser shares one HTTP/2 connection between all streams of a site, which these clients do not. Without \
             loss and delay, the strength of QUIC does not show.",
    contenders: &["transports", "http2", "http3"],
    workload: Workload { tls: true, ..Workload::DEFAULT },
    sequences: &[FAN_OUT],
    tables: &[
        Table {
            title: "Deliveries",
            columns: &[
                "steady.cpu",
                "steady.p99",
                "steady.received",
                "burst.cpu",
                "saturation.cpu",
            ],
        },
        Table {
            title: "Connections",
            columns: &["connect.cpu", "connect.bytes", "connect.memory"],
        },
    ],
    plots: &[Plot {
        title: "CPU per delivery",
        note: "microseconds in the server",
        shape: CPU_BARS,
    }],
    answer: |it| {
        Some(format!(
            "With one stream for each connection, a delivery by SSE costs {} times as much over HTTP/2 as over HTTP/1.1, \
             and one by WebTransport {} times as much.",
            ratio(it, ("SSE, HTTP/2", "steady.cpu"), ("SSE", "steady.cpu"))?,
            ratio(it, ("WebTransport", "steady.cpu"), ("SSE", "steady.cpu"))?,
        ))
    },
    ..DEFAULT
};
