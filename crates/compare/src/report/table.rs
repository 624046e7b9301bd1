//! The table for a terminal.

use std::fmt::Write as _;

use super::{Missing, Remark, Report, range, superscript};
use crate::units::Unit;

/// The space between two columns.
const GAP: usize = 2;

/// A line of a table.
enum Line {
    Heading(String),
    /// A label and its values. A value may have a part that goes below it if the table is too wide.
    Values(String, Vec<(String, String)>),
}

/// Figures down, contenders across. Targets, remarks and doubts follow below.
pub(super) fn table(report: &Report, columns: Option<usize>) -> String {
    let mut text = format!("{}\n\n", report.subject());
    text += &aligned(&report.summary.transports, &figures(report), columns);
    let spread =
        if report.plan.rounds > 1 { "medians over rounds (min–max)" } else { "one round" };
    let _ = writeln!(text, "\n{spread}; latency counts from the intended publish");
    if !report.targets.is_empty() {
        let heading = ["figure", "against", "judged", "target", ""].map(str::to_owned);
        text += "\n";
        text += &aligned(&heading, &targets(report), None);
        text += "\njudged: the figure, or its ratio of the same round to what stands beside it\n";
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

fn figures(report: &Report) -> Vec<Line> {
    let summary = &report.summary;
    let mut lines = Vec::new();
    for group in summary.rows.chunk_by(|a, b| a.group == b.group) {
        lines.push(Line::Heading(group[0].group.clone()));
        for row in group {
            let values = summary.transports.iter().zip(&row.values).map(|(transport, value)| {
                let Some(spread) = value else { return ("–".to_owned(), String::new()) };
                let median = row.unit.digits(spread).write(spread.median);
                let range = range(row.unit, spread).map(|range| format!("({range})"));
                let mark = report.mark(transport, &row.key);
                (median, range.unwrap_or_default() + &mark)
            });
            lines.push(Line::Values(row.title(), values.collect()));
        }
    }
    lines
}

fn targets(report: &Report) -> Vec<Line> {
    let mut lines = Vec::new();
    for group in report.targets.chunk_by(|a, b| a.figure == b.figure) {
        let sign = group[0].unit.sign();
        lines.push(Line::Heading(format!("{}, {sign}", group[0].figure)));
        for target in group {
            let median =
                |spread: &crate::Spread, unit: Unit| unit.digits(spread).write(spread.median);
            let figure = target.value.map_or("–".to_owned(), |it| median(&it, target.unit));
            let other = target.other.map_or(String::new(), |it| median(&it, target.unit));
            let unit = target.judged_unit();
            let judged = target.judged.map_or("–".to_owned(), |it| {
                let range = range(unit, &it).map_or(String::new(), |it| format!(" ({it})"));
                median(&it, unit) + &range
            });
            let label = match &target.against {
                Some(against) => format!("{} by {against}", target.transport),
                None => target.transport.clone(),
            };
            let mark = report.mark(&target.transport, &target.key);
            let limit = format!("≤ {}", target.at_most);
            let values = [figure, other, judged, limit, format!("{}{mark}", target.verdict)];
            lines.push(Line::Values(label, values.map(|value| (value, String::new())).into()));
        }
    }
    lines
}

/// Returns the lines with the first column aligned to the left and the others to the right. If they would be wider than
/// `limit` columns, the second part of each value goes below the first.
fn aligned(heading: &[String], lines: &[Line], limit: Option<usize>) -> String {
    let width = |text: &str| text.chars().count();
    let label = lines.iter().filter_map(|line| match line {
        Line::Values(label, _) => Some(width(label) + 2),
        Line::Heading(_) => None,
    });
    let label = label.max().unwrap_or(0);
    let joined = |(first, second): &(String, String)| {
        if second.is_empty() || second.starts_with(' ') {
            format!("{first}{second}")
        } else {
            format!("{first} {second}")
        }
    };
    let widths = |of: &dyn Fn(&(String, String)) -> usize| -> Vec<usize> {
        let of_column = |at: usize| {
            let values = lines.iter().filter_map(|line| match line {
                Line::Values(_, values) => values.get(at).map(of),
                Line::Heading(_) => None,
            });
            values.max().unwrap_or(0).max(width(&heading[at]))
        };
        (0..heading.len()).map(of_column).collect()
    };
    let mut columns = widths(&|value| width(&joined(value)));
    let whole = label + columns.iter().map(|column| column + GAP).sum::<usize>();
    let is_split = limit.is_some_and(|limit| whole > limit);
    if is_split {
        columns = widths(&|(first, second)| width(first).max(width(second.trim_start())));
    }

    let mut text = String::new();
    let mut write = |first: &str, values: &[String]| {
        let mut line = format!("{first:label$}");
        for (value, column) in values.iter().zip(&columns) {
            let padding = column + GAP - width(value).min(*column);
            let _ = write!(line, "{}{value}", " ".repeat(padding));
        }
        let _ = writeln!(text, "{}", line.trim_end());
    };
    write("", heading);
    for line in lines {
        match line {
            Line::Heading(heading) => write(heading, &[]),
            Line::Values(label, values) if is_split => {
                let part = |of: fn(&(String, String)) -> String| -> Vec<String> {
                    values.iter().map(of).collect()
                };
                write(&format!("  {label}"), &part(|(first, _)| first.clone()));
                let second = part(|(_, second)| second.trim_start().to_owned());
                if second.iter().any(|second| !second.is_empty()) {
                    write("", &second);
                }
            }
            Line::Values(label, values) => {
                let values: Vec<String> = values.iter().map(joined).collect();
                write(&format!("  {label}"), &values);
            }
        }
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
            let text = aligned(&report.summary.transports, &figures(&report), columns);
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
