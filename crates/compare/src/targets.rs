//! Figures against their targets.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::contender::{Contender, Family};
use crate::rows::{self, Against, ROWS, TARGETS, Target};
use crate::sample::Sample;
use crate::stats::Spread;
use crate::summary::{figures, spread};
use crate::units::Unit;

/// One figure of one contender against its target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetRow {
    /// The key of the figure's row.
    pub key: String,
    /// The group and the label of the row.
    pub figure: String,
    /// The contender's title.
    pub transport: String,
    /// The figure's unit.
    pub unit: Unit,
    /// The figure, over rounds.
    pub value: Option<Spread>,
    /// What the figure is divided by: a contender or another row. `None` if the target is for the figure.
    pub against: Option<String>,
    /// The divisor, over rounds.
    pub other: Option<Spread>,
    /// What is held against the target: the ratio of each round, or the figure.
    pub judged: Option<Spread>,
    /// The target.
    pub at_most: f64,
    /// Whether it is met.
    pub verdict: Verdict,
}

/// Whether a target is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The median is at most the target.
    Met,
    /// The median is above it.
    Missed,
}

impl TargetRow {
    /// Returns the targets of these contenders whose figures are known. Returns none if the baseline was not measured.
    pub(crate) fn all(samples: &[Sample], contenders: &[&Contender]) -> Vec<Self> {
        if contenders.iter().all(|one| one.family != Family::Baseline) {
            return Vec::new();
        }
        TARGETS.iter().filter_map(|target| Self::of(target, samples, contenders)).collect()
    }

    fn of(target: &Target, samples: &[Sample], contenders: &[&Contender]) -> Option<Self> {
        let titled = |name| contenders.iter().find(|one| one.name == name).map(|one| one.title);
        let row = named(target.row)?;
        let title = titled(target.contender)?;
        let values = figures(row, title, samples);
        let (against, others) = match target.against {
            Against::Nothing => (None, Vec::new()),
            Against::Contender(name) => {
                let other = titled(name)?;
                (Some(other.to_owned()), figures(row, other, samples))
            }
            Against::Row(key) => {
                let other = named(key)?;
                (Some(other.group.to_lowercase()), figures(other, title, samples))
            }
        };
        let judged = match against {
            Some(_) => ratios(&values, &others)?,
            None => spread(&values)?,
        };
        let is_met = judged.median <= target.at_most;
        Some(Self {
            key: row.key.to_owned(),
            figure: format!("{}, {}", row.group, row.label),
            transport: title.to_owned(),
            unit: row.unit,
            value: spread(&values),
            against,
            other: spread(&others),
            judged: Some(judged),
            at_most: target.at_most,
            verdict: if is_met { Verdict::Met } else { Verdict::Missed },
        })
    }

    /// Returns the unit of what is held against the target.
    pub(crate) fn judged_unit(&self) -> Unit {
        if self.against.is_some() { Unit::Number } else { self.unit }
    }
}

fn named(key: &str) -> Option<&'static rows::Row> {
    ROWS.iter().find(|row| row.key == key)
}

/// Divides round by round: what slowed one round down slowed both sides of the ratio. A round that only one side has
/// does not count.
fn ratios(values: &[(usize, f64)], others: &[(usize, f64)]) -> Option<Spread> {
    let pair = |(round, value): &(usize, f64)| {
        let (_, other) = others.iter().find(|(other, _)| other == round)?;
        (*other != 0.0).then(|| value / other)
    };
    Spread::of(values.iter().filter_map(pair))
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Met => "met",
            Self::Missed => "missed",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Outcome;
    use crate::contender::chosen;

    #[test]
    fn a_ratio_is_that_of_the_same_round() {
        let spread =
            ratios(&[(1, 2.0), (2, 30.0), (3, 3.0)], &[(3, 2.0), (2, 10.0), (1, 1.0)]).unwrap();
        assert_eq!((spread.n, spread.min, spread.median, spread.max), (3, 1.5, 2.0, 3.0));
        assert_eq!(ratios(&[(1, 2.0), (2, 9.0)], &[(1, 4.0)]).unwrap().n, 1);
        assert_eq!(ratios(&[(1, 2.0)], &[(1, 0.0)]), None);
    }

    fn targets(names: &[&str], stage: &str, cpu: &[u64]) -> Vec<TargetRow> {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let contenders = chosen(&names).unwrap();
        let samples: Vec<Sample> = contenders
            .iter()
            .zip(cpu)
            .map(|(one, cpu)| Sample {
                contender: one.title.to_owned(),
                stage: stage.to_owned(),
                round: 1,
                load: Outcome { deliveries: 1, ..Outcome::default() },
                clients: 1,
                server_cpu_ns: Some(*cpu),
                ..Sample::default()
            })
            .collect();
        TargetRow::all(&samples, &contenders)
    }

    #[test]
    fn a_target_itself_is_still_met() {
        let pair = ["long-polling", "baseline-long-polling"];
        for (ours, verdict) in [(1_150, Verdict::Met), (1_151, Verdict::Missed)] {
            let [row] = &targets(&pair, "steady", &[ours, 1_000])[..] else { panic!() };
            assert_eq!(row.against.as_deref(), Some("baseline long-polling"));
            assert_eq!(row.verdict, verdict);
        }
    }

    #[test]
    fn without_the_baseline_or_without_figures_there_is_no_target() {
        assert_eq!(targets(&["websocket"], "steady", &[1_000]), []);
        assert_eq!(targets(&["websocket", "baseline-websocket"], "other", &[1, 1]), []);
    }
}
