//! The table for a terminal.

use std::fmt::Write as _;

use super::cells::{Cell, Table};
use super::{Missing, QUEUES, Remark, Report, is_queue, superscript};

/// The space between two columns.
const GAP: usize = 2;

/// A table that is wider than this is divided. In characters.
const WIDTH: usize = 120;

/// The figures with one column for each contender, then targets, remarks and warnings. Message queues have their own
/// table.
pub(super) fn table(report: &Report) -> String {
    let mut text = format!("{}\n\n", report.subject());
    let [ours, queues] = [false, true].map(|queues| report.figures(|it| is_queue(it) == queues));
    if !ours.columns.is_empty() {
        text += &divided(&ours);
    }
    if !queues.columns.is_empty() {
        let space = if ours.columns.is_empty() { "" } else { "\n" };
        let _ = writeln!(text, "{space}{QUEUES}");
        text += &divided(&queues);
    }
    let spread =
        if report.plan.rounds > 1 { "medians over rounds (min–max)" } else { "one round" };
    let _ = writeln!(text, "\n{spread}, latency counts from the scheduled publish");
    if let Some(targets) = report.target_table() {
        text += "\n";
        text += &aligned(&targets);
        text += "\ncompared: the figure, or its ratio to the divisor in the same round\n";
    }
    let _ = writeln!(text, "\nmeasured: {}", report.environment.versions());
    let _ = writeln!(text, "{}", report.environment.lines());
    for Remark { transport, text: remark } in &report.remarks {
        let _ = writeln!(text, "{transport}: {remark}");
    }
    for Missing { transport, problem, .. } in &report.missing {
        let _ = writeln!(text, "{transport}: not measured: {problem}");
    }
    for (number, warning) in (1..).zip(report.marked_warnings()) {
        let _ = writeln!(text, "{} warning: {}", superscript(number), warning.text);
    }
    for warning in report.other_warnings() {
        let _ = writeln!(text, "warning: {}", warning.text);
    }
    text
}

/// Divides the columns among as few tables as are needed, one after the other, so that each has at most [`WIDTH`]
/// characters. A table has at least one column.
fn divided(table: &Table) -> String {
    let widths = widths(table, &lines(table));
    let mut parts = Vec::new();
    let (mut first, mut taken) = (0, widths[0]);
    for (at, width) in widths[1..].iter().enumerate() {
        if at > first && taken + GAP + width > WIDTH {
            parts.push(aligned(&table.only_columns(first..at)));
            (first, taken) = (at, widths[0]);
        }
        taken += GAP + width;
    }
    parts.push(aligned(&table.only_columns(first..table.columns.len())));
    parts.join("\n")
}

/// The width of the labels and of each column.
fn widths(table: &Table, lines: &[Vec<String>]) -> Vec<usize> {
    // A heading may be wider than the column of labels, because the rest of its line is empty.
    let rows = || lines.iter().filter(|line| line.len() > 1);
    let width = |at: usize| rows().map(|line| line[at].chars().count()).max().unwrap_or(0);
    (0..=table.columns.len()).map(width).collect()
}

/// Aligns the first column to the left and the others to the right.
fn aligned(table: &Table) -> String {
    let lines = lines(table);
    let widths = widths(table, &lines);
    let mut text = String::new();
    for line in &lines {
        let mut written = format!("{:1$}", line[0], widths[0]);
        for (word, width) in line.iter().zip(&widths).skip(1) {
            let _ = write!(written, "{word:>width$}", width = width + GAP);
        }
        let _ = writeln!(text, "{}", written.trim_end());
    }
    text
}

/// The words of each line: the label and one word per column. The range of each figure is in the line below it.
fn lines(table: &Table) -> Vec<Vec<String>> {
    let mut lines = vec![[String::new()].iter().chain(&table.columns).cloned().collect()];
    for group in &table.groups {
        lines.push(vec![group.heading.clone()]);
        for (label, cells) in &group.rows {
            let of = |label: String, word: fn(&Cell) -> String| {
                [label].into_iter().chain(cells.iter().map(word)).collect()
            };
            lines.push(of(format!("  {label}"), |cell| format!("{}{}", cell.median, cell.mark)));
            if cells.iter().any(|cell| !cell.range.is_empty()) {
                lines.push(of(String::new(), |cell| match cell.range.as_str() {
                    "" => String::new(),
                    range => format!("({range})"),
                }));
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::{contenders, sample};

    #[test]
    fn the_table_contains_every_figure_target_and_contender() {
        let report = sample();
        let text = table(&report);
        for name in &report.summary.transports {
            assert!(text.contains(name), "{text}");
        }
        for row in &report.summary.rows {
            assert!(text.contains(&row.label), "{} in {text}", row.label);
        }
        assert!(
            text.contains("WebSocket / baseline WebSocket") && text.contains("≤ 0.85"),
            "{text}"
        );
        assert!(text.contains("long-polling: requests again and again\n"), "{text}");
        assert!(text.contains("pigeon: not measured: there are no pigeons: buy some\n"), "{text}");
        assert!(
            text.contains("measured: tidings 0.1.0 · pigeon-server (version unknown)\n"),
            "{text}"
        );
        assert!(text.contains("0123456789ab"), "{text}");
    }

    #[test]
    fn a_table_that_is_too_wide_is_divided() {
        let mut report = sample();
        let titles = ["SSE", "SSE, HTTP/2", "long-polling, HTTP/2", "WebTransport"];
        for title in titles.iter().cycle().take(8) {
            report.summary.transports.push((*title).to_owned());
            report.summary.rows.iter_mut().for_each(|row| row.values.push(row.values[0]));
        }
        let text = table(&report);
        let figures = text.split("medians over").next().unwrap();
        let widest = figures.lines().map(|line| line.chars().count()).max().unwrap();
        assert!((WIDTH / 2..=WIDTH).contains(&widest), "{figures}");
        let tables = figures.matches("latency p99").count() / 2;
        assert!(tables > 1, "{figures}");
        assert_eq!(figures.matches("\nSaturation\n").count(), tables, "{figures}");
        assert_eq!(figures.matches("WebTransport").count(), 2, "{figures}");
        assert_eq!(figures.matches("long-polling, HTTP/2").count(), 2, "{figures}");
    }

    #[test]
    fn message_queues_have_their_own_table() {
        let mut report = sample();
        report.summary.transports[3] = "NATS".to_owned();
        let text = table(&report);
        let (ours, queues) = text.split_once(QUEUES).unwrap();
        let figures = queues.split("medians over").next().unwrap();
        assert!(ours.contains("SSE") && !ours.contains("NATS"), "{text}");
        assert!(figures.contains("NATS") && !figures.contains("SSE"), "{text}");
        assert!(figures.contains("latency p99"), "{text}");
    }

    #[test]
    fn a_figure_in_doubt_has_the_number_of_its_warning() {
        let mut report = sample();
        let is_it = |it: &&mut crate::Sample| it.contender == "SSE" && it.stage == "steady";
        report.samples.iter_mut().find(is_it).unwrap().load_busy = Some(0.95);
        report.warnings = crate::Warning::of(&report.samples, &report.summary, &contenders());
        let text = table(&report);
        assert!(text.contains("¹ warning: SSE, steady, round 1: the load was 95 % busy"), "{text}");
        let marked: Vec<&str> =
            text.lines().filter(|line| line.contains(" ¹") && line.starts_with("  ")).collect();
        assert_eq!(marked.len(), 5, "four latencies and the answers of SSE, steady: {marked:?}");
    }

    #[test]
    fn an_unknown_figure_is_a_dash_and_a_warning_explains_it() {
        let mut report = sample();
        report.summary.rows.iter_mut().for_each(|row| row.values[0] = None);
        report.warnings =
            vec![crate::Warning::new(crate::Doubt::ServerUnknown, "name it with --pid")];
        let text = table(&report);
        assert!(text.contains('–') && text.contains("\nwarning: name it with --pid"), "{text}");
    }
}
