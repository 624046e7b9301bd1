//! What to measure of the table.

use super::rows::{ROWS, Row};
use super::run::Run;
use crate::plan::PlanError;

/// Which rows, how often.
#[derive(Clone, Debug)]
pub struct LimitPlan {
    /// Interleaved rounds, each with fresh servers. Default 5. What takes long and hardly spreads is measured
    /// in fewer: quiet clients in 3 at most, the resume in 2.
    pub rounds: usize,
    /// Parts of the names or ids of the rows to measure; empty means all. Default: empty.
    pub rows: Vec<String>,
    /// Small numbers, to see whether everything works: the bars are about others. Default: no.
    pub quick: bool,
}

impl Default for LimitPlan {
    fn default() -> Self {
        Self { rounds: 5, rows: Vec::new(), quick: false }
    }
}

impl LimitPlan {
    /// One round with a tenth of the clients.
    pub fn quick() -> Self {
        Self { rounds: 1, quick: true, ..Self::default() }
    }

    /// Whether the plan can be carried out.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), PlanError> {
        if self.rounds == 0 {
            return Err(PlanError::TooSmall { what: "rounds", least: 1, given: 0 });
        }
        for part in &self.rows {
            if !ROWS.iter().any(|row| is_named(row, part)) {
                let known = ROWS.iter().map(|row| row.id).collect::<Vec<_>>().join(", ");
                return Err(PlanError::UnknownRow { name: part.clone(), known });
            }
        }
        Ok(())
    }

    /// The rows, in the order of the list.
    pub(crate) fn chosen(&self) -> Vec<&'static Row> {
        let is_chosen =
            |row: &&Row| self.rows.is_empty() || self.rows.iter().any(|part| is_named(row, part));
        ROWS.iter().filter(is_chosen).collect()
    }

    /// A row's run as it is carried out.
    pub(crate) fn sized(&self, run: Run) -> Run {
        if self.quick { run.quick() } else { run }
    }

    /// Every run of every round, in order. Neighbours of the list are neighbours in time, and rounds go through it
    /// forwards and backwards by turns, so that neither side of a pair is always the first.
    pub(crate) fn schedule(&self) -> Vec<(usize, Run)> {
        let mut runs: Vec<Run> = Vec::new();
        for run in self.chosen().iter().flat_map(|row| row.runs()).map(|run| self.sized(run)) {
            if !runs.contains(&run) {
                runs.push(run);
            }
        }
        let mut schedule = Vec::new();
        for round in 1..=self.rounds {
            let due = runs.iter().filter(|run| round <= run.rounds(self.rounds)).copied();
            let due = due.map(|run| (round, run));
            if round % 2 == 1 { schedule.extend(due) } else { schedule.extend(due.rev()) }
        }
        schedule
    }
}

fn is_named(row: &Row, part: &str) -> bool {
    let part = part.to_lowercase();
    row.id.contains(&part) || row.title.to_lowercase().contains(&part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limit::run::Side;

    fn ids(rows: &[&str]) -> Vec<&'static str> {
        let rows = rows.iter().map(|&row| row.to_owned()).collect();
        LimitPlan { rows, ..LimitPlan::default() }.chosen().iter().map(|row| row.id).collect()
    }

    #[test]
    fn a_row_is_found_by_any_part_of_its_id_or_title() {
        assert_eq!(ids(&["memory"]), ["websocket.memory", "sse.memory", "long-polling.memory"]);
        assert_eq!(ids(&["HANDSHAKE", "growth"]), ["growth", "handshake"]);
        assert_eq!(ids(&[]).len(), ROWS.len());
    }

    #[test]
    fn a_row_that_is_not_there_is_named_with_those_that_are() {
        let plan = LimitPlan { rows: vec!["pigeon".into()], ..LimitPlan::default() };
        let error = plan.check().unwrap_err().to_string();
        assert!(error.contains("pigeon") && error.contains("websocket.steady"), "{error}");
        assert!(LimitPlan { rounds: 0, ..LimitPlan::default() }.check().is_err());
        assert_eq!(LimitPlan::quick().check(), Ok(()));
    }

    #[test]
    fn pairs_are_measured_back_to_back_and_take_turns_to_be_first() {
        let plan = LimitPlan { rounds: 2, rows: vec!["handshake".into()], quick: false };
        let order: Vec<_> =
            plan.schedule().iter().map(|(round, run)| (*round, run.server.side)).collect();
        assert_eq!(order, [(1, Side::Hub), (1, Side::Limit), (2, Side::Limit), (2, Side::Hub)]);
    }

    #[test]
    fn rows_that_share_a_run_measure_it_once() {
        let runs = |rows: &[&str]| {
            let rows = rows.iter().map(|&row| row.to_owned()).collect();
            LimitPlan { rows, ..LimitPlan::quick() }.schedule().len()
        };
        // The hub in both ways and the limit in both.
        assert_eq!(runs(&["websocket.steady", "websocket.p99"]), 4);
        assert_eq!(runs(&["sse.memory", "sse.heartbeats"]), 2);
    }

    #[test]
    fn what_takes_long_is_measured_in_fewer_rounds() {
        let plan = LimitPlan { rows: vec!["resume".into()], ..LimitPlan::default() };
        assert_eq!(plan.schedule().len(), 2);
    }
}
