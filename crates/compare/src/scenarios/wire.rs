use super::networks::is_ours;
use super::{DEFAULT, figure};
use crate::contender::{COMPRESSED, TRANSPORTS};
use crate::measures::{
    BYTES_PER_CLIENT, EGRESS, EGRESS_PER_CLIENT, Measure, PACKETS, RECEIVED, SENT, WIRE,
    WIRE_PER_CLIENT,
};
use crate::scenario::{Plot, Scenario, Shape, Table};
use crate::sequence::{
    BURST, CONNECT, Clients, FAN_OUT, HEARTBEAT, HOLD, Sequence, Stage, WATCH, publish,
    publish_steadily,
};
use crate::workload::{Payload, Workload};

const CONNECTION: &[Measure] = &[WIRE_PER_CLIENT, EGRESS_PER_CLIENT, BYTES_PER_CLIENT];
const DELIVERY: &[Measure] = &[WIRE, EGRESS, RECEIVED, SENT, PACKETS];

macro_rules! sequence {
    ($tls:literal $includes:expr, $suffix:literal $where:literal) => {
        Sequence {
            clients: Clients::Exactly(100),
            network: Some("none"),
            tls: $tls,
            hold: HOLD,
            serve_args: HEARTBEAT,
            stages: &[
                Stage {
                    name: concat!("connect", $suffix),
                    heading: concat!("Connect", $where),
                    before: None,
                    command: |_| CONNECT,
                    measures: CONNECTION,
                },
                Stage {
                    name: concat!("steady", $suffix),
                    heading: concat!("Steady", $where),
                    before: None,
                    command: publish_steadily,
                    measures: DELIVERY,
                },
                Stage {
                    name: concat!("burst", $suffix),
                    heading: concat!("Bursts of ten", $where),
                    before: None,
                    command: |it| publish(it.rate, BURST, it.burst_seconds),
                    measures: DELIVERY,
                },
                Stage {
                    name: concat!("quiet", $suffix),
                    heading: concat!("One heartbeat or empty answer", $where),
                    before: None,
                    command: |_| WATCH,
                    measures: &[WIRE_PER_CLIENT, EGRESS_PER_CLIENT],
                },
            ],
            includes: $includes,
            ..FAN_OUT
        }
    };
}

pub(super) static SCENARIO: Scenario = Scenario {
    name: "wire",
    question: "How many bytes are on the wire?",
    method: "100 clients are in a separate network namespace, with an MTU of 1,500 bytes and without segmentation \
             offload. All IP packets to them and from them are counted: payload, framing, TLS, TCP or UDP, IPv4, and \
             acknowledgements. The payload is an order update in JSON of 227 B. Publishes are not counted.",
    limits: "Ethernet adds 18 bytes to each packet. The header of IPv6 is 20 bytes longer. Acknowledgements are fewer \
             if clients also send, and more over a slow line.",
    contenders: &["transports", "compressed", "http2", "http3"],
    workload: Workload { payload: Payload::Orders, rounds: 2, ..Workload::DEFAULT },
    sequences: &[
        sequence!(false |one| matches!(one.family, TRANSPORTS | COMPRESSED), "" ""),
        sequence!(true is_ours, "-tls" " over TLS"),
    ],
    tables: &[
        Table {
            title: "Bytes on the wire per delivery, both ways",
            columns: &["steady.wire", "burst.wire", "steady-tls.wire", "burst-tls.wire"],
        },
        Table {
            title: "One at a time over TLS",
            columns: &[
                "steady-tls.received",
                "steady-tls.sent",
                "steady-tls.wire",
                "steady-tls.packets",
            ],
        },
        Table {
            title: "Bytes on the wire per client",
            columns: &["connect.wire", "quiet.wire", "connect-tls.wire", "quiet-tls.wire"],
        },
    ],
    plots: &[Plot {
        title: "Bytes on the wire per delivery",
        note: "IP packets in both directions, payload 227 B",
        shape: Shape::Bars(&[
            ("steady.wire", "one at a time"),
            ("burst.wire", "bursts of ten"),
            ("steady-tls.wire", "one at a time over TLS"),
            ("burst-tls.wire", "bursts of ten over TLS"),
        ]),
    }],
    answer: |it| {
        Some(format!(
            "An order of 227 B takes {} on the wire by SSE, {} by WebSocket and {} by long-polling over TLS if \
             notifications come one at a time, and {}, {} and {} in bursts of ten.",
            figure(it, "SSE", "steady-tls.wire")?,
            figure(it, "WebSocket", "steady-tls.wire")?,
            figure(it, "long-polling", "steady-tls.wire")?,
            figure(it, "SSE", "burst-tls.wire")?,
            figure(it, "WebSocket", "burst-tls.wire")?,
            figure(it, "long-polling", "burst-tls.wire")?,
        ))
    },
    ..DEFAULT
};
