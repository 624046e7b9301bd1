//! A card for each contender, with its main figures.

use std::fmt::Write as _;

use super::{Labelled, OTHERS, QUEUES, names};
use crate::report::cells::Cell;
use crate::report::markup::text;
use crate::report::{Missing, Report, is_queue};

/// The rows of each card below its first.
const CARD: [Labelled; 5] = [
    ("steady.p50", "latency, median"),
    ("steady.p99", "latency, p99"),
    ("steady.received", "received per delivery"),
    ("connect.memory", "memory per client"),
    ("saturation.rate", "deliveries at saturation"),
];

/// Writes a card for each contender. The message queues have their own heading.
pub(super) fn write(page: &mut String, report: &Report) {
    let has_queue = report.summary.transports.iter().any(|title| is_queue(title));
    for queues in [false, true] {
        let title = if queues { QUEUES } else { OTHERS };
        let mut cards = String::new();
        write_cards(&mut cards, report, queues);
        if cards.is_empty() {
            continue;
        }
        let title = if has_queue { title } else { "At a glance" };
        let _ = writeln!(page, "<h2>{title}</h2>\n<section class=\"cards\">\n{cards}</section>");
    }
}

/// Writes the cards of the message queues, or those of all other contenders.
fn write_cards(page: &mut String, report: &Report, queues: bool) {
    let titles = report.summary.transports.iter();
    for (at, (name, title)) in names(report).iter().zip(titles).enumerate() {
        if is_queue(title) != queues {
            continue;
        }
        let cpu = figure(report, "steady.cpu", at);
        let _ = write!(
            page,
            "<article class=\"card\"><h3>{name}</h3><p class=\"big\">{cpu}</p>\
             <small>of the server’s CPU per delivery</small><dl>"
        );
        for (key, label) in CARD {
            let _ = write!(page, "<dt>{label}</dt><dd>{}</dd>", figure(report, key, at));
        }
        page.push_str("</dl></article>\n");
    }
    for Missing { transport, problem, .. } in &report.missing {
        if is_queue(transport) != queues {
            continue;
        }
        let (transport, problem) = (text(transport), text(problem));
        let _ = writeln!(
            page,
            "<article class=\"card\"><h3>{transport}</h3><p>Not measured.</p>\
             <small>{problem}</small></article>"
        );
    }
}

/// A figure of one contender with its unit and its mark.
fn figure(report: &Report, key: &str, contender: usize) -> String {
    let row = report.summary.row(key).filter(|row| row.values[contender].is_some());
    let Some(row) = row else { return "–".to_owned() };
    let Cell { median, mark, .. } = report.cells(row).swap_remove(contender);
    format!("{median} <small>{}{mark}</small>", row.unit.sign())
}
