use super::{DEFAULT, figure, ratio};
use crate::contender::Contender;
use crate::measures::{CPU_PER_DELIVERY, Measure, RECEIVED};
use crate::plan::Compression;
use crate::protocol::Command;
use crate::scenario::{Plot, Scenario, Shape, Table};
use crate::sequence::{
    Clients, FAN_OUT, IDLE, SATURATION, STEADY, Sequence, Stage, publish_often, publish_steadily,
};
use crate::workload::{Payload, Workload};

const MEASURES: &[Measure] = &[CPU_PER_DELIVERY, RECEIVED];

/// The same stage with a number of clients that does not depend on the plan. What is compressed once for all clients
/// costs the more for each client, the fewer there are.
macro_rules! by_size {
    ($clients:literal $name:literal $heading:literal $command:ident) => {
        Sequence {
            clients: Clients::Exactly($clients),
            stages: &[Stage {
                name: $name,
                heading: $heading,
                before: None,
                command: $command,
                measures: MEASURES,
            }],
            includes: Contender::is_one_http_server,
            ..FAN_OUT
        }
    };
}

macro_rules! by_payload {
    ($name:literal $payload:ident) => {
        Sequence {
            payload: Some(Payload::$payload),
            stages: &[Stage {
                name: $name,
                heading: $name,
                before: None,
                command: publish_steadily as fn(&Workload) -> Command,
                measures: MEASURES,
            }],
            ..FAN_OUT
        }
    };
}

pub(super) static SCENARIO: Scenario = Scenario {
    name: "compression",
    question: "When does compression pay?",
    method: "The same notifications are sent without and with compression, in the same round. The payload is an \
             order update in JSON of 227 B, then price ticks of 97 B and random text of 128 B. Clients inflate \
             everything that they receive.",
    limits: "CPU time of the clients is not counted. The values of the payloads change as those of a real service, but \
             they are made up.",
    compression: Some(Compression::Both),
    workload: Workload {
        payload: Payload::Orders,
        steady_seconds: 2.0,
        saturation_seconds: 2.0,
        ..Workload::DEFAULT
    },
    sequences: &[
        Sequence { stages: &[STEADY, SATURATION], ..FAN_OUT },
        IDLE,
        by_payload!("ticks" Ticks),
        by_payload!("random" Random),
        by_size!(1 "of-1" "1 client" publish_often),
        by_size!(10 "of-10" "10 clients" publish_often),
        by_size!(1_000 "of-1000" "1,000 clients" publish_steadily),
        by_size!(10_000 "of-10000" "10,000 clients" publish_steadily),
    ],
    tables: &[
        Table {
            title: "Orders",
            columns: &[
                "steady.cpu",
                "steady.p99",
                "steady.received",
                "saturation.cpu",
                "quiet.memory",
            ],
        },
        Table {
            title: "Bytes received per delivery, by payload",
            columns: &["steady.received", "ticks.received", "random.received"],
        },
        Table {
            title: "Server CPU per delivery, by the number of clients",
            columns: &["of-1.cpu", "of-10.cpu", "of-1000.cpu", "of-10000.cpu"],
        },
    ],
    plots: &[
        Plot {
            title: "Bytes per delivery",
            note: "counted at the client’s socket",
            shape: Shape::Bars(&[
                ("steady.received", "orders"),
                ("ticks.received", "ticks"),
                ("random.received", "random"),
            ]),
        },
        Plot {
            title: "CPU per delivery over the number of clients",
            note: "microseconds in the server over clients, both logarithmic",
            shape: Shape::Lines(&[
                (1.0, "of-1.cpu"),
                (10.0, "of-10.cpu"),
                (1_000.0, "of-1000.cpu"),
                (10_000.0, "of-10000.cpu"),
            ]),
        },
    ],
    answer: |it| {
        Some(format!(
            "An order of 227 B takes {} instead of {} by SSE, and {} instead of {} by WebSocket. With 1,000 clients, a \
             delivery by SSE costs {} times the CPU time.",
            figure(it, "SSE, compressed", "steady.received")?,
            figure(it, "SSE", "steady.received")?,
            figure(it, "WebSocket, compressed", "steady.received")?,
            figure(it, "WebSocket", "steady.received")?,
            ratio(it, ("SSE, compressed", "of-1000.cpu"), ("SSE", "of-1000.cpu"))?,
        ))
    },
    ..DEFAULT
};
