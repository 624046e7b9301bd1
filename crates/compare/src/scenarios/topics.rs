use super::{DEFAULT, figure};
use crate::contender::{GENERAL, HTTP2, TRANSPORTS};
use crate::measures::{CPU_PER_PUBLISH, P50, P99};
use crate::scenario::{Plot, Scenario, Shape, Table};
use crate::sequence::{Clients, FAN_OUT, Sequence, Stage, publish_often};

const ONE_EACH: Stage = Stage {
    name: "topics",
    heading: "One topic per client",
    before: None,
    command: publish_often,
    measures: &[CPU_PER_PUBLISH, P50, P99],
};

/// Each client has its own topic.
pub(super) const TOPICS: Sequence = Sequence {
    clients: Clients::Times(10),
    own_topics: true,
    stages: &[ONE_EACH],
    includes: |contender| {
        matches!(contender.family, TRANSPORTS | HTTP2 | GENERAL) || contender.is_baseline()
    },
    ..FAN_OUT
};

pub(super) static SCENARIO: Scenario = Scenario {
    name: "topics",
    question: "What does a notification cost if each client gets its own?",
    method: "10,000 clients subscribe to one topic each, all different. 500 notifications a second are published, each to \
             the next topic. This is measured without TLS and over TLS.",
    limits: "Nothing is shared, so this is the other end of the scale from fan-out: most of the cost is the publish.",
    sequences: &[
        TOPICS,
        Sequence {
            tls: true,
            stages: &[Stage {
                name: "topics-tls",
                heading: "One topic per client, over TLS",
                ..ONE_EACH
            }],
            includes: |contender| matches!(contender.family, TRANSPORTS | HTTP2),
            ..TOPICS
        },
    ],
    tables: &[
        Table {
            title: "One topic per client",
            columns: &["topics.cpu", "topics.p50", "topics.p99"],
        },
        Table {
            title: "Over TLS",
            columns: &["topics-tls.cpu", "topics-tls.p50", "topics-tls.p99"],
        },
    ],
    plots: &[Plot {
        title: "CPU per notification",
        note: "microseconds in the server, for the publish and the delivery to one client",
        shape: Shape::Bars(&[("topics.cpu", "plain"), ("topics-tls.cpu", "over TLS")]),
    }],
    answer: |it| {
        Some(format!(
            "A notification to one client takes {} of the server's CPU time by WebSocket, {} by SSE and {} by \
             long-polling, including the publish. Over TLS it takes {}, {} and {}.",
            figure(it, "WebSocket", "topics.cpu")?,
            figure(it, "SSE", "topics.cpu")?,
            figure(it, "long-polling", "topics.cpu")?,
            figure(it, "WebSocket", "topics-tls.cpu")?,
            figure(it, "SSE", "topics-tls.cpu")?,
            figure(it, "long-polling", "topics-tls.cpu")?,
        ))
    },
    ..DEFAULT
};
