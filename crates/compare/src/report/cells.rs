//! The tables of a report as text, for the terminal and for the page.

use std::ops::Range;

use super::Report;
use crate::stats::Spread;
use crate::summary::Row;
use crate::targets::TargetRow;
use crate::units::{Unit, separated, uncapitalized};

/// A table.
pub(super) struct Table {
    /// The headings of the columns, without that of the labels.
    pub(super) columns: Vec<String>,
    pub(super) groups: Vec<Group>,
}

/// Rows with a common heading.
pub(super) struct Group {
    pub(super) heading: String,
    /// Each with its label, and one cell for each column.
    pub(super) rows: Vec<(String, Vec<Cell>)>,
}

/// A figure.
#[derive(Clone, Debug, Default)]
pub(super) struct Cell {
    /// The median, with the digits that its spread allows.
    pub(super) median: String,
    /// The minimum and the maximum, or empty if both have the same text.
    pub(super) range: String,
    /// The numbers of its warnings, such as ` ¹ ²`.
    pub(super) mark: String,
}

impl Table {
    /// The same rows with only these columns.
    pub(super) fn only_columns(&self, columns: Range<usize>) -> Self {
        let row =
            |(label, cells): &(String, Vec<Cell>)| (label.clone(), cells[columns.clone()].to_vec());
        let groups = self.groups.iter().map(|group| Group {
            heading: group.heading.clone(),
            rows: group.rows.iter().map(row).collect(),
        });
        Self { groups: groups.collect(), columns: self.columns[columns.clone()].to_vec() }
    }
}

impl Cell {
    /// The text of a figure. An unknown figure is a dash.
    pub(super) fn new(unit: Unit, spread: Option<Spread>) -> Self {
        let Some(spread) = spread else { return Self::of("–") };
        let digits = unit.digits(&spread);
        let [median, min, max] =
            [spread.median, spread.min, spread.max].map(|value| digits.write(value));
        let is_range = spread.n > 1 && min != max;
        let range = if is_range { format!("{min}–{max}") } else { String::new() };
        Self { median, range, mark: String::new() }
    }

    fn of(text: impl Into<String>) -> Self {
        Self { median: text.into(), ..Self::default() }
    }
}

impl Report {
    /// The figures of the contenders whose title `is_shown` accepts, one column for each. Rows without any figure are
    /// left out.
    pub(super) fn figures(&self, is_shown: impl Fn(&str) -> bool) -> Table {
        let shown: Vec<bool> =
            self.summary.transports.iter().map(|title| is_shown(title)).collect();
        let columns = only(&shown, self.summary.transports.clone());
        let has_figure = |row: &&Row| only(&shown, row.values.clone()).iter().any(Option::is_some);
        let rows: Vec<&Row> = self.summary.rows.iter().filter(has_figure).collect();
        let group = |rows: &[&Row]| Group {
            heading: rows[0].group.clone(),
            rows: rows.iter().map(|row| (row.title(), only(&shown, self.cells(row)))).collect(),
        };
        let groups = rows.chunk_by(|a, b| a.group == b.group).map(group).collect();
        Table { columns, groups }
    }

    /// A table with one line for each contender that has one of these figures. The names of its columns are as short as
    /// the title of the table allows.
    pub(super) fn contenders_by_rows(&self, rows: &[&Row]) -> Table {
        let is_one_group = rows.iter().all(|row| row.group == rows[0].group);
        let title = |row: &&Row| match is_one_group {
            true => row.title(),
            false if has_one_label(rows) => row.group.clone(),
            false => format!("{}: {}", uncapitalized(&row.group), row.title()),
        };
        let columns: Vec<Vec<Cell>> = rows.iter().map(|row| self.cells(row)).collect();
        let named = self.summary.transports.iter().enumerate();
        let known = named.filter(|(at, _)| rows.iter().any(|row| row.values[*at].is_some()));
        let line = |(at, contender): (usize, &String)| {
            let cells = columns.iter().map(|column| column[at].clone());
            (contender.clone(), cells.collect())
        };
        let group = Group { heading: String::new(), rows: known.map(line).collect() };
        Table { columns: rows.iter().map(title).collect(), groups: vec![group] }
    }

    /// The title of such a table. It has the unit if the columns are named by stages.
    pub(super) fn title_of(&self, title: &str, rows: &[&Row]) -> String {
        let is_by_stage = has_one_label(rows) && rows.len() > 1;
        if is_by_stage { rows[0].unit.labelled(title) } else { title.to_owned() }
    }

    /// One cell for each contender.
    pub(super) fn cells(&self, row: &Row) -> Vec<Cell> {
        let values = self.summary.transports.iter().zip(&row.values);
        let cell = |(transport, value): (&String, &Option<Spread>)| Cell {
            mark: value.map_or(String::new(), |_| self.mark(transport, &row.key)),
            ..Cell::new(row.unit, *value)
        };
        values.map(cell).collect()
    }

    /// `None` if there are no targets.
    pub(super) fn target_table(&self) -> Option<Table> {
        let groups = self.targets.chunk_by(|a, b| a.figure == b.figure).map(|targets| Group {
            heading: targets[0].unit.labelled(&targets[0].figure),
            rows: targets.iter().map(|target| self.target(target)).collect(),
        });
        let columns = ["figure", "divisor", "compared", "target", ""].map(str::to_owned).to_vec();
        (!self.targets.is_empty()).then(|| Table { columns, groups: groups.collect() })
    }

    fn target(&self, target: &TargetRow) -> (String, Vec<Cell>) {
        let TargetRow { transport, against, unit, .. } = target;
        let label = match against {
            Some(against) if target.is_difference => format!("{transport} − {against}"),
            Some(against) => format!("{transport} / {against}"),
            None => transport.clone(),
        };
        let other = target.other.map_or(Cell::default(), |other| Cell::new(*unit, Some(other)));
        let verdict = Cell {
            mark: self.mark(transport, &target.key),
            ..Cell::of(if target.is_met { "met" } else { "missed" })
        };
        let cells = vec![
            Cell::new(*unit, target.value),
            other,
            Cell::new(target.compared_unit(), Some(target.compared)),
            Cell::of(format!("≤ {}", separated(&target.at_most.to_string()))),
            verdict,
        ];
        (label, cells)
    }
}

/// `true` if the rows are the same figure of several stages.
fn has_one_label(rows: &[&Row]) -> bool {
    rows.iter().all(|row| row.label == rows[0].label)
}

fn only<T>(shown: &[bool], items: Vec<T>) -> Vec<T> {
    items.into_iter().zip(shown).filter_map(|(item, shown)| shown.then_some(item)).collect()
}
