//! What came of it, for a person and for another program.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::plan::LimitPlan;
use super::rows::{Judged, Row};
use super::sample::Sample;
use super::table;
use super::verdict::{Bar, Verdict, ratios};
use crate::environment::Environment;
use crate::figures::Unit;
use crate::stats::Spread;
use crate::warnings::Warning;

/// The finished table. As JSON it is every raw figure, and the circumstances they belong to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LimitReport {
    /// Where and how it was measured.
    pub environment: Environment,
    /// The rounds that were asked for.
    pub rounds: usize,
    /// Whether the numbers were small ones.
    pub quick: bool,
    /// The table.
    pub rows: Vec<LimitRow>,
    /// Reasons to doubt.
    pub warnings: Vec<Warning>,
    /// What could not be measured.
    pub failures: Vec<LimitFailure>,
    /// The raw figures, in the order of measuring.
    pub samples: Vec<Sample>,
}

/// One row of the table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LimitRow {
    /// Its name for programs, such as `websocket.steady`.
    pub id: String,
    /// Its name for people, below that of its figure.
    pub title: String,
    /// What is divided, such as `CPU a delivery`.
    pub figure: String,
    /// The figure's unit.
    pub unit: Unit,
    /// The run that is judged, as it was carried out.
    pub run: String,
    /// The run it stands beside.
    pub against: Option<String>,
    /// The figure, over rounds.
    pub value: Option<Spread>,
    /// That of the run beside it.
    pub other: Option<Spread>,
    /// One divided by the other, round by round; `None` where the figure itself is judged.
    pub ratio: Option<Spread>,
    /// Whether it is the ratio that is judged.
    pub by_ratio: bool,
    /// What is to be held.
    pub bar: Option<Bar>,
    /// Whether it is.
    pub verdict: Verdict,
    /// Not received, in all rounds of both runs.
    pub lost: u64,
    /// Received more than once.
    pub duplicated: u64,
    /// Received out of order.
    pub reordered: u64,
    /// Whether one of its runs failed.
    pub failed: bool,
}

/// A run that could not be carried out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LimitFailure {
    /// Which run.
    pub run: String,
    /// The round; it is not tried again behind that.
    pub round: usize,
    /// Why.
    pub error: String,
}

impl LimitReport {
    /// Whether every run came to figures and every client received everything, once and in order. A program
    /// should exit with 1 if this is `false`. A bar that is missed is still clean.
    pub fn is_clean(&self) -> bool {
        let is_whole = !self.warnings.iter().any(Warning::is_interruption);
        is_whole && self.failures.is_empty() && self.rows.iter().all(LimitRow::is_clean)
    }

    /// The table for a terminal of 100 columns, and the doubts below it.
    pub fn table(&self) -> String {
        table::table(self)
    }
}

impl LimitRow {
    pub(crate) fn of(
        row: &Row,
        plan: &LimitPlan,
        samples: &[Sample],
        failures: &[LimitFailure],
    ) -> Self {
        let run = plan.sized(row.run).to_string();
        let against = row.against.map(|against| plan.sized(against).to_string());
        let figures = |run: &str| -> Vec<(usize, f64)> {
            let mine = samples.iter().filter(|sample| sample.run == run);
            mine.filter_map(|sample| Some((sample.round, row.figure.of(sample)?))).collect()
        };
        let (values, others) = (figures(&run), against.as_deref().map(figures).unwrap_or_default());
        let spread = |figures: &[(usize, f64)]| Spread::of(figures.iter().map(|(_, value)| *value));
        let by_ratio = row.judged == Judged::Ratio;
        let ratio = by_ratio.then(|| ratios(&values, &others)).flatten();
        let value = spread(&values);
        let judged = if by_ratio { ratio } else { value };

        let is_mine = |name: &str| name == run || Some(name) == against.as_deref();
        let mine =
            || samples.iter().filter(|sample| is_mine(&sample.run)).map(|sample| &sample.load);
        Self {
            id: row.id.to_owned(),
            title: row.title.to_owned(),
            figure: row.figure.title().to_owned(),
            unit: row.figure.unit(),
            value,
            other: spread(&others),
            ratio,
            by_ratio,
            bar: row.bar,
            verdict: Verdict::of(judged, row.bar),
            lost: mine().map(|load| load.lost).sum(),
            duplicated: mine().map(|load| load.duplicated).sum(),
            reordered: mine().map(|load| load.reordered).sum(),
            failed: failures.iter().any(|failure| is_mine(&failure.run)),
            run,
            against,
        }
    }

    /// Whether everything of it arrived, once and in order.
    pub fn is_clean(&self) -> bool {
        self.lost == 0 && self.duplicated == 0 && self.reordered == 0
    }

    /// What is held against the bar.
    pub fn judged(&self) -> Option<Spread> {
        if self.by_ratio { self.ratio } else { self.value }
    }
}

impl fmt::Display for LimitFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, round {}: {}", self.run, self.round, self.error)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::limit::rows::ROWS;
    use crate::limit::sample::tests::sample;

    /// Every row, two rounds, none of it measured.
    pub(crate) fn report() -> LimitReport {
        let plan = LimitPlan { rounds: 2, ..LimitPlan::default() };
        let samples: Vec<Sample> = plan
            .schedule()
            .iter()
            .map(|(round, run)| Sample {
                server_cpu_ns: Some(400_000_000 + 8_000_000 * *round as u64),
                fan_out_ns: Some(300_000_000),
                ..sample(&run.to_string(), *round)
            })
            .collect();
        of(&plan, samples, Vec::new())
    }

    fn of(plan: &LimitPlan, samples: Vec<Sample>, failures: Vec<LimitFailure>) -> LimitReport {
        let rows = ROWS.iter().map(|row| LimitRow::of(row, plan, &samples, &failures)).collect();
        LimitReport {
            environment: Environment { commit: "0123456789ab".into(), ..Environment::default() },
            rounds: plan.rounds,
            quick: plan.quick,
            rows,
            warnings: Vec::new(),
            failures,
            samples,
        }
    }

    fn row<'a>(report: &'a LimitReport, id: &str) -> &'a LimitRow {
        report.rows.iter().find(|row| row.id == id).unwrap()
    }

    #[test]
    fn equal_figures_are_a_ratio_of_one() {
        let report = report();
        let steady = row(&report, "websocket.steady.plain");
        assert_eq!(steady.judged().unwrap().median, 1.0);
        assert_eq!((steady.verdict, steady.judged().unwrap().n), (Verdict::Met, 2));
        assert_eq!(row(&report, "websocket.steady").verdict, Verdict::Missed);
        assert_eq!(row(&report, "websocket.steady.limit").verdict, Verdict::Unbarred);
        assert_eq!(row(&report, "websocket.heartbeats").verdict, Verdict::Unknown);
    }

    #[test]
    fn one_lost_notification_is_not_clean_and_a_missed_bar_is() {
        let plan = LimitPlan { rounds: 2, ..LimitPlan::default() };
        let mut samples = report().samples;
        assert!(of(&plan, samples.clone(), Vec::new()).is_clean());
        samples[0].load.lost = 1;
        let report = of(&plan, samples, Vec::new());
        assert!(!report.is_clean());
        assert_eq!(row(&report, "websocket.steady.plain").lost, 1);
        assert_eq!(row(&report, "handshake").lost, 0);
    }

    #[test]
    fn a_run_that_failed_marks_every_row_that_needs_it() {
        let plan = LimitPlan { rounds: 2, ..LimitPlan::default() };
        let run = ROWS[1].run.to_string();
        let samples = report().samples.into_iter().filter(|sample| sample.run != run).collect();
        let failure = LimitFailure { run, round: 1, error: "no".into() };
        let report = of(&plan, samples, vec![failure]);
        assert!(!report.is_clean());
        let failed: Vec<&str> =
            report.rows.iter().filter(|row| row.failed).map(|row| row.id.as_str()).collect();
        assert_eq!(failed, ["websocket.steady", "websocket.p99"]);
        assert_eq!(row(&report, "websocket.p99").verdict, Verdict::Unknown);
    }

    #[test]
    fn json_there_and_back_is_the_same_report() {
        let report = report();
        let json = serde_json::to_string(&report).unwrap();
        assert!(serde_json::from_str::<LimitReport>(&json).unwrap() == report, "{json}");
    }
}
