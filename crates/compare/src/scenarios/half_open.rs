use super::networks::is_ours;
use super::{DEFAULT, figure};
use crate::contender::Contender;
use crate::measures::{CONNECTIONS, NOTICED_ALL, NOTICED_HALF};
use crate::protocol::Command;
use crate::scenario::{Plot, Scenario, Shape, Table};
use crate::sequence::{CONNECT_STAGE, Clients, FAN_OUT, HEARTBEAT, HOLD, Sequence, Stage};
use crate::workload::Workload;

macro_rules! vanish {
    ($name:literal $connect:literal $heading:literal $hold:expr,  $serve_args:expr) => {
        Sequence {
            clients: Clients::Exactly(100),
            network: Some("none"),
            hold: $hold,
            serve_args: $serve_args,
            stages: &[
                Stage {
                    name: $connect,
                    heading: $heading,
                    measures: &[CONNECTIONS],
                    ..CONNECT_STAGE
                },
                Stage {
                    name: $name,
                    heading: $heading,
                    before: None,
                    command: |_| Command::Cut { seconds: 150.0 },
                    measures: &[NOTICED_HALF, NOTICED_ALL],
                },
            ],
            // The sockets of QUIC do not show whether a client is connected.
            includes: |one: &Contender| is_ours(one) && !one.is_webtransport(),
            ..FAN_OUT
        }
    };
}

pub(super) static SCENARIO: Scenario = Scenario {
    name: "half-open",
    question: "How soon does the server notice clients that have vanished?",
    method: "100 quiet clients connect over a simulated network, which then loses every packet. The time is measured \
             until the server has closed the connections. The server sends a heartbeat or an empty answer to a poll \
             every 25 s, which is its default. It is measured again with every 5 s.",
    limits: "The server closes a connection if a write is not acknowledged within 30 s, its write deadline. By \
             WebSocket it also does so after three heartbeats in a row without an answer, if that is sooner. Both \
             follow from settings, so one round is enough. If the server publishes, it notices sooner, because it \
             waits for acknowledgements of the notifications.",
    contenders: &["transports"],
    workload: Workload { rounds: 1, ..Workload::DEFAULT },
    sequences: &[
        vanish!("default" "connect" "Heartbeats every 25 s" 25, &[]),
        vanish!("often" "connect-often" "Heartbeats every 5 s" HOLD, HEARTBEAT),
    ],
    tables: &[Table {
        title: "Noticed after",
        columns: &["default.half", "default.all", "often.half", "often.all"],
    }],
    plots: &[Plot {
        title: "Time until all are noticed",
        note: "milliseconds",
        shape: Shape::Bars(&[
            ("default.all", "heartbeats every 25 s"),
            ("often.all", "heartbeats every 5 s"),
        ]),
    }],
    answer: |it| {
        Some(format!(
            "The server has closed all connections after {} by WebSocket, {} by SSE and {} by long-polling, and after \
             {}, {} and {} with heartbeats every 5 s.",
            figure(it, "WebSocket", "default.all")?,
            figure(it, "SSE", "default.all")?,
            figure(it, "long-polling", "default.all")?,
            figure(it, "WebSocket", "often.all")?,
            figure(it, "SSE", "often.all")?,
            figure(it, "long-polling", "often.all")?,
        ))
    },
    ..DEFAULT
};
