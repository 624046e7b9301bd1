//! Figures against their targets.

mod list;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use self::list::{Against, TARGETS, Target};
use crate::contender::Contender;
use crate::plan::Plan;
use crate::rows::Figure;
use crate::sample::Sample;
use crate::stats::Spread;
use crate::summary::{figures, spread};
use crate::units::Unit;

/// One figure of one contender against its target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
    /// The title of the divisor, a contender or another row. `None` if the target is for the figure.
    pub against: Option<String>,
    /// The divisor, over rounds.
    pub other: Option<Spread>,
    /// `true` if the divisor is subtracted instead.
    #[serde(default)]
    pub is_difference: bool,
    /// The compared value: the ratio or the difference of each round, or the figure.
    pub compared: Spread,
    /// The target.
    pub at_most: f64,
    /// `true` if the median is at most the target.
    pub is_met: bool,
}

impl TargetRow {
    /// The targets of these contenders whose figures are known. Empty if the baseline was not measured.
    pub(crate) fn all(samples: &[Sample], contenders: &[&Contender], plan: &Plan) -> Vec<Self> {
        let has_baseline = contenders.iter().any(|one| one.is_baseline());
        let is_compressed = |name| {
            let mut compressed = contenders.iter().filter(|one| one.compression);
            compressed.any(|one| one.name == name)
        };
        // The target does not apply to fewer clients than the scenario is meant for.
        let applies = |target: &&Target| {
            (has_baseline || is_compressed(target.contender))
                && target.tls == plan.workload.tls
                && target.payload.is_none_or(|payload| payload == plan.workload.payload)
                && !plan.is_capped(target.row)
        };
        let rows = plan.scenario.figures();
        let targets = TARGETS.iter().filter(applies);
        targets.filter_map(|target| Self::of(target, samples, contenders, &rows)).collect()
    }

    fn of(
        target: &Target,
        samples: &[Sample],
        contenders: &[&Contender],
        rows: &[Figure],
    ) -> Option<Self> {
        let named = |key| rows.iter().find(|row| row.key == key);
        let titled = |name| contenders.iter().find(|one| one.name == name).map(|one| one.title);
        let row = named(target.row)?;
        let title = titled(target.contender)?;
        let values = figures(row, title, samples);
        let (against, others) = match target.against {
            Against::Nothing => (None, BTreeMap::new()),
            Against::Contender(name) | Against::Difference(name) => {
                let other = titled(name)?;
                (Some(other.to_owned()), figures(row, other, samples))
            }
            Against::Row(key) => {
                let other = named(key)?;
                (Some(other.group.to_lowercase()), figures(other, title, samples))
            }
        };
        let is_difference = matches!(target.against, Against::Difference(_));
        let compared = match against {
            Some(_) if is_difference => differences(&values, &others)?,
            Some(_) => ratios(&values, &others)?,
            None => spread(&values)?,
        };
        Some(Self {
            key: row.key.clone(),
            figure: format!("{}, {}", row.group, row.label),
            transport: title.to_owned(),
            unit: row.unit,
            value: spread(&values),
            against,
            other: spread(&others),
            is_difference,
            compared,
            at_most: target.at_most,
            is_met: compared.median <= target.at_most,
        })
    }

    pub(crate) fn compared_unit(&self) -> Unit {
        let is_ratio = self.against.is_some() && !self.is_difference;
        if is_ratio { Unit::Number } else { self.unit }
    }
}

/// Divides round by round, because a disturbance in a round affects both sides of its ratio. Rounds that only one side
/// has are ignored.
fn ratios(values: &BTreeMap<usize, f64>, others: &BTreeMap<usize, f64>) -> Option<Spread> {
    let other = |round| others.get(round).filter(|other| **other != 0.0);
    Spread::of(values.iter().filter_map(|(round, value)| Some(value / other(round)?)))
}

/// Subtracts round by round.
fn differences(values: &BTreeMap<usize, f64>, others: &BTreeMap<usize, f64>) -> Option<Spread> {
    Spread::of(values.iter().filter_map(|(round, value)| Some(value - others.get(round)?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Outcome;
    use crate::contender::chosen;
    use crate::scenario::Scenario;
    use crate::workload::Workload;

    #[test]
    fn a_ratio_is_that_of_the_same_round() {
        let spread = ratios(
            &[(1, 2.0), (2, 30.0), (3, 3.0)].into(),
            &[(3, 2.0), (2, 10.0), (1, 1.0)].into(),
        )
        .unwrap();
        assert_eq!((spread.n, spread.min, spread.median, spread.max), (3, 1.5, 2.0, 3.0));
        assert_eq!(ratios(&[(1, 2.0), (2, 9.0)].into(), &[(1, 4.0)].into()).unwrap().n, 1);
        assert_eq!(ratios(&[(1, 2.0)].into(), &[(1, 0.0)].into()), None);
    }

    fn targets(names: &[&str], stage: &str, cpu: &[u64]) -> Vec<TargetRow> {
        let contenders = chosen(names).unwrap();
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
        let scenario = if stage == "of-1000" { "compression" } else { "baseline" };
        let scenario = Scenario::named(scenario).unwrap();
        let workload = Workload::default();
        let plan = Plan { workload, ..Plan::of("tidings".into(), scenario) };
        TargetRow::all(&samples, &contenders, &plan)
    }

    #[test]
    fn a_value_equal_to_its_target_meets_it() {
        let pair = ["long-polling", "baseline-long-polling"];
        for (ours, is_met) in [(1_150, true), (1_151, false)] {
            let [row] = &targets(&pair, "steady", &[ours, 1_000])[..] else { panic!() };
            assert_eq!(row.against.as_deref(), Some("baseline long-polling"));
            assert_eq!(row.is_met, is_met);
        }
    }

    #[test]
    fn targets_of_compression_need_no_baseline() {
        let pair = ["sse", "sse-compressed"];
        let [row] = &targets(&pair, "of-1000", &[1_000, 1_051])[..] else { panic!() };
        assert_eq!((row.against.as_deref(), row.is_met), (Some("SSE"), false));
        assert_eq!(
            targets(&pair, "steady", &[1, 1]),
            [],
            "the bytes are a target only with orders"
        );
        let differences =
            differences(&[(1, 300.0), (2, 290.0)].into(), &[(2, 280.0)].into()).unwrap();
        assert_eq!((differences.n, differences.median), (1, 10.0));
    }

    #[test]
    fn without_the_baseline_or_without_figures_there_is_no_target() {
        assert_eq!(targets(&["websocket"], "steady", &[1_000]), []);
        assert_eq!(targets(&["websocket", "baseline-websocket"], "other", &[1, 1]), []);
    }
}
