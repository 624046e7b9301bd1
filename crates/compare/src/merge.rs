//! Figures of the same scenario from several machines, side by side.

use std::fmt::Write as _;

use crate::report::Report;
use crate::summary::Row;
use crate::units::Unit;

/// Returns a table with a column for each report and a line for each figure that all of them have, with the ratio of the
/// last to the first.
///
/// # Errors
/// Fails if the reports are of different scenarios or workloads, or have no figure in common.
pub fn merged(reports: &[(String, Report)]) -> anyhow::Result<String> {
    let [(first_name, first), others @ ..] = reports else {
        anyhow::bail!("there is nothing to compare");
    };
    for (name, report) in others {
        anyhow::ensure!(
            report.scenario == first.scenario,
            "{name} is of the scenario {}, and {first_name} of {}",
            report.scenario,
            first.scenario
        );
        anyhow::ensure!(
            report.plan == first.plan,
            "{name} and {first_name} have different clients, rates, payloads or rounds"
        );
    }
    let mut lines = Vec::new();
    for row in &first.summary.rows {
        for transport in &first.summary.transports {
            let value = |report: &Report| report.summary.value(transport, &row.key);
            let values: Option<Vec<_>> = reports.iter().map(|(_, report)| value(report)).collect();
            let Some(values) = values else { continue };
            let (one, last) = (values[0].median, values[values.len() - 1].median);
            let mut cells = vec![label(row, transport)];
            cells.extend(values.iter().map(|value| row.unit.digits(value).write(value.median)));
            cells.push(if one == 0.0 { String::new() } else { format!("{:.2}", last / one) });
            lines.push(cells);
        }
    }
    anyhow::ensure!(!lines.is_empty(), "the reports have no figure in common");
    let mut head = vec![String::new()];
    head.extend(reports.iter().map(|(name, _)| name.clone()));
    head.push("last / first".to_owned());
    lines.insert(0, head);
    let mut text = String::new();
    for (name, report) in reports {
        let _ = writeln!(text, "{name}:\n{}\n", report.environment.lines());
    }
    Ok(text + &aligned(&lines))
}

fn label(row: &Row, transport: &str) -> String {
    let title = match row.unit {
        Unit::Bytes | Unit::Number => row.label.clone(),
        unit => unit.labelled(&row.label),
    };
    format!("{}: {title} · {transport}", row.group)
}

/// Aligns the first column to the left and all others to the right.
fn aligned(lines: &[Vec<String>]) -> String {
    let width = |at: usize| lines.iter().map(|line| line[at].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..lines[0].len()).map(width).collect();
    let mut text = String::new();
    for line in lines {
        let _ = write!(text, "{:<width$}", line[0], width = widths[0]);
        for (cell, width) in line.iter().zip(&widths).skip(1) {
            let _ = write!(text, "  {cell:>width$}");
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::{sample, with_figures};

    fn named(name: &str, report: Report) -> (String, Report) {
        (name.to_owned(), report)
    }

    #[test]
    fn figures_of_two_machines_are_side_by_side_with_their_ratio() {
        let report = |cpu| with_figures("tls", &[("SSE", "steady.cpu", cpu)]);
        let text = merged(&[named("a.json", report(10.0)), named("b.json", report(15.0))]).unwrap();
        let line = text.lines().last().unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        assert!(line.contains("· SSE"), "{text}");
        assert_eq!(words[words.len() - 3..], ["10.0", "15.0", "1.50"], "{text}");
        assert!(text.starts_with("a.json:\ntidings 0.1.0, commit"), "{text}");
    }

    #[test]
    fn reports_that_cannot_be_compared_are_an_error() {
        let (tls, other) = (with_figures("tls", &[("SSE", "x", 1.0)]), sample());
        let error = merged(&[named("a", tls.clone()), named("b", other)]).unwrap_err().to_string();
        assert_eq!(error, "b is of the scenario fan-out, and a of tls");
        let mut more = tls.clone();
        more.plan.clients += 1;
        let error = merged(&[named("a", tls.clone()), named("b", more)]).unwrap_err();
        assert!(error.to_string().contains("different clients"), "{error}");
        let unlike = with_figures("tls", &[("SSE", "y", 1.0)]);
        assert!(merged(&[named("a", tls), named("b", unlike)]).is_err());
    }
}
