use super::{DEFAULT, figure};
use crate::contender::{HTTP2, HTTP3, TRANSPORTS};
use crate::measures::{BYTES_PER_CLIENT, CAUGHT_UP, CPU_PER_CLIENT, Measure, REQUEST, REQUEST_P99};
use crate::protocol::Command;
use crate::scenario::{Plot, Scenario, Shape, Table};
use crate::sequence::{Clients, FAN_OUT, Sequence, Stage};

const MEASURES: &[Measure] = &[CAUGHT_UP, REQUEST, REQUEST_P99, CPU_PER_CLIENT, BYTES_PER_CLIENT];

macro_rules! away {
    ($name:literal $heading:literal $missed:literal $clients:expr) => {
        Sequence {
            clients: $clients,
            stages: &[Stage {
                name: $name,
                heading: $heading,
                before: Some(|_| Command::Leave { count: $missed }),
                command: |_| Command::Resume,
                measures: MEASURES,
            }],
            includes: |contender| matches!(contender.family, TRANSPORTS | HTTP2 | HTTP3),
            ..FAN_OUT
        }
    };
}

pub(super) static SCENARIO: Scenario = Scenario {
    name: "absence",
    question: "What happens if clients lose their connection and come back, one thousand or ten thousand at once?",
    method: "All clients are disconnected at the same time. 10 or 1,000 notifications are published. Then all clients \
             connect at the same time, each with the id of the last notification that it has received, and the time is \
             measured until the last client has everything that it has missed.",
    limits: "“Request answered” is the time until the head of the response by SSE and WebSocket, and until the first \
             notifications by long-polling. Clients come back without a random delay, which real clients should have. \
             All miss the same notifications.",
    sequences: &[
        away!("away-10" "10 missed" 10 Clients::Times(1)),
        away!("away-1000" "1,000 missed" 1_000 Clients::Times(1)),
        away!("storm" "10,000 clients, 10 missed" 10 Clients::Exactly(10_000)),
    ],
    tables: &[
        Table {
            title: "All have caught up after",
            columns: &["away-10.caught-up", "away-1000.caught-up", "storm.caught-up"],
        },
        Table {
            title: "Request answered p99",
            columns: &["away-10.request-p99", "away-1000.request-p99", "storm.request-p99"],
        },
        Table {
            title: "Server CPU per client",
            columns: &["away-10.cpu", "away-1000.cpu", "storm.cpu"],
        },
        Table {
            title: "Bytes per client, both ways",
            columns: &["away-10.bytes", "away-1000.bytes", "storm.bytes"],
        },
    ],
    plots: &[Plot {
        title: "Time until all have caught up",
        note: "milliseconds",
        shape: Shape::Bars(&[
            ("away-10.caught-up", "10 missed"),
            ("away-1000.caught-up", "1,000 missed"),
            ("storm.caught-up", "10,000 clients, 10 missed"),
        ]),
    }],
    answer: |it| {
        Some(format!(
            "10,000 clients that come back at the same time have everything after {} by SSE, {} by WebSocket and {} by \
             long-polling.",
            figure(it, "SSE", "storm.caught-up")?,
            figure(it, "WebSocket", "storm.caught-up")?,
            figure(it, "long-polling", "storm.caught-up")?,
        ))
    },
    ..DEFAULT
};
