//! The report of a comparison, as a table, as a page and as JSON.
//!
//! The table and the page are made from the [`Summary`] and the targets, so a report that is read from JSON has the
//! same figures as one that was just measured.

mod advice;
mod cells;
mod document;
mod json;
mod markdown;
mod markup;
mod page;
mod plots;
mod subject;
mod table;

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};

pub(crate) use self::document::part;
pub use self::page::page;
use crate::contender::CONTENDERS;
use crate::environment::Environment;
use crate::plan::Plan;
use crate::sample::Sample;
use crate::scenario::Scenario;
use crate::stats::Spread;
use crate::summary::Summary;
use crate::targets::TargetRow;
use crate::warnings::Warning;
use crate::workload::Workload;

/// A finished comparison. Its JSON contains all raw figures and the environment of the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Report {
    /// The version of this format, [`Report::SCHEMA`].
    pub schema: u32,
    /// The name of the scenario.
    pub scenario: String,
    /// The machine, the versions and the command.
    pub environment: Environment,
    /// The clients and what was published to them.
    pub plan: Workload,
    /// Medians and spreads of the samples that other work on the machine did not disturb. A figure whose rounds
    /// were all disturbed has all of them.
    pub summary: Summary,
    /// Figures against their targets. Empty if the baseline was not measured.
    pub targets: Vec<TargetRow>,
    /// Properties of contenders that the figures do not show.
    pub remarks: Vec<Remark>,
    /// The contenders that were not measured.
    pub missing: Vec<Missing>,
    /// Reasons to doubt the figures.
    pub warnings: Vec<Warning>,
    /// How often a cell was measured again because other work on the machine had disturbed it. The samples that were
    /// disturbed least are kept.
    #[serde(default)]
    pub repeated: usize,
    /// The raw figures, one sample for each contender, stage and round.
    pub samples: Vec<Sample>,
}

/// A property of a contender that the figures do not show, such as weaker guarantees.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Remark {
    /// The contender's title.
    pub transport: String,
    /// A sentence or two.
    pub text: String,
}

/// A contender that was not measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Missing {
    /// The contender's title.
    pub transport: String,
    /// The reason, and a way to fix it.
    pub problem: String,
    /// `true` if it failed. A server that is not installed is not a failure.
    pub is_failure: bool,
}

impl Report {
    /// The version of the format of the JSON. It changes if a field gets another meaning or is removed.
    pub const SCHEMA: u32 = 1;

    /// Returns `true` if every client received everything once and in order, no contender failed, and all planned
    /// measurements were finished. A program should exit with 1 if this is `false`.
    ///
    /// Missed targets do not count. Losses of the baseline do not count either, because it closes clients whose socket
    /// is full.
    pub fn is_clean(&self) -> bool {
        let has_failed = self.missing.iter().any(|missing| missing.is_failure);
        let is_baseline = |title| CONTENDERS.iter().any(|it| it.is_baseline() && it.title == title);
        let mut others =
            self.samples.iter().filter(|sample| !is_baseline(sample.contender.as_str()));
        !self.is_interrupted() && !has_failed && others.all(Sample::is_clean)
    }

    /// Returns `true` if an interrupted run of this plan can continue with its samples: the scenario, the workload, the
    /// commit and the machine are the same.
    pub(crate) fn is_of(&self, plan: &Plan, environment: &Environment) -> bool {
        let Environment { commit, cpu, kernel, .. } = environment;
        let mine = &self.environment;
        self.scenario == plan.scenario.name
            && self.plan == plan.workload
            && (&mine.commit, &mine.cpu, &mine.kernel) == (commit, cpu, kernel)
            && !commit.ends_with("-dirty")
    }

    /// Returns the table for a terminal, with the warnings below it.
    pub fn table(&self) -> String {
        table::table(self)
    }

    /// Returns `true` if the run was interrupted.
    pub fn is_interrupted(&self) -> bool {
        self.warnings.iter().any(Warning::is_interruption)
    }

    /// Reads a report from its JSON.
    ///
    /// # Errors
    /// Fails if the text is not a report, or one of another version of the format.
    pub fn from_json(json: &str) -> anyhow::Result<Self> {
        /// The field that every version has.
        #[derive(Deserialize)]
        struct Version {
            schema: u32,
        }
        let Version { schema } = serde_json::from_str(json).context("not a report")?;
        let expected = Self::SCHEMA;
        ensure!(
            schema == expected,
            "the report has format {schema}, and this program reads format {expected}"
        );
        serde_json::from_str(json).context("not a report")
    }

    /// Returns the JSON schema of reports (JSON Schema, draft 2020-12), with the meaning of each field.
    #[cfg(feature = "schema")]
    pub fn json_schema() -> String {
        let schema = schemars::schema_for!(Self);
        let text = serde_json::to_string_pretty(&schema);
        text.expect("the keys are strings") + "\n"
    }

    /// Returns the report as JSON, with one line for each row and each sample.
    pub fn json(&self) -> String {
        json::json(self)
    }

    /// The warnings that mark figures, in the order of their numbers.
    fn marked_warnings(&self) -> impl Iterator<Item = &Warning> {
        self.warnings.iter().filter(|warning| warning.is_marked())
    }

    fn other_warnings(&self) -> impl Iterator<Item = &Warning> {
        self.warnings.iter().filter(|warning| !warning.is_marked())
    }

    /// The mark of a figure: the numbers of the warnings that concern it, from 1, such as ` ¹ ²`.
    fn mark(&self, transport: &str, key: &str) -> String {
        let numbered = (1..).zip(self.marked_warnings());
        let concerning = numbered.filter(|(_, warning)| warning.concerns(transport, key));
        concerning.map(|(number, _)| format!(" {}", superscript(number))).collect()
    }
}

/// The heading of the message queues.
const QUEUES: &str = "Message queues, read directly";

/// The reports in the order of the scenarios.
fn in_order(reports: &[Report]) -> Vec<&Report> {
    let place = |report: &&Report| Scenario::all().position(|it| it.name == report.scenario);
    let mut reports: Vec<&Report> = reports.iter().collect();
    reports.sort_by_key(|report| place(report).unwrap_or(usize::MAX));
    reports
}

/// The figure of this contender, by its title, with this key, in the report of a scenario.
pub(crate) fn value_of(
    reports: &[&Report],
    scenario: &str,
    title: &str,
    key: &str,
) -> Option<Spread> {
    let report = reports.iter().find(|report| report.scenario == scenario)?;
    report.summary.value(title, key)
}

fn is_queue(title: &str) -> bool {
    CONTENDERS.iter().any(|contender| contender.is_queue() && contender.title == title)
}

fn superscript(number: usize) -> String {
    const DIGITS: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    let digit = |c: char| c.to_digit(10).map_or(c, |digit| DIGITS[digit as usize]);
    number.to_string().chars().map(digit).collect()
}

#[cfg(test)]
pub(crate) mod tests;
