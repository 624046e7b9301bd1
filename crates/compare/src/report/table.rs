//! The table for a terminal.

use std::fmt::Write as _;

use comfy_table::{
    Attribute, Cell, CellAlignment, ContentArrangement, LineStyle, Table, TableStyle,
};

use super::{Missing, Remark, Report, raised, range};

const LINE: LineStyle = LineStyle::none().fill('─').junction('─');
const STYLE: TableStyle =
    TableStyle::new().top_border(LINE).header_separator(LINE).bottom_border(LINE);

/// Figures down, contenders across; what is to be known of them, and doubts, below.
pub(super) fn table(report: &Report) -> String {
    let summary = &report.summary;
    let mut table = Table::new();
    table.load_style(STYLE);
    // Where it is too wide for the terminal, the spread goes below its median.
    table.set_content_arrangement(ContentArrangement::Dynamic);
    let bold = |text: &str| Cell::new(text).add_attribute(Attribute::Bold);
    let names = summary.transports.iter().map(|name| right(bold(name)));
    table.set_header([Cell::new("")].into_iter().chain(names));

    let mut group = "";
    for row in &summary.rows {
        if row.group != group {
            if !group.is_empty() {
                table.add_row([""]);
            }
            group = &row.group;
            table.add_row([bold(group)]);
        }
        let label = Cell::new(format!("  {}", row.title()));
        let values = summary.transports.iter().zip(&row.values).map(|(transport, value)| {
            let Some(spread) = value else { return right(Cell::new("–")) };
            let median = row.unit.digits(spread).write(spread.median);
            let range = range(row, spread).map_or(String::new(), |range| format!(" ({range})"));
            right(Cell::new(median + &range + &report.mark(transport, &row.key)))
        });
        table.add_row([label].into_iter().chain(values));
    }

    let mut text = format!("{}\n{table}\n", report.subject());
    let spread =
        if report.plan.rounds > 1 { "medians over rounds (min–max)" } else { "one round" };
    let _ = writeln!(text, "{spread}; latency counts from the intended send");
    let _ = writeln!(text, "measured: {}", report.environment.versions());
    for Remark { transport, text: remark } in &report.remarks {
        let _ = writeln!(text, "{transport}: {remark}");
    }
    for Missing { transport, problem } in &report.missing {
        let _ = writeln!(text, "{transport}: not measured: {problem}");
    }
    for (at, warning) in report.warnings.iter().enumerate() {
        let _ = writeln!(text, "{} warning: {warning}", raised(at + 1));
    }
    text
}

fn right(cell: Cell) -> Cell {
    cell.set_alignment(CellAlignment::Right)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::sample;

    #[test]
    fn every_figure_and_transport_is_there() {
        let report = sample();
        let text = table(&report);
        for name in &report.summary.transports {
            assert!(text.contains(name), "{text}");
        }
        for row in &report.summary.rows {
            assert!(text.contains(&row.label), "{} in {text}", row.label);
        }
        assert!(text.contains("long-polling: asks again and again\n"), "{text}");
        assert!(text.contains("pigeon: not measured: there are no pigeons: buy some\n"), "{text}");
    }

    #[test]
    fn a_figure_in_doubt_carries_the_number_of_its_warning() {
        let mut report = sample();
        report.cells[1].steady.load_busy = 0.95;
        report.warnings = crate::Warning::of(&report.cells, &report.summary);
        let text = table(&report);
        assert!(text.contains("¹ warning: sse, steady: the load side was 95 % busy"), "{text}");
        let marked: Vec<&str> = text.lines().filter(|line| line.contains(") ¹")).collect();
        assert_eq!(marked.len(), 5, "the five latencies of sse, steady: {marked:?}");
        assert!(marked.iter().all(|line| line.contains("latency")), "{marked:?}");
    }

    #[test]
    fn the_servers_are_named_with_their_versions() {
        let text = table(&sample());
        let told = "measured: tidings 0.1.0 · pigeon-server (version unknown)\n";
        assert!(text.contains(told), "{text}");
    }

    #[test]
    fn what_is_not_known_is_a_dash_with_a_sentence() {
        let mut report = sample();
        report.summary.rows.iter_mut().for_each(|row| row.values.fill(None));
        report.warnings = vec![crate::Warning::HubUnknown];
        let text = table(&report);
        assert!(text.contains('–') && text.contains("--pid"), "{text}");
    }
}
