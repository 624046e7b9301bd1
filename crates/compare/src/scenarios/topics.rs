use super::{DEFAULT, figure};
use crate::contender::{GENERAL, HTTP2, TRANSPORTS};
use crate::measures::{CPU_PER_PUBLISH, P50, P99};
use crate::scenario::{Plot, Scenario, Shape, Table};
use crate::sequence::{Clients, FAN_OUT, Sequence, Stage, publish_often};

/// Each client has its own topic.
pub(super) const TOPICS: Sequence = Sequence {
    clients: Clients::Times(10),
    own_topics: true,
    stages: &[Stage {
        name: "topics",
        heading: "One topic per client",
        before: None,
        command: publish_often,
        measures: &[CPU_PER_PUBLISH, P50, P99],
    }],
    includes: |contender| {
        matches!(contender.family, TRANSPORTS | HTTP2 | GENERAL) || contender.is_baseline()
    },
    ..FAN_OUT
};

pub(super) static SCENARIO: Scenario = Scenario {
    name: "topics",
    question: "What does a notification cost if each client gets its own?",
    method: "Each of ten times as many clients subscribes to its own topic. 500 notifications a second are published, \
             each to the next topic.",
    limits: "Nothing is shared, so this is the other end of the scale from fan-out: most of the cost is the publish.",
    sequences: &[TOPICS],
    tables: &[Table {
        title: "One topic per client",
        columns: &["topics.cpu", "topics.p50", "topics.p99"],
    }],
    plots: &[Plot {
        title: "CPU per notification",
        note: "microseconds in the server, for the publish and the delivery to one client",
        shape: Shape::Bars(&[("topics.cpu", "")]),
    }],
    answer: |it| {
        Some(format!(
            "A notification to one client takes {} of the server's CPU time by WebSocket, {} by SSE and {} by \
             long-polling, including the publish.",
            figure(it, "WebSocket", "topics.cpu")?,
            figure(it, "SSE", "topics.cpu")?,
            figure(it, "long-polling", "topics.cpu")?,
        ))
    },
    ..DEFAULT
};
