//! The rows of the table: the figures of the stages of a scenario.

use crate::measures::{DUPLICATED, LOST, Measure, REORDERED};
use crate::sample::Sample;
use crate::sequence::Stage;
use crate::units::Unit;

/// The first part of the keys of figures that are sums over all stages.
const INTEGRITY: &str = "integrity";

/// A figure of a stage.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    /// The stage and the measure, such as `steady.p99`.
    pub(crate) key: String,
    pub(crate) group: &'static str,
    pub(crate) label: &'static str,
    pub(crate) unit: Unit,
    /// `true` if a wide spread causes a warning.
    pub(crate) warns_if_wide: bool,
    pub(crate) of: fn(&Sample) -> Option<f64>,
}

impl Figure {
    fn new(stage: &str, group: &'static str, measure: &Measure) -> Self {
        let Measure { name, label, unit, warns_if_wide, of } = *measure;
        Self { key: format!("{stage}.{name}"), group, label, unit, warns_if_wide, of }
    }

    /// The figures of these stages, and those of integrity.
    pub(crate) fn all<'a>(stages: impl Iterator<Item = &'a Stage>) -> Vec<Self> {
        let of_stage = |stage: &'a Stage| {
            let of = |measure| Self::new(stage.name, stage.heading, measure);
            stage.measures.iter().map(of)
        };
        let integrity = [LOST, DUPLICATED, REORDERED];
        let integrity = integrity.iter().map(|one| Self::new(INTEGRITY, "Integrity", one));
        stages.flat_map(of_stage).chain(integrity).collect()
    }

    /// The stage whose samples have the figure. `None` for the figures of integrity, which cover all stages.
    pub(crate) fn stage(&self) -> Option<&str> {
        self.key.split('.').next().filter(|stage| *stage != INTEGRITY)
    }
}
