//! The table for a terminal.

use std::fmt::Write as _;

use super::cells::{Cell, Table};
use super::{Missing, Remark, Report, superscript};

/// The space between two columns.
const GAP: usize = 2;

/// Figures down, contenders across. Targets, remarks and doubts follow below.
pub(super) fn table(report: &Report, columns: Option<usize>) -> String {
    let mut text = format!("{}\n\n", report.subject());
    text += &aligned(&report.figures(), columns);
    let spread =
        if report.plan.rounds > 1 { "medians over rounds (min–max)" } else { "one round" };
    let _ = writeln!(text, "\n{spread}; latency counts from the intended publish");
    if let Some(targets) = report.target_table() {
        text += "\n";
        text += &aligned(&targets, None);
        text += "\ncompared: the figure, or its ratio of the same round to what stands beside it\n";
    }
    let _ = writeln!(text, "\nmeasured: {}", report.environment.versions());
    let _ = writeln!(text, "{}", report.environment.lines());
    for Remark { transport, text: remark } in &report.remarks {
        let _ = writeln!(text, "{transport}: {remark}");
    }
    for Missing { transport, problem, .. } in &report.missing {
        let _ = writeln!(text, "{transport}: not measured: {problem}");
    }
    for (at, warning) in report.warnings.iter().enumerate() {
        let _ = writeln!(text, "{} warning: {warning}", superscript(at + 1));
    }
    text
}

/// Returns the lines with the first column aligned to the left and the others to the right. If they would be wider than
/// `limit` columns, the range of each figure goes below it.
fn aligned(table: &Table, limit: Option<usize>) -> String {
    let lines = written(table, false);
    match limit {
        Some(limit) if widths(&lines).iter().sum::<usize>() > limit => {
            laid_out(&written(table, true))
        }
        _ => laid_out(&lines),
    }
}

/// Returns the words of each line: the label, and one for each column. A heading has no more than its label.
fn written(table: &Table, is_split: bool) -> Vec<Vec<String>> {
    let mut lines = vec![[String::new()].iter().chain(&table.columns).cloned().collect()];
    for group in &table.groups {
        lines.push(vec![group.heading.clone()]);
        for (label, cells) in &group.rows {
            let label = format!("  {label}");
            let words = |label: String, of: &dyn Fn(&Cell) -> String| {
                std::iter::once(label).chain(cells.iter().map(of)).collect()
            };
            if is_split {
                lines.push(words(label, &|cell| cell.median.clone()));
                if cells.iter().any(|cell| !below(cell).is_empty()) {
                    lines.push(words(String::new(), &|cell| below(cell).trim_start().to_owned()));
                }
            } else {
                lines.push(words(label, &|cell| {
                    let gap = if cell.range.is_empty() { "" } else { " " };
                    format!("{}{gap}{}", cell.median, below(cell))
                }));
            }
        }
    }
    lines
}

/// Returns what can go below a figure: its range and its mark.
fn below(cell: &Cell) -> String {
    match cell.range.as_str() {
        "" => cell.mark.clone(),
        range => format!("({range}){}", cell.mark),
    }
}

/// Returns the width of each column with the space before it. Headings may be wider than the column of labels.
fn widths(lines: &[Vec<String>]) -> Vec<usize> {
    let rows = || lines.iter().filter(|line| line.len() > 1);
    let of_column = |at: usize| {
        let widest = rows().map(|line| line[at].chars().count()).max().unwrap_or(0);
        if at == 0 { widest } else { widest + GAP }
    };
    (0..rows().map(Vec::len).max().unwrap_or(0)).map(of_column).collect()
}

fn laid_out(lines: &[Vec<String>]) -> String {
    let widths = widths(lines);
    let mut text = String::new();
    for line in lines {
        let mut columns = line.iter().zip(&widths);
        let mut written = String::new();
        if let Some((label, width)) = columns.next() {
            let _ = write!(written, "{label:width$}");
        }
        columns.for_each(|(word, width)| {
            let _ = write!(written, "{word:>width$}");
        });
        let _ = writeln!(text, "{}", written.trim_end());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::{contenders, sample};

    #[test]
    fn every_figure_target_and_contender_is_there() {
        let report = sample();
        let text = table(&report, None);
        for name in &report.summary.transports {
            assert!(text.contains(name), "{text}");
        }
        for row in &report.summary.rows {
            assert!(text.contains(&row.label), "{} in {text}", row.label);
        }
        assert!(
            text.contains("websocket by baseline websocket") && text.contains("≤ 0.85"),
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
    fn a_figure_in_doubt_has_the_number_of_its_warning() {
        let mut report = sample();
        let is_it = |it: &&mut crate::Sample| it.contender == "sse" && it.stage == "steady";
        report.samples.iter_mut().find(is_it).unwrap().load_busy = Some(0.95);
        report.warnings = crate::Warning::of(&report.samples, &report.summary, &contenders());
        let text = table(&report, None);
        assert!(text.contains("¹ warning: sse, steady: the load was 95 % busy"), "{text}");
        let marked: Vec<&str> = text.lines().filter(|line| line.contains(") ¹")).collect();
        assert!(marked.iter().all(|line| line.contains("latency")), "{marked:?}");
        assert_eq!(marked.len(), 4, "the latencies of sse, steady: {marked:?}");
    }

    #[test]
    fn a_table_that_is_too_wide_has_its_spreads_below_the_medians() {
        let report = sample();
        let longest = |columns| {
            let text = aligned(&report.figures(), columns);
            text.lines().map(|line| line.chars().count()).max().unwrap()
        };
        assert!(longest(None) > 110, "{}", longest(None));
        assert!(longest(Some(110)) <= 110, "{}", longest(Some(110)));
    }

    #[test]
    fn what_is_not_known_is_a_dash_with_a_sentence() {
        let mut report = sample();
        report.summary.rows.iter_mut().for_each(|row| row.values.fill(None));
        report.warnings =
            vec![crate::Warning::new(crate::Doubt::ServerUnknown, "name it with --pid")];
        let text = table(&report, None);
        assert!(text.contains('–') && text.contains("--pid"), "{text}");
    }
}
