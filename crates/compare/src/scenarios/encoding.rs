use super::{DEFAULT, ratio};
use crate::measures::{CPU_PER_DELIVERY, DELIVERIES, Measure, P99};
use crate::scenario::{Plot, Scenario, Shape, Table};
use crate::sequence::{FAN_OUT, Sequence, Stage, publish_steadily, saturate};
use crate::workload::{Payload, Workload};

const MEASURES: &[Measure] = &[CPU_PER_DELIVERY, P99];

const ORDERS: Sequence = Sequence {
    stages: &[
        Stage {
            name: "orders",
            heading: "Orders, 227 B",
            before: None,
            command: publish_steadily,
            measures: MEASURES,
        },
        Stage {
            name: "saturation",
            heading: "Orders, saturation",
            before: None,
            command: saturate,
            measures: &[DELIVERIES, CPU_PER_DELIVERY],
        },
    ],
    ..FAN_OUT
};

const LARGE: Sequence = Sequence {
    payload: Some(Payload::Plain(16 << 10)),
    stages: &[Stage {
        name: "large",
        heading: "16 KiB",
        before: None,
        command: publish_steadily,
        measures: MEASURES,
    }],
    ..FAN_OUT
};

pub(super) static SCENARIO: Scenario = Scenario {
    name: "encoding",
    question: "What does it save to encode a notification once for all clients?",
    method: "A service of axum with a broadcast channel of tokio sends JSON with the topic and the payload. It \
             encodes the JSON once for each notification, or once for each client. Nothing else differs. Our server \
             encodes once as well.",
    limits: "WebSocket frames and SSE events are built for each client by axum in both cases. The JSON has two \
             fields: more fields cost more. With 16 KiB, encoding for each client needs more than the one core, so \
             that latency grows until the end.",
    contenders: &["websocket", "sse", "encoding"],
    workload: Workload { payload: Payload::Orders, ..Workload::DEFAULT },
    sequences: &[ORDERS, LARGE],
    tables: &[
        Table {
            title: "Server CPU per delivery",
            columns: &["orders.cpu", "saturation.cpu", "large.cpu"],
        },
        Table { title: "Latency p99", columns: &["orders.p99", "large.p99"] },
    ],
    plots: &[Plot {
        title: "CPU per delivery",
        note: "microseconds in the server",
        shape: Shape::Bars(&[
            ("orders.cpu", "orders of 227 B"),
            ("saturation.cpu", "orders, saturation"),
            ("large.cpu", "16 KiB"),
        ]),
    }],
    answer: |it| {
        let each = ("WebSocket, encoded for each", "WebSocket, encoded once");
        Some(format!(
            "Encoded for each client, a delivery by WebSocket costs {} times as much with orders of 227 B, {} times at \
             saturation and {} times with 16 KiB.",
            ratio(it, (each.0, "orders.cpu"), (each.1, "orders.cpu"))?,
            ratio(it, (each.0, "saturation.cpu"), (each.1, "saturation.cpu"))?,
            ratio(it, (each.0, "large.cpu"), (each.1, "large.cpu"))?,
        ))
    },
    ..DEFAULT
};
