use super::{DEFAULT, figure};
use crate::contender::{COMPRESSED, HTTP2, HTTP3, TRANSPORTS};
use crate::measures::{CPU_PER_DELIVERY, DELIVERIES, RECEIVED};
use crate::protocol::Command;
use crate::scenario::{Plot, Scenario, Shape, Table};
use crate::sequence::{FAN_OUT, Sequence, Stage};
use crate::workload::Workload;

/// The most notifications in the log from which clients resume, and the most bytes, including what a server keeps of
/// each besides its payload. By default our server keeps more of both.
const LOG: usize = 10_000;
const LOG_BYTES: usize = 32 << 20;
const ENTRY_BYTES: usize = 700;

/// All clients request everything that the server retains.
pub(super) const RESUME: Sequence = Sequence {
    stages: &[Stage {
        name: "resume",
        heading: "Resume from the start of the log",
        before: Some(fill),
        command: |_| Command::Resume,
        measures: &[DELIVERIES, CPU_PER_DELIVERY, RECEIVED],
    }],
    includes: |contender| matches!(contender.family, TRANSPORTS | HTTP2 | HTTP3 | COMPRESSED),
    ..FAN_OUT
};

fn fill(workload: &Workload) -> Command {
    let count = LOG.min(LOG_BYTES / (workload.payload.about() + ENTRY_BYTES));
    Command::Fill { count: count as u64 }
}

pub(super) static SCENARIO: Scenario = Scenario {
    name: "resume",
    question: "What does it cost to send a client everything that it has missed?",
    method: "10,000 notifications are published before any client is connected. Then all clients connect at the same \
             time, and each requests all of them.",
    limits: "All clients miss the same notifications, which the server has encoded once.",
    sequences: &[RESUME],
    tables: &[Table {
        title: "Resume from the start of the log",
        columns: &["resume.rate", "resume.cpu", "resume.received"],
    }],
    plots: &[Plot {
        title: "CPU per delivery",
        note: "microseconds in the server",
        shape: Shape::Bars(&[("resume.cpu", "")]),
    }],
    answer: |it| {
        Some(format!(
            "Catching up takes {} of the server's CPU time for each notification by SSE, {} by WebSocket and {} by \
             long-polling.",
            figure(it, "SSE", "resume.cpu")?,
            figure(it, "WebSocket", "resume.cpu")?,
            figure(it, "long-polling", "resume.cpu")?,
        ))
    },
    ..DEFAULT
};
