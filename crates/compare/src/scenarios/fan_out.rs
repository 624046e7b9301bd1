//! The default scenario.

use super::{DEFAULT, figure};
use crate::scenario::{Plot, Scenario, Shape, Table};
use crate::sequence::FAN_OUT;

pub(super) static SCENARIO: Scenario = Scenario {
    name: "fan-out",
    question: "What does it cost to send each notification to all clients?",
    method: "All clients subscribe to one topic. Then notifications are published one at a time, in bursts of ten, and \
             finally as fast as all clients receive them.",
    limits: "Clients are on the same machine, without TLS and without a proxy. Latency includes the sends to the \
             clients that are served before, which take most of it. At saturation, 64 notifications for the same \
             clients are in flight: a server that sends several together pays one send for them, which it could not \
             with a topic for each client. Our server sends by io_uring, which containers often forbid. The memory of \
             each of 1,000 clients includes what a server allocates once; the scenario idle has 10,000. The servers \
             from Debian 12 are some years old, and newer ones may be faster.",
    contenders: &["transports", "message-queue"],
    sequences: &[FAN_OUT],
    tables: &[
        Table {
            title: "Steady, one notification at a time",
            columns: &[
                "steady.cpu",
                "steady.p50",
                "steady.p99",
                "steady.received",
                "steady.sent",
                "steady.requests",
            ],
        },
        Table {
            title: "Bursts of ten",
            columns: &["burst.cpu", "burst.p50", "burst.p99", "burst.received", "burst.requests"],
        },
        Table {
            title: "Saturation, as many as the server delivers",
            columns: &[
                "saturation.rate",
                "saturation.cpu",
                "saturation.requests",
                "saturation.load",
            ],
        },
        Table {
            title: "Connecting, and a quiet client after that",
            columns: &["connect.cpu", "connect.bytes", "connect.memory"],
        },
    ],
    plots: &[
        Plot {
            title: "One notification at a time",
            note: "milliseconds at each percentile, logarithmic",
            shape: Shape::Percentiles("steady"),
        },
        Plot {
            title: "Bursts of ten notifications",
            note: "milliseconds at each percentile, logarithmic",
            shape: Shape::Percentiles("burst"),
        },
        Plot {
            title: "CPU per delivery",
            note: "microseconds in the server, including the publish",
            shape: Shape::Bars(&[
                ("steady.cpu", "steady"),
                ("burst.cpu", "burst"),
                ("saturation.cpu", "saturation"),
            ]),
        },
        Plot {
            title: "Bytes per delivery",
            note: "counted at the client’s socket, steady",
            shape: Shape::Bars(&[("steady.received", "received"), ("steady.sent", "sent")]),
        },
        Plot {
            title: "Deliveries per second",
            note: "as fast as all clients receive",
            shape: Shape::Bars(&[("saturation.rate", "")]),
        },
        Plot {
            title: "Memory per client",
            note: "bytes in the server, connected and idle, without buffers of the kernel",
            shape: Shape::Bars(&[("connect.memory", "")]),
        },
    ],
    answer: |it| {
        Some(format!(
            "A delivery takes {} of the server's CPU time by SSE, {} by WebSocket and {} by long-polling if \
             notifications come one at a time, and {}, {} and {} at saturation.",
            figure(it, "SSE", "steady.cpu")?,
            figure(it, "WebSocket", "steady.cpu")?,
            figure(it, "long-polling", "steady.cpu")?,
            figure(it, "SSE", "saturation.cpu")?,
            figure(it, "WebSocket", "saturation.cpu")?,
            figure(it, "long-polling", "saturation.cpu")?,
        ))
    },
    ..DEFAULT
};
