use super::{DEFAULT, figure, ratio};
use crate::measures::{CPU_PER_DELIVERY, DELIVERIES, LOAD_BUSY, MEMORY, P99, RECEIVED};
use crate::scenario::{Plot, Scenario, Shape, Table};
use crate::sequence::{CONNECT_STAGE, FAN_OUT, SATURATION, STEADY, Sequence, Stage};

const OVER_TLS: Sequence = Sequence {
    tls: true,
    stages: &[
        Stage {
            name: "connect-tls",
            heading: "Connect over TLS",
            measures: &[MEMORY],
            ..CONNECT_STAGE
        },
        Stage {
            name: "steady-tls",
            heading: "Steady over TLS",
            measures: &[CPU_PER_DELIVERY, P99, RECEIVED],
            ..STEADY
        },
        Stage {
            name: "saturation-tls",
            heading: "Saturation over TLS",
            measures: &[DELIVERIES, CPU_PER_DELIVERY, LOAD_BUSY],
            ..SATURATION
        },
    ],
    ..FAN_OUT
};

pub(super) static SCENARIO: Scenario = Scenario {
    name: "tls",
    question: "What does TLS cost?",
    method: "The same notifications are sent to the same number of clients without TLS and over TLS 1.3, with AES-256-GCM \
             and a certificate of ECDSA P-256 that is made for the run. Both are measured in the same round, each with \
             a fresh server.",
    limits: "The load decrypts as well, on the other core, so its own limit at saturation is lower over TLS.",
    sequences: &[Sequence { stages: &[CONNECT_STAGE, STEADY, SATURATION], ..FAN_OUT }, OVER_TLS],
    tables: &[
        Table {
            title: "Steady",
            columns: &[
                "steady.cpu",
                "steady-tls.cpu",
                "steady.p99",
                "steady-tls.p99",
                "steady.received",
                "steady-tls.received",
            ],
        },
        Table {
            title: "Saturation and memory",
            columns: &[
                "saturation.cpu",
                "saturation-tls.cpu",
                "saturation-tls.load",
                "connect.memory",
                "connect-tls.memory",
            ],
        },
    ],
    plots: &[Plot {
        title: "CPU per delivery",
        note: "microseconds in the server",
        shape: Shape::Bars(&[
            ("steady.cpu", "steady"),
            ("steady-tls.cpu", "steady over TLS"),
            ("saturation.cpu", "saturation"),
            ("saturation-tls.cpu", "saturation over TLS"),
        ]),
    }],
    answer: |it| {
        Some(format!(
            "A delivery by SSE costs {} times as much over TLS if notifications come one at a time, and {} times as \
             much at saturation. A quiet client takes {} of memory instead of {}.",
            ratio(it, ("SSE", "steady-tls.cpu"), ("SSE", "steady.cpu"))?,
            ratio(it, ("SSE", "saturation-tls.cpu"), ("SSE", "saturation.cpu"))?,
            figure(it, "SSE", "connect-tls.memory")?,
            figure(it, "SSE", "connect.memory")?,
        ))
    },
    ..DEFAULT
};
