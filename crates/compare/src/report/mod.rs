//! The report of a comparison, as a table, as a page and as JSON.
//!
//! The table and the page are made from the [`Summary`] and the targets, so a report that is read from JSON has the
//! same figures as one that was just measured.

mod cells;
mod html;
mod json;
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
use crate::units::separated;
use crate::warnings::Warning;
use crate::workload::{Payload, Workload};

/// A finished comparison. Its JSON contains all raw figures and the environment of the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The machine, the versions and the command.
    pub environment: Environment,
    /// The clients and what was published to them.
    pub plan: Workload,
    /// Medians and spreads.
    pub summary: Summary,
    /// Figures against their targets. Empty if the baseline was not measured.
    pub targets: Vec<TargetRow>,
    /// Properties of contenders that the figures do not show.
    pub remarks: Vec<Remark>,
    /// The contenders that were not measured.
    pub missing: Vec<Missing>,
    /// Reasons to doubt the figures.
    pub warnings: Vec<Warning>,
    /// The raw figures in the order of measuring, one sample for each contender, stage and round.
    pub samples: Vec<Sample>,
}

/// A property of a contender that the figures do not show, such as weaker guarantees.
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
    /// The reason, and a way to fix it.
    pub problem: String,
    /// `true` if it failed. A server that is not installed is not a failure.
    pub is_failure: bool,
}

impl Report {
    /// Returns `true` if every client received everything once and in order, no contender failed, and all planned
    /// measurements were finished. A program should exit with 1 if this is `false`.
    ///
    /// Missed targets do not count. Losses of the baseline do not count either, because it closes clients whose socket
    /// is full.
    pub fn is_clean(&self) -> bool {
        let is_whole = !self.warnings.iter().any(Warning::is_interruption);
        let has_failed = self.missing.iter().any(|missing| missing.is_failure);
        let is_baseline = |title| CONTENDERS.iter().any(|it| it.is_baseline() && it.title == title);
        let mut others =
            self.samples.iter().filter(|sample| !is_baseline(sample.contender.as_str()));
        is_whole && !has_failed && others.all(Sample::is_clean)
    }

    /// Returns the table for a terminal, with the warnings below it.
    pub fn table(&self) -> String {
        table::table(self)
    }

    /// Returns the report as JSON, with one line for each row and each sample.
    pub fn json(&self) -> String {
        json::json(self)
    }

    /// Returns the report as one HTML file without scripts and without references to other files.
    pub fn html(&self) -> String {
        html::page(self)
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

    /// Clients, rate, payload and rounds in one line.
    fn subject(&self) -> String {
        let Workload { rate, rounds, .. } = &self.plan;
        let clients = separated(&self.plan.clients.to_string());
        let payload = match self.plan.payload {
            Payload::Plain(bytes) => format!("{} B payload", separated(&bytes.to_string())),
            named => format!("payload of {named}, {} B", named.about()),
        };
        let rate = separated(&rate.to_string());
        let tls = if self.plan.tls { " over TLS" } else { "" };
        let plural = if *rounds == 1 { "" } else { "s" };
        let interrupted = self.warnings.iter().any(Warning::is_interruption);
        let mark = if interrupted { " · interrupted" } else { "" };
        format!(
            "{clients} clients{tls} · {rate} notifications/s · {payload} · {rounds} \
             round{plural}{mark}"
        )
    }
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
