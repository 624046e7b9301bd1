//! Medians over rounds: from [`Cell`]s to the rows of the table.

use serde::{Deserialize, Serialize};

use crate::figures::{Figure, Unit};
use crate::record::{Cell, Measured};
use crate::schedule::Regime;
use crate::stats::Spread;

/// Every figure of every transport, over all rounds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The transports, in the order in which they were measured.
    pub transports: Vec<String>,
    /// The figures.
    pub rows: Vec<Row>,
    /// Latency over quantiles.
    pub curves: Vec<Curve>,
}

/// One figure, for each transport.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Its name for programs, such as `steady.p99`.
    pub key: String,
    /// What it is about, such as `Steady`.
    pub group: String,
    /// What it is, such as `latency p99`.
    pub label: String,
    /// Its unit.
    pub unit: Unit,
    /// Whether a wide spread is worth a warning; tails differ by nature.
    pub telling: bool,
    /// One for each transport, in their order; `None` where it could not be measured.
    pub values: Vec<Option<Spread>>,
}

/// The latencies of one transport in one regime, at a fixed list of quantiles.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    /// The transport.
    pub transport: String,
    /// The regime.
    pub regime: Regime,
    /// Quantile, and the median over rounds of the latency there, in microseconds.
    pub points: Vec<(f64, f64)>,
}

impl Summary {
    /// These figures of these cells; the transports in the order of their first appearance.
    pub(crate) fn of(cells: &[Cell], figures: &[Figure]) -> Self {
        let mut transports: Vec<String> = Vec::new();
        for cell in cells {
            if !transports.contains(&cell.transport) {
                transports.push(cell.transport.clone());
            }
        }
        let rows = figures.iter().map(|figure| row(figure, cells, &transports)).collect();
        let curves = [Regime::Steady, Regime::Burst]
            .into_iter()
            .flat_map(|regime| transports.iter().filter_map(move |name| curve(name, regime, cells)))
            .collect();
        Self { transports, rows, curves }
    }

    /// The row of this key.
    pub fn row(&self, key: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.key == key)
    }
}

impl Row {
    /// Label and unit.
    pub fn title(&self) -> String {
        match self.unit {
            Unit::PerSecond => format!("{}/s", self.label),
            Unit::Micros | Unit::Millis | Unit::Percent => {
                format!("{}, {}", self.label, self.unit.sign())
            }
            Unit::Bytes | Unit::Number => self.label.clone(),
        }
    }
}

fn row(figure: &Figure, cells: &[Cell], transports: &[String]) -> Row {
    let spread = |transport: &String| {
        let mine = cells.iter().filter(|cell| cell.transport == *transport);
        Spread::of(mine.filter_map(figure.of))
    };
    Row {
        key: figure.key.to_owned(),
        group: figure.group.to_owned(),
        label: figure.label.to_owned(),
        unit: figure.unit,
        telling: figure.telling,
        values: transports.iter().map(spread).collect(),
    }
}

fn curve(transport: &str, regime: Regime, cells: &[Cell]) -> Option<Curve> {
    let mine = cells.iter().filter(|cell| cell.transport == transport);
    let measured = mine.map(|cell: &Cell| -> &Measured { cell.regime(regime) });
    let rounds: Vec<&[(f64, f64)]> =
        measured.filter_map(|m| Some(m.latency.as_ref()?.curve.as_slice())).collect();
    let points = rounds.first()?.iter().enumerate().filter_map(|(at, (quantile, _))| {
        let samples = rounds.iter().filter_map(|round| Some(round.get(at)?.1));
        Some((*quantile, Spread::of(samples)?.median))
    });
    Some(Curve { transport: transport.to_owned(), regime, points: points.collect() })
}
