use super::{DEFAULT, figure};
use crate::measures::{CPU_PER_DELIVERY, DELIVERIES, Measure, P99, RECEIVED};
use crate::scenario::{Plot, Scenario, Shape, Table};
use crate::sequence::{FAN_OUT, Sequence, Stage, publish_steadily, saturate};
use crate::workload::Payload;

const STEADY: &[Measure] = &[CPU_PER_DELIVERY, P99, RECEIVED];
const SATURATION: &[Measure] = &[DELIVERIES, CPU_PER_DELIVERY];

macro_rules! payload {
    ($name:literal $heading:literal $payload:expr) => {
        Sequence {
            payload: Some($payload),
            stages: &[
                Stage {
                    name: concat!("steady-", $name),
                    heading: $heading,
                    before: None,
                    command: publish_steadily,
                    measures: STEADY,
                },
                Stage {
                    name: concat!("saturation-", $name),
                    heading: $heading,
                    before: None,
                    command: saturate,
                    measures: SATURATION,
                },
            ],
            ..FAN_OUT
        }
    };
}

pub(super) static SCENARIO: Scenario = Scenario {
    name: "payloads",
    question: "What does the size of a notification change?",
    method: "All clients subscribe to one topic. Payloads of each size are published one at a time, and then as fast as \
             all clients receive them. The orders are JSON in a string, whose quotes tidings.v1 and polls escape.",
    limits: "Loopback copies bytes without a network card, so a large payload is cheaper here than on a network.",
    sequences: &[
        payload!("16" "16 B" Payload::Plain(16)),
        payload!("256" "256 B" Payload::Plain(256)),
        payload!("1k" "1 KiB" Payload::Plain(1 << 10)),
        payload!("4k" "4 KiB" Payload::Plain(4 << 10)),
        payload!("16k" "16 KiB" Payload::Plain(16 << 10)),
        payload!("64k" "64 KiB" Payload::Plain(64 << 10)),
        payload!("orders" "orders, 227 B" Payload::Orders),
    ],
    tables: &[
        Table {
            title: "Steady: server CPU per delivery",
            columns: &[
                "steady-16.cpu",
                "steady-1k.cpu",
                "steady-4k.cpu",
                "steady-16k.cpu",
                "steady-64k.cpu",
                "steady-orders.cpu",
            ],
        },
        Table {
            title: "Steady: bytes received per delivery",
            columns: &[
                "steady-16.received",
                "steady-1k.received",
                "steady-16k.received",
                "steady-64k.received",
                "steady-orders.received",
            ],
        },
        Table {
            title: "Saturation: deliveries",
            columns: &[
                "saturation-16.rate",
                "saturation-1k.rate",
                "saturation-4k.rate",
                "saturation-16k.rate",
                "saturation-64k.rate",
                "saturation-orders.rate",
            ],
        },
    ],
    plots: &[Plot {
        title: "CPU per delivery over the payload",
        note: "microseconds in the server over bytes, steady, both logarithmic",
        shape: Shape::Lines(&[
            (16.0, "steady-16.cpu"),
            (256.0, "steady-256.cpu"),
            (1_024.0, "steady-1k.cpu"),
            (4_096.0, "steady-4k.cpu"),
            (16_384.0, "steady-16k.cpu"),
            (65_536.0, "steady-64k.cpu"),
        ]),
    }],
    answer: |it| {
        Some(format!(
            "A delivery of 16 B takes {} of the server's CPU time by WebSocket and {} by SSE, one of 64 KiB {} and {}.",
            figure(it, "WebSocket", "steady-16.cpu")?,
            figure(it, "SSE", "steady-16.cpu")?,
            figure(it, "WebSocket", "steady-64k.cpu")?,
            figure(it, "SSE", "steady-64k.cpu")?,
        ))
    },
    ..DEFAULT
};
