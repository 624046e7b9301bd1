//! A scenario: a question, and what is measured to answer it.

use crate::plan::Compression;
use crate::rows::Figure;
use crate::scenarios::SCENARIOS;
use crate::sequence::{Sequence, Stage};
use crate::summary::Summary;
use crate::workload::{PlanError, Workload, check_names};

/// A question, and what is measured to answer it. [`Scenario::all`] returns the list.
#[derive(Debug)]
pub struct Scenario {
    /// Its name on the command line, and that of its raw data.
    pub name: &'static str,
    /// The question that it answers.
    pub question: &'static str,
    /// How it is measured, in whole sentences.
    pub method: &'static str,
    /// What its figures do not show, in whole sentences.
    pub limits: &'static str,
    /// The contenders that are measured by default, by name or by family.
    pub(crate) contenders: &'static [&'static str],
    /// `true` if the baseline is measured next to each contender.
    pub(crate) baseline: bool,
    pub(crate) compression: Option<Compression>,
    pub(crate) workload: Workload,
    pub(crate) sequences: &'static [Sequence],
    /// The tables of its section in the comparison.
    pub(crate) tables: &'static [Table],
    pub(crate) plots: &'static [Plot],
    /// The answer in one sentence, from the figures. `None` if a figure is missing.
    pub(crate) answer: fn(&Summary) -> Option<String>,
}

/// A table with a line for each contender and a column for each key.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) title: &'static str,
    /// Keys of rows, such as `steady.p99`.
    pub(crate) columns: &'static [&'static str],
}

/// A plot with a title and a note on its unit.
#[derive(Debug)]
pub(crate) struct Plot {
    pub(crate) title: &'static str,
    pub(crate) note: &'static str,
    pub(crate) shape: Shape,
}

/// What a plot shows.
#[derive(Debug)]
pub(crate) enum Shape {
    /// A group of bars for each key, which has a label.
    Bars(&'static [(&'static str, &'static str)]),
    /// The latency of this stage at each percentile.
    Percentiles(&'static str),
    /// A line for each contender through the figures with these keys, at these positions. Both axes are logarithmic.
    Lines(&'static [(f64, &'static str)]),
}

impl Scenario {
    /// Returns all scenarios, in the order of the comparison.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        SCENARIOS.iter().copied()
    }

    /// Returns the scenario with this name.
    ///
    /// # Errors
    /// Fails with the known names if there is none.
    pub fn named(name: &str) -> Result<&'static Self, PlanError> {
        let known: Vec<&str> = Self::all().map(|scenario| scenario.name).collect();
        check_names("scenario", [name], "one of", &known, |known, name| known == name)?;
        Ok(Self::all().find(|scenario| scenario.name == name).unwrap_or(SCENARIOS[0]))
    }

    pub(crate) fn stages(&self) -> impl Iterator<Item = &'static Stage> {
        self.sequences.iter().flat_map(|sequence| sequence.stages)
    }

    /// All figures that it can have, in the order of the table.
    pub(crate) fn figures(&self) -> Vec<Figure> {
        Figure::all(self.stages())
    }

    /// The sequence of the stage with this name.
    pub(crate) fn sequence_of(&self, stage: &str) -> Option<&'static Sequence> {
        let has_stage = |it: &&Sequence| it.stages.iter().any(|one| one.name == stage);
        self.sequences.iter().find(has_stage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contender::chosen;

    #[test]
    fn no_name_and_no_key_is_used_twice() {
        let has_twice = |mut names: Vec<String>| {
            let count = names.len();
            names.sort_unstable();
            names.dedup();
            names.len() != count
        };
        assert!(!has_twice(Scenario::all().map(|it| it.name.to_owned()).collect()));
        for scenario in Scenario::all() {
            let keys = scenario.figures().into_iter().map(|it| it.key).collect();
            assert!(!has_twice(keys), "{}", scenario.name);
        }
    }

    #[test]
    fn tables_and_plots_are_of_figures_that_the_scenario_has() {
        for scenario in Scenario::all() {
            let figures = scenario.figures();
            let has = |key: &str| figures.iter().any(|figure| figure.key == key);
            let name = scenario.name;
            assert!(!scenario.tables.is_empty() && !scenario.plots.is_empty(), "{name}");
            for key in scenario.tables.iter().flat_map(|table| table.columns) {
                assert!(has(key), "{key} of {name}");
            }
            for plot in scenario.plots {
                match plot.shape {
                    Shape::Bars(bars) => assert!(bars.iter().all(|it| has(it.0)), "{name}"),
                    Shape::Lines(points) => assert!(points.iter().all(|it| has(it.1)), "{name}"),
                    Shape::Percentiles(stage) => assert!(has(&format!("{stage}.p99")), "{name}"),
                }
            }
        }
    }

    #[test]
    fn each_scenario_has_contenders_and_texts_of_whole_sentences() {
        for Scenario { name, question, method, limits, contenders, .. } in Scenario::all() {
            assert!(!chosen(contenders).unwrap().is_empty(), "{name}");
            assert!(question.ends_with('?') && method.ends_with('.'), "{name}");
            assert!(limits.ends_with('.'), "{name}");
        }
    }

    #[test]
    fn an_unknown_name_is_an_error_with_the_known_ones() {
        let error = Scenario::named("pigeon").unwrap_err().to_string();
        let expected = "unknown scenario \"pigeon\": expected one of fan-out, ";
        assert!(error.starts_with(expected), "{error}");
    }
}
