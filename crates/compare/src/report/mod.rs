//! What a person, or another program, sees of a comparison.
//!
//! The table and the page are made of the [`Summary`] and the targets, so a report that is read from JSON looks like the
//! one that was just measured.

mod cells;
mod html;
mod markdown;
mod markup;
mod plots;
mod table;

use serde::{Deserialize, Serialize};

use crate::contender::CONTENDERS;
use crate::environment::Environment;
use crate::sample::Sample;
use crate::summary::Summary;
use crate::targets::TargetRow;
use crate::warnings::Warning;
use crate::workload::Workload;

/// A finished comparison. As JSON it is every raw figure and the circumstances of the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Where and how it was measured.
    pub environment: Environment,
    /// The clients and what was published to them.
    pub plan: Workload,
    /// Medians and spreads.
    pub summary: Summary,
    /// Figures against their targets. Empty if the baseline was not measured.
    pub targets: Vec<TargetRow>,
    /// What figures cannot show of a contender.
    pub remarks: Vec<Remark>,
    /// What should have been measured and was not.
    pub missing: Vec<Missing>,
    /// Reasons to doubt.
    pub warnings: Vec<Warning>,
    /// The raw figures in the order of measuring, one for each contender, stage and round.
    pub samples: Vec<Sample>,
}

/// What a reader has to know of a contender before comparing its figures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Remark {
    /// The contender's title.
    pub transport: String,
    /// A sentence or two.
    pub text: String,
}

/// A contender that was not measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Missing {
    /// The contender's title.
    pub transport: String,
    /// Why, and what to do.
    pub problem: String,
    /// Whether it failed. A server that is not installed is not a failure.
    pub is_failure: bool,
}

impl Report {
    /// Returns `true` if every client received everything, once and in order, no contender failed, and every planned
    /// measurement was finished. A program should exit with 1 if this is `false`. A target that is missed does not matter,
    /// nor does a client of the baseline, which closes those whose socket is full.
    pub fn is_clean(&self) -> bool {
        let is_whole = !self.warnings.iter().any(Warning::is_interruption);
        let has_failed = self.missing.iter().any(|missing| missing.is_failure);
        let is_baseline = |title| CONTENDERS.iter().any(|it| it.is_baseline() && it.title == title);
        let mut others =
            self.samples.iter().filter(|sample| !is_baseline(sample.contender.as_str()));
        is_whole && !has_failed && others.all(Sample::is_clean)
    }

    /// Returns the table for a terminal, and the doubts below it.
    pub fn table(&self) -> String {
        table::table(self)
    }

    /// Returns one page that needs nothing else: no script, no font, no image.
    pub fn html(&self) -> String {
        html::page(self)
    }

    /// Returns the warnings that mark figures, in the order of their numbers.
    fn marked_warnings(&self) -> impl Iterator<Item = &Warning> {
        self.warnings.iter().filter(|warning| warning.is_marked())
    }

    /// Returns the warnings that mark no figure.
    fn other_warnings(&self) -> impl Iterator<Item = &Warning> {
        self.warnings.iter().filter(|warning| !warning.is_marked())
    }

    /// Returns the numbers of the warnings that concern this figure of this contender, from 1, as a mark that follows
    /// the figure, such as ` ¹ ²`.
    fn mark(&self, transport: &str, key: &str) -> String {
        let numbered = (1..).zip(self.marked_warnings());
        let concerning = numbered.filter(|(_, warning)| warning.concerns(transport, key));
        concerning.map(|(number, _)| format!(" {}", superscript(number))).collect()
    }

    /// Returns clients, rate, payload and rounds in one line.
    fn subject(&self) -> String {
        let Workload { clients, rate, payload, rounds, .. } = &self.plan;
        let plural = if *rounds == 1 { "" } else { "s" };
        let interrupted = self.warnings.iter().any(Warning::is_interruption);
        let mark = if interrupted { " · interrupted" } else { "" };
        format!(
            "{clients} clients · {rate} notifications/s · {payload} B payload · {rounds} \
             round{plural}{mark}"
        )
    }
}

/// Returns a number in superscript digits.
fn superscript(number: usize) -> String {
    const DIGITS: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    let digit = |c: char| c.to_digit(10).map_or(c, |digit| DIGITS[digit as usize]);
    number.to_string().chars().map(digit).collect()
}

#[cfg(test)]
pub(crate) mod tests;
