//! The whole comparison: rounds of cells, and then the report.

use std::pin::pin;
use std::time::Instant;

use crate::environment::{Environment, slow_clock};
use crate::error::RunError;
use crate::files;
use crate::measure::{CellError, Harness};
use crate::pin::Cores;
use crate::plan::Plan;
use crate::progress::Progress;
use crate::report::{Missing, Remark, Report};
use crate::sample::Sample;
use crate::servers::{StartError, in_full};
use crate::summary::Summary;
use crate::targets::TargetRow;
use crate::versions;
use crate::warnings::{Doubt, Warning};

/// Carries out the plan.
///
/// Needs a tokio runtime. While it runs, this process keeps to all cores but one, and that one is the servers'.
/// Dropping the future ends what it started, and so does every error.
///
/// When `interrupt` resolves, the cell under way is dropped and the report is made of the finished ones. Such a report
/// has [`Doubt::Interrupted`](crate::Doubt::Interrupted).
///
/// A contender that fails in a scenario is not measured in that scenario again. One whose server is not installed is
/// not measured at all. The report says why.
///
/// # Errors
/// Returns [`RunError::Plan`] and [`RunError::OpenFiles`] before anything is started, [`RunError::Interrupted`] if no
/// cell was finished, and [`RunError::Nothing`] if every contender failed.
pub async fn run(
    plan: &Plan,
    progress: &Progress,
    interrupt: impl Future<Output = ()>,
) -> Result<Report, RunError> {
    plan.check()?;
    let cells = plan.cells()?;
    let most = cells.iter().map(|(contender, scenario)| plan.clients(scenario, contender)).max();
    files::allow(most.unwrap_or(0) + plan.publishers)?;

    let began = Instant::now();
    let cores = Cores::divide(plan.running.is_none());
    let mut environment = Environment::now(&cores);
    let _pinned = cores.pin_load();
    progress.start(plan.rounds * cells.len());

    let harness = Harness { plan, cores: &cores };
    let mut samples: Vec<Sample> = Vec::new();
    let mut missing: Vec<Missing> = Vec::new();
    // The cells that are not measured again.
    let mut failed: Vec<(&str, &str)> = Vec::new();
    let mut interrupted = None;
    let mut interrupt = pin!(interrupt);
    for (round, contender, scenario) in schedule(plan.rounds, &cells) {
        let stage = scenario.stages[0].name;
        if failed.contains(&(contender.name, stage)) {
            progress.step();
            continue;
        }
        progress.show(contender.title, stage, round, plan.rounds);
        let measured = tokio::select! {
            measured = Box::pin(harness.measure(contender, scenario, round)) => measured,
            () = &mut interrupt => {
                interrupted = Some(Warning::interrupted(round, plan.rounds));
                break;
            }
        };
        match measured {
            Ok(measured) => samples.extend(measured),
            Err(error) => {
                let is_failure = !is_not_installed(&error);
                let mut problem = in_full(&error);
                if is_failure {
                    failed.push((contender.name, stage));
                    problem = format!("from {stage} on in round {round}: {problem}");
                } else {
                    let all = cells.iter().filter(|(one, _)| *one == contender);
                    failed.extend(all.map(|(one, other)| (one.name, other.stages[0].name)));
                }
                let transport = contender.title.to_owned();
                missing.push(Missing { transport, problem, is_failure });
            }
        }
        progress.step();
    }
    environment.seconds = began.elapsed().as_secs_f64();
    match (samples.is_empty(), &interrupted, missing.first()) {
        (true, Some(_), _) => return Err(RunError::Interrupted),
        (true, None, Some(Missing { problem, .. })) => {
            return Err(RunError::Nothing { problem: problem.clone() });
        }
        _ => {}
    }

    let mut contenders = plan.contenders()?;
    contenders.retain(|one| samples.iter().any(|sample| sample.contender == one.title));
    let summary = Summary::of(&samples, &contenders, &plan.rows());
    let targets = TargetRow::all(&samples, &contenders);
    let mut warnings = Vec::from_iter(interrupted);
    warnings.extend(circumstances(plan, &cores));
    warnings.extend(Warning::of(&samples, &summary, &contenders));
    environment.servers = versions::of(plan, &contenders).await;
    let remarks = contenders.iter().filter_map(|one| {
        Some(Remark { transport: one.title.to_owned(), text: one.remark?.to_owned() })
    });
    let remarks = remarks.collect();
    let plan = plan.record();
    Ok(Report { environment, plan, summary, targets, remarks, missing, warnings, samples })
}

/// Returns all cells of all rounds. Rounds go through the list forwards and backwards by turns, so that neither side of
/// a ratio is always the first.
fn schedule<'a, C: Copy, S>(
    rounds: usize,
    cells: &'a [(C, &'a S)],
) -> impl Iterator<Item = (usize, C, &'a S)> {
    (1..=rounds).flat_map(move |round| {
        (0..cells.len()).map(move |at| {
            let at = if round % 2 == 1 { at } else { cells.len() - 1 - at };
            let (contender, scenario) = cells[at];
            (round, contender, scenario)
        })
    })
}

fn is_not_installed(error: &CellError) -> bool {
    matches!(error, CellError::Start(StartError::Missing { .. }))
}

/// Returns the doubts that do not depend on the figures.
fn circumstances(plan: &Plan, cores: &Cores) -> Vec<Warning> {
    let of_server = match &plan.running {
        Some(running) if running.pid.is_none() => Some(Warning::new(
            Doubt::ServerUnknown,
            "the server's process is not known, so there are no figures of its CPU and memory: name \
             it with --pid, or let the comparison start its own",
        )),
        Some(_) => Some(Warning::new(
            Doubt::ServerNotFresh,
            "the same server served every round and uses the memory of earlier clients again, so the \
             memory of a client is too low",
        )),
        None if cores.server.is_none() => Some(Warning::new(
            Doubt::SharedCores,
            "servers and load shared the same cores: the CPU time of a delivery holds, latency and \
             throughput are worse than with a core for each",
        )),
        None => None,
    };
    let debug = "this is a debug build: every figure is several times too high";
    let one_round = "one round only: every median is a single sample (n = 1)";
    let doubts = [
        cfg!(debug_assertions).then(|| Warning::new(Doubt::DebugBuild, debug)),
        (plan.rounds == 1).then(|| Warning::new(Doubt::OneRound, one_round)),
        slow_clock().map(|clock| {
            let text = format!("the kernel's clock is {clock}, which is slow to read");
            Warning::new(Doubt::SlowClock, text)
        }),
        of_server,
    ];
    doubts.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_are_interleaved_and_take_turns_to_begin() {
        let cells = [("ours", &()), ("baseline", &())];
        let order: Vec<_> = schedule(2, &cells).map(|(round, name, ())| (round, name)).collect();
        assert_eq!(order, [(1, "ours"), (1, "baseline"), (2, "baseline"), (2, "ours")]);
    }
}
