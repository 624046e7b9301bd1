//! Medians over rounds: from [`Sample`]s to the rows of the table.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::contender::Contender;
use crate::plan::Plan;
use crate::rows::Figure;
use crate::sample::Sample;
use crate::scenario::Shape;
use crate::sequence::Clients;
use crate::stats::Spread;
use crate::units::{Unit, separated};

/// Every figure of every contender, over all rounds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Summary {
    /// The titles of the contenders, in their order.
    pub transports: Vec<String>,
    /// The figures. A figure that no contender has is left out.
    pub rows: Vec<Row>,
    /// Latency over quantiles.
    pub curves: Vec<Curve>,
}

/// One figure, for each contender.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Row {
    /// Its key, such as `steady.p99`.
    pub key: String,
    /// Its heading, such as `Steady`.
    pub group: String,
    /// Its name below the heading, such as `latency p99`.
    pub label: String,
    /// Its unit.
    pub unit: Unit,
    /// `true` if a wide spread causes a warning. The tails of distributions always have a wide spread.
    pub warns_if_wide: bool,
    /// One for each contender, in their order. `None` if it was not measured.
    pub values: Vec<Option<Spread>>,
}

/// The latencies of one contender in one stage, at a fixed list of quantiles.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Curve {
    /// The contender's title.
    pub transport: String,
    /// The stage.
    pub stage: String,
    /// The quantile, and the median over rounds of the latency there in microseconds.
    pub points: Vec<(f64, f64)>,
}

impl Summary {
    pub(crate) fn of(samples: &[Sample], contenders: &[&Contender], plan: &Plan) -> Self {
        let titles = || contenders.iter().map(|one| one.title);
        let row = |figure: &Figure| Row {
            key: figure.key.clone(),
            group: heading(figure, samples, plan),
            label: figure.label.to_owned(),
            unit: figure.unit,
            warns_if_wide: figure.warns_if_wide,
            values: titles().map(|title| spread(&figures(figure, title, samples))).collect(),
        };
        let is_known = |row: &Row| row.values.iter().any(Option::is_some);
        let stages = plan.scenario.plots.iter().filter_map(|plot| match plot.shape {
            Shape::Percentiles(stage) => Some(stage),
            _ => None,
        });
        let curves =
            stages.flat_map(|stage| titles().filter_map(move |it| curve(it, stage, samples)));
        Self {
            transports: titles().map(str::to_owned).collect(),
            rows: plan.figures().iter().map(row).filter(is_known).collect(),
            curves: curves.collect(),
        }
    }

    /// Returns the figure of this contender, by its title, with this key.
    pub fn value(&self, transport: &str, key: &str) -> Option<Spread> {
        let at = self.transports.iter().position(|title| title == transport)?;
        self.row(key)?.values[at]
    }

    /// Returns the row of this key.
    pub fn row(&self, key: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.key == key)
    }
}

impl Row {
    /// Returns label and unit.
    pub fn title(&self) -> String {
        self.unit.labelled(&self.label)
    }
}

/// The heading of a figure, with the number of clients if it is not that of the plan.
fn heading(figure: &Figure, samples: &[Sample], plan: &Plan) -> String {
    let sequence = figure.stage().and_then(|stage| plan.scenario.sequence_of(stage));
    if sequence.is_some_and(|sequence| matches!(sequence.clients, Clients::Exactly(_))) {
        // The heading contains the number.
        return figure.group.to_owned();
    }
    let of_stage = samples.iter().filter(|sample| figure.stage() == Some(&sample.stage));
    match of_stage.map(|sample| sample.clients).max() {
        Some(clients) if clients != plan.workload.clients => {
            format!("{} ({} clients)", figure.group, separated(&clients.to_string()))
        }
        _ => figure.group.to_owned(),
    }
}

/// A figure of one contender for each round in which it is known. Disturbed rounds are left out if there are others.
/// Integrity is the sum over all stages, disturbed or not.
pub(crate) fn figures(figure: &Figure, title: &str, samples: &[Sample]) -> BTreeMap<usize, f64> {
    let mut figures = BTreeMap::new();
    let mine = samples.iter().filter(|sample| match figure.stage() {
        _ if sample.contender != title => false,
        Some(stage) => sample.stage == stage && !sample.is_left_out(samples),
        None => true,
    });
    for sample in mine {
        if let Some(value) = (figure.of)(sample) {
            *figures.entry(sample.round).or_default() += value;
        }
    }
    figures
}

pub(crate) fn spread(figures: &BTreeMap<usize, f64>) -> Option<Spread> {
    Spread::of(figures.values().copied())
}

fn curve(title: &str, stage: &str, samples: &[Sample]) -> Option<Curve> {
    let mine = samples.iter().filter(|sample| {
        sample.contender == title && sample.stage == stage && !sample.is_left_out(samples)
    });
    let rounds: Vec<&[(f64, f64)]> =
        mine.filter_map(|sample| Some(sample.load.latency.as_ref()?.curve.as_slice())).collect();
    let points = rounds.first()?.iter().enumerate().filter_map(|(at, (quantile, _))| {
        let samples = rounds.iter().filter_map(|round| Some(round.get(at)?.1));
        Some((*quantile, Spread::of(samples)?.median))
    });
    let points = points.collect();
    Some(Curve { transport: title.to_owned(), stage: stage.to_owned(), points })
}
