//! The table for a terminal.

use std::fmt::Write as _;

use comfy_table::{
    Attribute, Cell, CellAlignment, ContentArrangement, LineStyle, Table, TableStyle,
};

use super::report::{LimitReport, LimitRow};
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
        table.add_row(cells(row));
        if !row.is_clean() {
            let LimitRow { lost, duplicated, reordered, .. } = row;
            table.add_row([format!("  ! {lost} lost, {duplicated} twice, {reordered} astray")]);
        }
    }

    let mut text = format!("{table}\n{NOTE}\n{}\n", report.environment.lines());
    for warning in &report.warnings {
        let _ = writeln!(text, "warning: {warning}");
    }
    for failure in &report.failures {
        let _ = writeln!(text, "failed: {failure}");
    }
    text
}

fn cells(row: &LimitRow) -> [Cell; 7] {
    let median = |spread: Option<Spread>| {
        right(Cell::new(spread.map_or("–".to_owned(), |spread| row.unit.write(spread.median))))
    };
    let judged = row.judged();
    let write = |value: f64| match row.by_ratio {
        true => format!("{value:.3}"),
        false => row.unit.write(value),
    };
    let verdict = if row.failed { "failed".to_owned() } else { row.verdict.to_string() };
    [
        Cell::new(format!("  {}", row.title)),
        median(row.value),
        if row.against.is_some() { median(row.other) } else { Cell::new("") },
        right(Cell::new(judged.map_or("–".to_owned(), |spread| told(&spread, write)))),
        right(Cell::new(judged.map_or(0, |spread| spread.n))),
        right(Cell::new(row.bar.map_or(String::new(), |bar| bar.to_string()))),
        Cell::new(verdict),
    ]
}

/// The median, with its spread where there is one.
fn told(spread: &Spread, write: impl Fn(f64) -> String) -> String {
    let [median, min, max] = [spread.median, spread.min, spread.max].map(write);
    if min == max { median } else { format!("{median} ({min}–{max})") }
}

fn right(cell: Cell) -> Cell {
    cell.set_alignment(CellAlignment::Right)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::Unit;
    use crate::limit::report::LimitFailure;
    use crate::limit::report::tests::report;

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
