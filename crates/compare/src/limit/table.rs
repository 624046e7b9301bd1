//! The table for a terminal.

use std::fmt::Write as _;

use comfy_table::{
    Attribute, Cell, CellAlignment, ContentArrangement, LineStyle, Table, TableStyle,
};

use super::report::{LimitReport, LimitRow};
use crate::figures::Unit;
use crate::report::raised;
use crate::stats::Spread;

const LINE: LineStyle = LineStyle::none().fill('─').junction('─');
const STYLE: TableStyle =
    TableStyle::new().top_border(LINE).header_separator(LINE).bottom_border(LINE);

const NOTE: &str = "hub and limit side by side, or what a row's name puts in their place; judged is their ratio, \
                    round\nby round, or else the hub's own figure: the median (lowest–highest) of n \
                    rounds";

/// Rows below the heading of their figure, the circumstances and doubts below all.
pub(super) fn table(report: &LimitReport) -> String {
    let mut table = Table::new();
    table.load_style(STYLE);
    // It fits into 100 columns by itself, whatever the terminal has.
    table.set_content_arrangement(ContentArrangement::Disabled);
    let bold = |text: &str| Cell::new(text).add_attribute(Attribute::Bold);
    let numbers = ["hub", "limit", "judged", "n", "bar"].map(|name| right(bold(name)));
    table.set_header([Cell::new("")].into_iter().chain(numbers).chain([Cell::new("")]));

    table.column_iter_mut().for_each(|column| {
        column.set_padding((0, 1));
    });

    let mut figure = "";
    for row in &report.rows {
        if row.figure != figure {
            figure = &row.figure;
            let sign = row.unit.sign();
            let unit = if sign.starts_with('/') { String::new() } else { format!(", {sign}") };
            table.add_row([bold(&format!("{figure}{unit}"))]);
        }
        table.add_row(cells(row, &mark(report, row)));
        if !row.is_clean() {
            let LimitRow { lost, duplicated, reordered, .. } = row;
            table.add_row([format!("  ! {lost} lost, {duplicated} twice, {reordered} astray")]);
        }
    }

    let mut text = format!("{table}\n{NOTE}\n{}\n", report.environment.lines());
    for (at, warning) in report.warnings.iter().enumerate() {
        let _ = writeln!(text, "{} warning: {warning}", raised(at + 1));
    }
    for failure in &report.failures {
        let _ = writeln!(text, "failed: {failure}");
    }
    text
}

/// The numbers of the warnings that concern a run of this row, as a mark that follows its verdict.
fn mark(report: &LimitReport, row: &LimitRow) -> String {
    let runs = || [Some(&row.run), row.against.as_ref()].into_iter().flatten();
    let numbered = report.warnings.iter().enumerate();
    let concerning = numbered.filter(|(_, warning)| runs().any(|run| warning.concerns_run(run)));
    concerning.map(|(at, _)| format!(" {}", raised(at + 1))).collect()
}

fn cells(row: &LimitRow, mark: &str) -> [Cell; 7] {
    let median = |spread: Option<Spread>| {
        let write = |spread: Spread| row.unit.digits(&spread).write(spread.median);
        right(Cell::new(spread.map_or("–".to_owned(), write)))
    };
    let judged = row.judged();
    let unit = if row.by_ratio { Unit::Number } else { row.unit };
    let verdict = if row.failed { "failed".to_owned() } else { row.verdict.to_string() };
    [
        Cell::new(format!("  {}", row.title)),
        median(row.value),
        if row.against.is_some() { median(row.other) } else { Cell::new("") },
        right(Cell::new(judged.map_or("–".to_owned(), |spread| told(&spread, unit)))),
        right(Cell::new(judged.map_or(0, |spread| spread.n))),
        right(Cell::new(row.bar.map_or(String::new(), |bar| bar.to_string()))),
        Cell::new(verdict + mark),
    ]
}

/// The median, with its spread where there is one.
fn told(spread: &Spread, unit: Unit) -> String {
    let digits = unit.digits(spread);
    let [median, min, max] = [spread.median, spread.min, spread.max].map(|one| digits.write(one));
    if min == max { median } else { format!("{median} ({min}–{max})") }
}

fn right(cell: Cell) -> Cell {
    cell.set_alignment(CellAlignment::Right)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limit::report::LimitFailure;
    use crate::limit::report::tests::report;
    use crate::warnings::{Place, Warning, Worst};

    #[test]
    fn every_row_is_there_with_its_bar_and_verdict() {
        let report = report();
        let text = table(&report);
        for row in &report.rows {
            let line = text.lines().find(|line| line.starts_with(&format!("  {} ", row.title)));
            let line = line.unwrap_or_else(|| panic!("{} in\n{text}", row.title));
            assert!(row.bar.is_none() || line.contains(['≤', '≥']), "{line}");
        }
        assert!(text.contains("met") && text.contains("missed"), "{text}");
        assert!(text.contains("0123456789ab"), "{text}");
    }

    #[test]
    fn it_fits_into_100_columns_with_figures_as_wide_as_they_come() {
        let mut report = report();
        for row in &mut report.rows {
            let value = match row.unit {
                Unit::PerSecond => 9_876_543.0,
                Unit::Bytes => 12_345.0,
                _ => 123.456,
            };
            let wide = |value: f64| Spread::of([value * 0.9, value, value * 1.1]);
            (row.value, row.other) = (wide(value), wide(value));
            row.ratio = wide(10.0);
        }
        let text = table(&report);
        for line in text.lines() {
            assert!(line.chars().count() <= 100, "{}: {line}", line.chars().count());
        }
    }

    #[test]
    fn a_row_in_doubt_carries_the_number_of_its_warning() {
        let mut report = report();
        let (server, load) = report.rows[0].run.split_once(" under ").unwrap();
        let (transport, regime) = (server.to_owned(), load.to_owned());
        let places = vec![Place::of(&transport, &regime)];
        let stolen = Worst { transport, regime, value: 0.3, further: 0, places };
        report.warnings = vec![Warning::DebugBuild, Warning::Stolen(stolen)];
        let text = table(&report);
        assert!(text.contains("¹ warning: ") && text.contains("² warning: "), "{text}");
        let run = &report.rows[0].run;
        let rows = report.rows.iter();
        let concerned = rows.filter(|row| row.run == *run || row.against.as_ref() == Some(run));
        let marked = text.lines().filter(|line| line.trim_end().ends_with(" ²")).count();
        assert_eq!(marked, concerned.count(), "{text}");
    }

    #[test]
    fn what_was_lost_stands_below_its_row_and_what_failed_below_all() {
        let mut report = report();
        report.rows[0].lost = 3;
        report.rows[1].failed = true;
        let run = report.rows[1].run.clone();
        let error = "it ended".to_owned();
        report.failures.push(LimitFailure { run, round: 2, error });
        let text = table(&report);
        assert!(text.contains("! 3 lost, 0 twice, 0 astray"), "{text}");
        assert!(text.contains("round 2: it ended") && text.contains("failed"), "{text}");
    }
}
