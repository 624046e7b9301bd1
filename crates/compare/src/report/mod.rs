//! What a person, or another program, sees of a comparison.
//!
//! The table and the page are made of the [`Summary`] alone, so that a report read back from JSON looks
//! the same as the one that was just measured.

mod html;
mod markup;
mod plots;
mod table;

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::environment::Environment;
use crate::plan::PlanRecord;
use crate::record::Cell;
use crate::summary::Summary;
use crate::warnings::Warning;

/// A finished comparison. As JSON it is every raw figure, and the circumstances they belong to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Where and how it was measured.
    pub environment: Environment,
    /// What was asked for.
    pub plan: PlanRecord,
    /// Medians and spreads.
    pub summary: Summary,
    /// What figures cannot tell of a contender.
    #[serde(default)]
    pub remarks: Vec<Remark>,
    /// What should have been measured and could not be.
    #[serde(default)]
    pub missing: Vec<Missing>,
    /// Reasons to doubt.
    pub warnings: Vec<Warning>,
    /// The raw figures, one for each transport and round, in the order of measuring.
    pub cells: Vec<Cell>,
}

/// What a reader has to know of a contender before its figures are held against others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Remark {
    /// The contender, as the table has it.
    pub transport: String,
    /// A sentence or two.
    pub text: String,
}

/// A contender that was not measured. That makes no report unclean: nothing of it went wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Missing {
    /// The contender, as the table would have had it.
    pub transport: String,
    /// Why, and what to do.
    pub problem: String,
}

impl Report {
    /// Whether every client received everything, once and in order, and every planned measurement was
    /// finished. A program should exit with 1 if this is `false`.
    pub fn is_clean(&self) -> bool {
        let is_whole = !self.warnings.iter().any(Warning::is_interruption);
        is_whole && self.cells.iter().all(|cell| cell.integrity.is_clean())
    }

    /// The table for a terminal, and the doubts below it.
    pub fn table(&self) -> String {
        table::table(self)
    }

    /// One page that needs nothing else: no script, no font, no image from anywhere.
    pub fn html(&self) -> String {
        html::page(self)
    }

    /// Writes [`html`](Self::html) to a file.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn write_html(&self, path: impl AsRef<Path>) -> std::io::Result<()> {
        std::fs::write(path, self.html())
    }

    /// The numbers of the warnings that concern this figure of this transport, from 1.
    fn doubts(&self, transport: &str, key: &str) -> Vec<usize> {
        let concerning = |warning: &Warning| warning.concerns(transport, key);
        let numbered = self.warnings.iter().enumerate();
        numbered.filter(|(_, warning)| concerning(warning)).map(|(at, _)| at + 1).collect()
    }

    /// The same as a mark that follows the figure, such as ` ¹ ²`.
    fn mark(&self, transport: &str, key: &str) -> String {
        let numbers = self.doubts(transport, key);
        numbers.into_iter().map(|number| format!(" {}", raised(number))).collect()
    }

    /// Clients, rate, payload and rounds in one line.
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

/// The least and the greatest of a figure, if they differ as they are written.
fn range(row: &crate::Row, spread: &crate::Spread) -> Option<String> {
    let digits = row.unit.digits(spread);
    let (min, max) = (digits.write(spread.min), digits.write(spread.max));
    (spread.n > 1 && min != max).then(|| format!("{min}–{max}"))
}

/// A number in superscript digits.
pub(crate) fn raised(number: usize) -> String {
    const DIGITS: [char; 10] = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    let digit = |c: char| c.to_digit(10).map_or(c, |digit| DIGITS[digit as usize]);
    number.to_string().chars().map(digit).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::figures::FIGURES;
    use crate::record::{Connect, Idle, Latency, Measured};
    use crate::{Integrity, Version};

    /// Three transports, three rounds, none of it measured.
    pub(crate) fn sample() -> Report {
        let names = ["websocket", "sse", "long-polling"];
        let cells: Vec<Cell> = (1..=3)
            .flat_map(|round| names.iter().enumerate().map(move |(at, name)| cell(name, at, round)))
            .collect();
        let summary = Summary::of(&cells, FIGURES);
        let environment = Environment {
            command: "tidings compare --html report.html".into(),
            version: "0.1.0".into(),
            commit: "0123456789ab".into(),
            kernel: "Linux 6.1.0 x86_64".into(),
            cpu: "A CPU".into(),
            cores: 2,
            quota: None,
            parted: true,
            servers: vec![
                Version { server: "tidings".into(), version: Some("0.1.0".into()) },
                Version { server: "pigeon-server".into(), version: None },
            ],
            date: "Thu, 01 Jan 2026 00:00:00 GMT".into(),
            seconds: 71.0,
        };
        let hub = crate::HubUnderTest::Child { program: "tidings".into(), args: Vec::new() };
        let plan = crate::Plan::new(hub).record();
        let warnings = Warning::of(&cells, &summary);
        let remark = "asks again and again".to_owned();
        let remarks = vec![Remark { transport: "long-polling".to_owned(), text: remark }];
        let problem = "there are no pigeons: buy some".to_owned();
        let missing = vec![Missing { transport: "pigeon".to_owned(), problem }];
        Report { environment, plan, summary, remarks, missing, warnings, cells }
    }

    fn cell(transport: &str, at: usize, round: usize) -> Cell {
        let factor = [1.0, 1.04, 3.2][at] * (1.0 + round as f64 / 50.0);
        let measured = |rate: f64, timed: bool| Measured {
            published: 100,
            deliveries: 100_000,
            seconds: 100_000.0 / rate,
            server_cpu_ns: Some((6_100.0 * factor) as u64 * 100_000),
            engine_cpu_ns: None,
            load_busy: 0.4,
            stolen: 0.0,
            others: Some(0.01),
            throttled: 0,
            received_bytes: (13_100_000.0 * factor) as u64,
            sent_bytes: if at == 2 { 21_000_000 } else { 0 },
            requests: if at == 2 { 100_000 } else { 0 },
            latency: timed.then(|| latency(3_000.0 * factor)),
            late: timed.then(|| latency(60.0)),
            answered: timed.then(|| latency(900.0)),
        };
        Cell {
            transport: transport.to_owned(),
            round,
            connect: Connect {
                clients: 1_000,
                seconds: 0.1 * factor,
                server_cpu_ns: Some((40_000_000.0 * factor) as u64),
                received_bytes: 129_000,
                sent_bytes: 180_000,
            },
            idle: Some(Idle {
                pss_before: 4 << 20,
                pss_after: (4 << 20) + (1.6e6 * factor) as u64,
            }),
            steady: measured(40_000.0, true),
            burst: measured(40_000.0, true),
            saturation: measured(110_000.0 / factor, false),
            integrity: Integrity::default(),
            first_ending: None,
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
    fn one_lost_notification_is_not_clean() {
        let mut report = sample();
        assert!(report.is_clean());
        report.cells[4].integrity.lost = 1;
        assert!(!report.is_clean());
        let doubts = Warning::of(&report.cells, &report.summary);
        assert!(
            doubts.iter().any(|doubt| doubt.to_string().starts_with("sse: 1 lost")),
            "{doubts:?}"
        );
    }
}
