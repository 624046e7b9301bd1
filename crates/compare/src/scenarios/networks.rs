use super::{DEFAULT, figure};
use crate::contender::{COMPRESSED, Contender, HTTP2, HTTP3, TRANSPORTS};
use crate::measures::{
    CONNECT_TIME, LOSS, MAX, Measure, P50, P90, P99, REQUEST, ROUND_TRIP, TCP, TLS, WIRE,
};
use crate::protocol::Command;
use crate::scenario::{Plot, Scenario, Shape, Table};
use crate::sequence::{Clients, FAN_OUT, Sequence, Stage, publish_steadily};
use crate::workload::Workload;

const CONNECT: &[Measure] = &[TCP, TLS, REQUEST, CONNECT_TIME, ROUND_TRIP, LOSS];
const STEADY: &[Measure] = &[P50, P90, P99, MAX, WIRE];

/// Our server by each transport. Only it listens on a simulated network.
pub(super) fn is_ours(contender: &Contender) -> bool {
    matches!(contender.family, TRANSPORTS | COMPRESSED | HTTP2 | HTTP3)
}

macro_rules! network {
    ($name:literal $heading:literal) => {
        Sequence {
            clients: Clients::Exactly(100),
            network: Some($name),
            tls: true,
            stages: &[
                Stage {
                    name: concat!("connect-", $name),
                    heading: $heading,
                    before: None,
                    command: |_| Command::Connect { at_once: 100, resumes: false },
                    measures: CONNECT,
                },
                Stage {
                    name: $name,
                    heading: $heading,
                    before: None,
                    command: publish_steadily,
                    measures: STEADY,
                },
            ],
            includes: is_ours,
            ..FAN_OUT
        }
    };
}

pub(super) static SCENARIO: Scenario = Scenario {
    name: "networks",
    question: "What do delay, loss and a slow line change?",
    method: "100 clients share one simulated access line: fibre (a round trip of at least 10 ms), LTE (70 to 86 ms), \
             Wi-Fi at the edge of its range (16 to 36 ms, 2 % loss in each direction, four packets in a row on \
             average) or a geostationary satellite (600 ms). The server is on the other side, with the publishers. \
             Everything is over TLS 1.3. Delay and loss of each network are measured before it is used. The relay \
             between both sides loses the same packets for each contender, counted from the first one.",
    limits: "The relay shares a core with the load. All clients share one line, so it is busier than the line of one \
             phone. 100 clients connect at once. Each sends 9 kB by WebTransport and 0.7 kB by SSE: QUIC pads the \
             packets of its handshake, and looks for a larger packet size with full packets. So the uplinks of Wi-Fi \
             and LTE are full while clients connect by WebTransport. A client has one stream, so a lost packet delays \
             only that stream. The scenario shared-connection has several. Networks that change or end are not \
             simulated.",
    contenders: &["websocket", "sse", "long-polling", "sse-http2", "http3"],
    workload: Workload { rounds: 2, steady_seconds: 4.0, rate: 10.0, ..Workload::DEFAULT },
    sequences: &[
        network!("fibre" "Fibre"),
        network!("4g" "LTE"),
        network!("wifi" "Bad Wi-Fi"),
        network!("satellite" "Satellite"),
    ],
    tables: &[
        Table {
            title: "Latency p50",
            columns: &["fibre.p50", "4g.p50", "wifi.p50", "satellite.p50"],
        },
        Table {
            title: "Latency p99",
            columns: &["fibre.p99", "4g.p99", "wifi.p99", "satellite.p99"],
        },
        Table {
            title: "Latency max",
            columns: &["fibre.max", "4g.max", "wifi.max", "satellite.max"],
        },
        Table {
            title: "Connect: the sum of the p50 of TCP, TLS and the request",
            columns: &[
                "connect-fibre.time",
                "connect-4g.time",
                "connect-wifi.time",
                "connect-satellite.time",
            ],
        },
        Table {
            title: "Bytes on the wire per delivery",
            columns: &["fibre.wire", "4g.wire", "wifi.wire", "satellite.wire"],
        },
        Table {
            title: "The networks, as measured",
            columns: &[
                "connect-fibre.rtt",
                "connect-4g.rtt",
                "connect-wifi.rtt",
                "connect-wifi.loss",
                "connect-satellite.rtt",
            ],
        },
    ],
    plots: &[Plot {
        title: "Latency p99",
        note: "milliseconds",
        shape: Shape::Bars(&[
            ("fibre.p99", "fibre"),
            ("4g.p99", "LTE"),
            ("wifi.p99", "bad Wi-Fi"),
            ("satellite.p99", "satellite"),
        ]),
    }],
    answer: |it| {
        Some(format!(
            "On a bad Wi-Fi, the p99 is {} by SSE, {} by WebSocket, {} by long-polling and {} by WebTransport. By \
             satellite it is {}, {}, {} and {}.",
            figure(it, "SSE", "wifi.p99")?,
            figure(it, "WebSocket", "wifi.p99")?,
            figure(it, "long-polling", "wifi.p99")?,
            figure(it, "WebTransport", "wifi.p99")?,
            figure(it, "SSE", "satellite.p99")?,
            figure(it, "WebSocket", "satellite.p99")?,
            figure(it, "long-polling", "satellite.p99")?,
            figure(it, "WebTransport", "satellite.p99")?,
        ))
    },
    ..DEFAULT
};
