//! Tables for documents in Markdown.

use std::fmt::Write as _;

use super::cells::{Cell, Table};
use super::{Report, superscript};
use crate::environment::Environment;
use crate::sample::Sample;
use crate::scenario::Scenario;
use crate::summary::Row;

impl Report {
    /// Returns the parts of the report that are named by `words`, as Markdown:
    ///
    /// - keys of rows, such as `steady.cpu`: one table with a column for each key and a line for each contender,
    /// - `answer`: the answer to the question of the scenario,
    /// - `tables`: the tables of the scenario,
    /// - `targets`: the table of targets,
    /// - `run`: the command and the environment of the run, and its warnings.
    ///
    /// # Errors
    /// Fails with the first word that is unknown, or for which this report has no figures.
    pub fn markdown<'w>(&self, words: &[&'w str]) -> Result<String, &'w str> {
        let mut parts = Vec::new();
        let mut rows = Vec::new();
        for word in words {
            match *word {
                "run" => parts.push(self.run()),
                "answer" => parts.push(self.answer().ok_or(*word)? + "\n"),
                "tables" => parts.push(self.tables().ok_or(*word)?),
                "targets" => parts.push(targets(&self.target_table().ok_or(*word)?)),
                key => rows.push(self.summary.row(key).ok_or(key)?),
            }
        }
        if !rows.is_empty() {
            parts.insert(0, figures(&self.contenders_by_rows(&rows)));
        }
        Ok(parts.join("\n"))
    }

    /// The answer to the question of the scenario. `None` if a figure is missing, or the scenario is not known.
    pub(super) fn answer(&self) -> Option<String> {
        (Scenario::named(&self.scenario).ok()?.answer)(&self.summary)
    }

    /// The tables of the scenario, each after its title. `None` if the scenario is not known.
    pub(super) fn tables(&self) -> Option<String> {
        let mut text = String::new();
        for table in Scenario::named(&self.scenario).ok()?.tables {
            let rows = table.columns.iter().filter_map(|key| self.summary.row(key));
            let rows: Vec<&Row> = rows.collect();
            if !rows.is_empty() {
                let title = self.title_of(table.title, &rows);
                let _ = writeln!(text, "{title}:\n\n{}", figures(&self.contenders_by_rows(&rows)));
            }
        }
        Some(text)
    }

    /// How it was measured, and what the figures do not show.
    pub(super) fn method(&self, Scenario { method, limits, .. }: &Scenario) -> String {
        format!("{method}\n\nWhat the figures do not show: {limits}\n")
    }

    /// A line about the run, and a list of its warnings.
    pub(super) fn run(&self) -> String {
        let Environment { command, commit, date, seconds, cpu, kernel, .. } = &self.environment;
        let (division, versions) = (self.environment.division(), self.environment.versions());
        let mut text = format!(
            "Measured by `{command}`:\n{}, medians over rounds (min–max).\nCommit {commit} · {date} · took \
             {seconds:.0} s · {versions}.\n{cpu} · cores: {division} · {kernel}.\n{}",
            self.subject(),
            self.disturbances(),
        );
        if self.samples.iter().all(Sample::is_clean) {
            text += "\nNothing was lost, duplicated or reordered.";
        }
        text += "\n";
        if !self.warnings.is_empty() {
            text += "\nReasons to doubt. The numbers are those at the figures:\n\n";
        }
        for (number, warning) in (1..).zip(self.marked_warnings()) {
            let _ = writeln!(text, "- {} {}", superscript(number), warning.text);
        }
        for warning in self.other_warnings() {
            let _ = writeln!(text, "- {}", warning.text);
        }
        text
    }
}

/// A table of figures. Its only group has no heading.
fn figures(table: &Table) -> String {
    let mut text = head([String::new()].into_iter().chain(table.columns.iter().cloned()));
    for (label, cells) in table.groups.iter().flat_map(|group| &group.rows) {
        text += &line([label.clone()].into_iter().chain(cells.iter().map(figure)));
    }
    text
}

/// The table of targets. The name of a figure is in its first line only.
fn targets(table: &Table) -> String {
    let titles = table.columns.iter().cloned();
    let mut text = head(vec![String::new(); 2].into_iter().chain(titles));
    for group in &table.groups {
        let headings = [group.heading.as_str()].into_iter().chain(std::iter::repeat(""));
        for (heading, (label, cells)) in headings.zip(&group.rows) {
            let labels = [heading.to_owned(), label.clone()];
            text += &line(labels.into_iter().chain(cells.iter().map(figure)));
        }
    }
    text
}

/// A figure with its range and the numbers of its warnings.
fn figure(Cell { median, range, mark }: &Cell) -> String {
    let range = if range.is_empty() { String::new() } else { format!(" ({range})") };
    format!("{median}{range}{mark}")
}

pub(super) fn head(titles: impl Iterator<Item = String>) -> String {
    let titles = line(titles);
    let columns = titles.matches(" |").count();
    format!("{titles}|{}\n", " --- |".repeat(columns))
}

pub(super) fn line(cells: impl Iterator<Item = String>) -> String {
    let cells = cells.map(|cell| format!(" {} |", cell.replace('|', "\\|")));
    format!("|{}\n", cells.collect::<String>())
}

#[cfg(test)]
mod tests {
    use crate::report::tests::sample;

    #[test]
    fn a_table_has_a_column_for_each_key_and_a_line_for_each_contender() {
        let text = sample().markdown(&["steady.cpu", "steady.p99"]).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "|  | server CPU per delivery, µs | latency p99, ms |", "{text}");
        assert_eq!(lines[1], "| --- | --- | --- |");
        assert!(lines[2].starts_with("| WebSocket | 6.3 (6.2–6.5) | "), "{text}");
        assert_eq!(lines.len(), 2 + 4, "{text}");
    }

    #[test]
    fn columns_of_several_stages_contain_the_stage() {
        let text = sample().markdown(&["connect.cpu", "steady.cpu"]).unwrap();
        let head =
            "|  | connect: server CPU per client, µs | steady: server CPU per delivery, µs |";
        assert!(text.starts_with(head), "{text}");
    }

    #[test]
    fn targets_and_the_run_follow_the_table() {
        let text = sample().markdown(&["targets", "run", "steady.cpu"]).unwrap();
        let [table, targets, run] = ["| WebSocket |", "| ≤ 0.85 |", "Measured by `tidings compare"]
            .map(|part| text.find(part).unwrap_or_else(|| panic!("no {part:?} in {text}")));
        assert!(table < targets && targets < run, "{text}");
        assert!(text.contains("Commit 0123456789ab") && text.contains("A CPU"), "{text}");
        assert!(text.contains("Nothing was lost, duplicated or reordered."), "{text}");
    }

    #[test]
    fn an_unknown_word_is_returned() {
        let mut report = sample();
        assert_eq!(report.markdown(&["steady.cpu", "quiet.memory"]), Err("quiet.memory"));
        report.targets.clear();
        assert_eq!(report.markdown(&["targets"]), Err("targets"));
    }
}
