use super::{DEFAULT, figure};
use crate::measures::{MAX, MOVED, Measure, P50, P99, REQUEST, REQUEST_P99};
use crate::protocol::Command;
use crate::scenario::{Plot, Scenario, Shape, Table};
use crate::sequence::{FAN_OUT, STEADY, Sequence, Stage};
use crate::workload::Workload;

const LATENCY: &[Measure] = &[P50, P99, MAX];

pub(super) static SCENARIO: Scenario = Scenario {
    name: "rolling-restart",
    question: "What does a rolling restart do to the clients?",
    method: "500 clients are connected to each of two servers over NATS JetStream. While 20 notifications a second are \
             published, the servers are restarted one after the other: each is sent SIGTERM, sends goodbyes to its clients \
             within a second, ends, and starts again at its address. A client connects to the other server at once, with \
             the id of the last notification that it has received. The publisher also connects to the other server. If a \
             publish was not answered, it sends the notification again with the same idempotency key.",
    limits: "Clients know both addresses and come back without a random delay. Behind a load balancer, they would keep one \
             address. Both servers and the broker share one core, also while a server starts. CPU time is not measured, \
             because the measured processes end.",
    contenders: &["two-servers"],
    workload: Workload { publishers: 1, steady_seconds: 6.0, ..Workload::DEFAULT },
    sequences: &[Sequence {
        stages: &[
            Stage { measures: LATENCY, ..STEADY },
            Stage {
                name: "restart",
                heading: "Rolling restart",
                before: None,
                command: |it| Command::RollingRestart { rate: it.rate, seconds: it.steady_seconds },
                measures: &[P50, P99, MAX, MOVED, REQUEST, REQUEST_P99],
            },
        ],
        ..FAN_OUT
    }],
    tables: &[
        Table {
            title: "Latency",
            columns: &[
                "steady.p50",
                "restart.p50",
                "steady.p99",
                "restart.p99",
                "steady.max",
                "restart.max",
            ],
        },
        Table {
            title: "Moves, and lost notifications",
            columns: &[
                "restart.moved",
                "restart.request",
                "restart.request-p99",
                "integrity.lost",
                "integrity.duplicated",
            ],
        },
    ],
    plots: &[Plot {
        title: "Latency p99",
        note: "milliseconds",
        shape: Shape::Bars(&[
            ("steady.p99", "steady"),
            ("restart.p99", "during a rolling restart"),
        ]),
    }],
    answer: |it| {
        let lost = |title| Some(it.value(title, "integrity.lost")?.max);
        let lost = lost("WebSocket, 2 servers")?
            + lost("SSE, 2 servers")?
            + lost("long-polling, 2 servers")?;
        let verdict = if lost > 0.0 { "Notifications are lost" } else { "No notification is lost" };
        Some(format!(
            "{verdict} if clients continue after their last id. The slowest delivery takes {} by WebSocket, {} \
             by SSE and {} by long-polling, instead of {}, {} and {} without a restart.",
            figure(it, "WebSocket, 2 servers", "restart.max")?,
            figure(it, "SSE, 2 servers", "restart.max")?,
            figure(it, "long-polling, 2 servers", "restart.max")?,
            figure(it, "WebSocket, 2 servers", "steady.max")?,
            figure(it, "SSE, 2 servers", "steady.max")?,
            figure(it, "long-polling, 2 servers", "steady.max")?,
        ))
    },
    ..DEFAULT
};
