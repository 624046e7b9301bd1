//! What a person, or another program, sees of a comparison.
//!
//! The table and the page are made of the [`Summary`] and the targets, so a report that is read from JSON looks like the
//! one that was just measured.

mod html;
mod markup;
mod plots;
mod table;

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::environment::Environment;
use crate::plan::PlanRecord;
use crate::sample::Sample;
use crate::summary::Summary;
use crate::targets::TargetRow;
use crate::warnings::Warning;

/// A finished comparison. As JSON it is every raw figure and the circumstances of the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Where and how it was measured.
    pub environment: Environment,
    /// The numbers of the plan.
    pub plan: PlanRecord,
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
    /// measurement was finished. A program should exit with 1 if this is `false`. A target that is missed does not matter.
    pub fn is_clean(&self) -> bool {
        let is_whole = !self.warnings.iter().any(Warning::is_interruption);
        let has_failed = self.missing.iter().any(|missing| missing.is_failure);
        is_whole && !has_failed && self.samples.iter().all(Sample::is_clean)
    }

    /// Returns the table for a terminal with so many columns, and the doubts below it. Without a number the table may be
    /// as wide as it needs.
    pub fn table(&self, columns: Option<usize>) -> String {
        table::table(self, columns)
    }

    /// Returns one page that needs nothing else: no script, no font, no image.
    pub fn html(&self) -> String {
        html::page(self)
    }

    /// Writes [`html`](Self::html) to a file.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write_html(&self, path: impl AsRef<Path>) -> std::io::Result<()> {
        std::fs::write(path, self.html())
    }

    /// Returns the numbers of the warnings that concern this figure of this contender, from 1, as a mark that follows
    /// the figure, such as ` ¹ ²`.
    fn mark(&self, transport: &str, key: &str) -> String {
        let numbered = (1..).zip(&self.warnings);
        let concerning = numbered.filter(|(_, warning)| warning.concerns(transport, key));
        concerning.map(|(number, _)| format!(" {}", superscript(number))).collect()
    }

    /// Returns clients, rate, payload and rounds in one line.
    fn subject(&self) -> String {
        let PlanRecord { clients, rate, payload, rounds, .. } = &self.plan;
        let plural = if *rounds == 1 { "" } else { "s" };
        let interrupted = self.warnings.iter().any(Warning::is_interruption);
        let mark = if interrupted { " · interrupted" } else { "" };
        format!(
            "{clients} clients · {rate} notifications/s · {payload} B payload · {rounds} \
             round{plural}{mark}"
        )
    }
}

/// Returns the least and the greatest of a figure if they differ as they are written.
fn range(unit: crate::Unit, spread: &crate::Spread) -> Option<String> {
    let digits = unit.digits(spread);
    let (min, max) = (digits.write(spread.min), digits.write(spread.max));
    (spread.n > 1 && min != max).then(|| format!("{min}–{max}"))
}

/// Returns a number in superscript digits.
fn superscript(number: usize) -> String {
    const DIGITS: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    let digit = |c: char| c.to_digit(10).map_or(c, |digit| DIGITS[digit as usize]);
    number.to_string().chars().map(digit).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::contender::{Contender, chosen};
    use crate::latency::Latency;
    use crate::plan::Plan;
    use crate::{Outcome, Version};

    /// The contenders of [`sample`].
    pub(crate) fn contenders() -> Vec<&'static Contender> {
        let names = ["websocket", "baseline-websocket", "sse", "long-polling"];
        chosen(&names.map(str::to_owned)).unwrap()
    }

    /// Four contenders, three rounds, none of it measured.
    pub(crate) fn sample() -> Report {
        let mut samples = Vec::new();
        for round in 1..=3 {
            for (at, contender) in contenders().into_iter().enumerate() {
                let factor = [1.0, 0.98, 1.04, 3.2][at] * (1.0 + round as f64 / 50.0);
                for stage in ["connect", "steady", "burst", "saturation"] {
                    samples.push(one(contender.title, stage, round, factor));
                }
            }
        }
        let plan = Plan { baseline: true, ..Plan::new("tidings".into()) };
        let summary = Summary::of(&samples, &contenders(), &plan.rows());
        let targets = TargetRow::all(&samples, &contenders());
        let environment = Environment {
            command: "tidings compare --html report.html".into(),
            version: "0.1.0".into(),
            commit: "0123456789ab".into(),
            kernel: "Linux 6.1.0 x86_64".into(),
            cpu: "A CPU".into(),
            cores: 2,
            divided: true,
            servers: vec![
                Version { server: "tidings".into(), version: Some("0.1.0".into()) },
                Version { server: "pigeon-server".into(), version: None },
            ],
            date: "Thu, 01 Jan 2026 00:00:00 GMT".into(),
            seconds: 71.0,
            ..Environment::default()
        };
        let warnings = Warning::of(&samples, &summary, &contenders());
        let text = "requests again and again".to_owned();
        let remarks = vec![Remark { transport: "long-polling".to_owned(), text }];
        let problem = "there are no pigeons: buy some".to_owned();
        let missing = vec![Missing { transport: "pigeon".to_owned(), problem, is_failure: false }];
        let plan = plan.record();
        Report { environment, plan, summary, targets, remarks, missing, warnings, samples }
    }

    fn one(contender: &str, stage: &str, round: usize, factor: f64) -> Sample {
        let is_timed = matches!(stage, "steady" | "burst");
        let delivers = stage != "connect";
        Sample {
            contender: contender.to_owned(),
            stage: stage.to_owned(),
            round,
            clients: 1_000,
            load: Outcome {
                published: if delivers { 100 } else { 0 },
                deliveries: if delivers { 100_000 } else { 0 },
                requests: 1_000,
                received_bytes: (13_100_000.0 * factor) as u64,
                seconds: 2.5,
                latency: is_timed.then(|| latency(3_000.0 * factor)),
                late: is_timed.then(|| latency(60.0)),
                answered: is_timed.then(|| latency(900.0)),
                ..Outcome::default()
            },
            server_cpu_ns: Some((610_000_000.0 * factor) as u64),
            pss_before: Some(4 << 20),
            pss_after: Some((4 << 20) + (1.6e6 * factor) as u64),
            load_busy: Some(0.4),
            server_busy: Some(0.98),
            others: Some(0.01),
            io_uring: Some(true),
            ..Sample::default()
        }
    }

    fn latency(p50: f64) -> Latency {
        let quantiles = [0.0, 0.25, 0.5, 0.9, 0.99, 0.999, 0.9999, 1.0];
        let at = |q: f64| p50 * (0.3 + 1.4 * q + q.powi(200));
        Latency {
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: at(1.0),
            curve: quantiles.map(|q| (q, at(q))).to_vec(),
        }
    }

    #[test]
    fn json_there_and_back_is_the_same_report() {
        let report = sample();
        let json = serde_json::to_string(&report).unwrap();
        assert!(serde_json::from_str::<Report>(&json).unwrap() == report, "{json}");
    }

    #[test]
    fn a_lost_notification_or_a_failure_is_not_clean() {
        let mut report = sample();
        assert!(report.is_clean());
        report.missing[0].is_failure = true;
        assert!(!report.is_clean());
        report.missing.clear();
        report.samples[4].load.lost = 1;
        assert!(!report.is_clean());
    }
}
