use super::{DEFAULT, figure};
use crate::measures::{CPU_PER_DELIVERY, DELIVERIES, LOAD_BUSY, Measure, P50, P99};
use crate::scenario::{Plot, Scenario, Shape, Table};
use crate::sequence::{FAN_OUT, Sequence, Stage, publish};

const MEASURES: &[Measure] = &[DELIVERIES, P50, P99, CPU_PER_DELIVERY, LOAD_BUSY];

macro_rules! rates {
    ($($rate:literal)*) => {
        &[$(Stage {
            name: concat!("rate-", $rate),
            heading: concat!($rate, "/s"),
            before: None,
            command: |it| publish($rate as f64, 1, it.steady_seconds),
            measures: MEASURES,
        }),*]
    };
}

pub(super) static SCENARIO: Scenario = Scenario {
    name: "knee",
    question: "Up to which rate of notifications does the latency stay low?",
    method: "All clients subscribe to one topic. Notifications are published one at a time, at a rate that doubles \
             from stage to stage. Latency counts from the time for which a publish was scheduled, even if it is sent \
             later, so it grows without a limit if the server cannot keep up.",
    limits: "The load receives on one core. If that core was busy, the load and not the server was the limit. A \
             server that gets several notifications at once sends them together, so its cost per delivery falls with \
             the rate. From the rate on at which the core of the load is busy, notifications wait and are sent \
             several at a time. Deliveries a second are counted until the last one has arrived, which may be after \
             the end of the schedule.",
    sequences: &[Sequence { stages: rates!(10 20 40 80 160 320 640 1280 2560), ..FAN_OUT }],
    tables: &[
        Table {
            title: "Latency p99",
            columns: &[
                "rate-10.p99",
                "rate-40.p99",
                "rate-80.p99",
                "rate-160.p99",
                "rate-320.p99",
                "rate-640.p99",
                "rate-1280.p99",
                "rate-2560.p99",
            ],
        },
        Table {
            title: "Server CPU per delivery",
            columns: &[
                "rate-10.cpu",
                "rate-40.cpu",
                "rate-160.cpu",
                "rate-640.cpu",
                "rate-2560.cpu",
            ],
        },
    ],
    plots: &[Plot {
        title: "Latency p99 over the rate",
        note: "milliseconds over notifications per second to all clients, both logarithmic",
        shape: Shape::Lines(&[
            (10.0, "rate-10.p99"),
            (20.0, "rate-20.p99"),
            (40.0, "rate-40.p99"),
            (80.0, "rate-80.p99"),
            (160.0, "rate-160.p99"),
            (320.0, "rate-320.p99"),
            (640.0, "rate-640.p99"),
            (1280.0, "rate-1280.p99"),
            (2560.0, "rate-2560.p99"),
        ]),
    }],
    answer: |it| {
        let p99 = |title| {
            let at = |rate| figure(it, title, rate);
            Some(format!(
                "{}, {} and {}",
                at("rate-80.p99")?,
                at("rate-160.p99")?,
                at("rate-2560.p99")?
            ))
        };
        Some(format!(
            "At 80, 160 and 2,560 notifications a second, the p99 is {} by SSE, {} by WebSocket and {} by long-polling.",
            p99("SSE")?,
            p99("WebSocket")?,
            p99("long-polling")?,
        ))
    },
    ..DEFAULT
};
