use super::networks::is_ours;
use super::{DEFAULT, figure};
use crate::measures::{LOSS, MAX, P50, P90, P99, WIRE};
use crate::scenario::{Plot, Scenario, Shape, Table};
use crate::sequence::{Clients, FAN_OUT, Sequence, Stage, publish_steadily};
use crate::workload::Workload;

/// Ten streams of each client, each with its own topic.
const STREAMS: Sequence = Sequence {
    clients: Clients::Exactly(10),
    own_topics: true,
    streams: 10,
    network: Some("wifi"),
    tls: true,
    stages: &[Stage {
        name: "streams",
        heading: "10 phones with 10 streams each",
        before: None,
        command: publish_steadily,
        measures: &[P50, P90, P99, MAX, WIRE, LOSS],
    }],
    includes: is_ours,
    ..FAN_OUT
};

pub(super) static SCENARIO: Scenario = Scenario {
    name: "shared-connection",
    question: "What does a lost packet do to the other streams of a connection?",
    method: "Each of 10 phones follows 10 topics. Over HTTP/2 the ten streams of a phone share one connection. \
             Otherwise each stream has its own, so there are 100 connections. 100 notifications a second are \
             published, each to one topic, over a Wi-Fi at the edge of its range, which loses 2 % of the packets in \
             each direction, four in a row on average. Everything is over TLS 1.3.",
    limits: "Each stream gets one notification a second. With more, the acknowledgements of later packets would show a \
             loss sooner. All phones share one line. A client of tidings can follow all its topics in one stream, and \
             then needs no shared connection.",
    contenders: &["websocket", "websocket-http2", "sse", "sse-http2", "http3"],
    workload: Workload { rounds: 5, rate: 100.0, steady_seconds: 10.0, ..Workload::DEFAULT },
    sequences: &[STREAMS],
    tables: &[Table {
        title: "On a bad Wi-Fi",
        columns: &[
            "streams.p50",
            "streams.p90",
            "streams.p99",
            "streams.max",
            "streams.wire",
            "streams.loss",
        ],
    }],
    plots: &[Plot {
        title: "Latency on a bad Wi-Fi",
        note: "milliseconds",
        shape: Shape::Bars(&[
            ("streams.p50", "p50"),
            ("streams.p90", "p90"),
            ("streams.p99", "p99"),
        ]),
    }],
    answer: |it| {
        Some(format!(
            "If ten streams share a connection, the p99 by SSE is {}, and {} if each has its own. By WebTransport, with a \
             connection for each, it is {}.",
            figure(it, "SSE, HTTP/2", "streams.p99")?,
            figure(it, "SSE", "streams.p99")?,
            figure(it, "WebTransport", "streams.p99")?,
        ))
    },
    ..DEFAULT
};
