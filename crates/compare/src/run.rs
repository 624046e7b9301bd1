//! The whole comparison: rounds of cells, and then the report.

use std::pin::pin;
use std::time::Instant;

use anyhow::{bail, ensure};

use crate::certificate::Certificate;
use crate::environment::{Environment, Version};
use crate::measure::measure;
use crate::pin::Cores;
use crate::plan::Plan;
use crate::progress::Progress;
use crate::report::{Missing, Remark, Report};
use crate::sample::Sample;
use crate::servers::NotInstalled;
use crate::summary::Summary;
use crate::targets::TargetRow;
use crate::warnings::{Doubt, Warning};

/// The number of files that a process has open besides sockets: standard streams, the runtime, `/proc`, libraries.
const FILES: usize = 64;

/// Measures the plan and returns the report.
///
/// Needs a tokio runtime. Restricts this process to all cores but one, which is reserved for the servers. Dropping the
/// future ends all processes that it has started, and so does every error.
///
/// If `interrupt` resolves, the current cell is dropped and the report contains the finished ones. Such a report has
/// the warning [`Doubt::Interrupted`](crate::Doubt::Interrupted).
///
/// If a contender fails in a scenario, that scenario is not measured again for it. A contender whose server is not
/// installed is not measured at all. The report contains the reasons.
///
/// # Errors
/// Fails before anything is started if the plan is invalid or needs more open files than this process may have. Fails
/// later if no certificate can be created, the run is interrupted before a cell is finished, or every contender fails.
/// Lost and duplicated notifications are not an error but figures of the report.
pub async fn run(
    plan: &Plan,
    progress: &Progress,
    interrupt: impl Future<Output = ()>,
) -> anyhow::Result<Report> {
    plan.check()?;
    let cells = plan.cells()?;
    let most = cells.iter().map(|(contender, scenario)| plan.clients(scenario, contender)).max();
    allow_files(most.unwrap_or(0) + plan.workload.publishers + FILES)?;

    let began = Instant::now();
    let cores = Cores::divide(plan.running.is_none());
    let mut environment = Environment::now(&cores);
    cores.pin_load();
    let certificate = plan.workload.tls.then(Certificate::create).transpose()?;
    let rounds = plan.workload.rounds;

    let mut samples: Vec<Sample> = Vec::new();
    let mut missing: Vec<Missing> = Vec::new();
    // The cells that have failed and are not measured again.
    let mut failed: Vec<(&str, &str)> = Vec::new();
    let mut interrupted = None;
    let mut interrupt = pin!(interrupt);
    for (done, (round, contender, scenario)) in schedule(rounds, &cells).enumerate() {
        let stage = scenario.stages[0].name;
        if failed.contains(&(contender.name, stage)) {
            continue;
        }
        let title = contender.title;
        let step = format_args!("{title} · scenario {stage} · round {round} of {rounds}");
        progress.show(done, rounds * cells.len(), step);
        let measured = tokio::select! {
            measured = measure(plan, &cores, certificate.as_ref(), contender, scenario, round) => measured,
            () = &mut interrupt => {
                interrupted = Some(Warning::interrupted(round, rounds));
                break;
            }
        };
        match measured {
            Ok(measured) => samples.extend(measured),
            Err(error) => {
                // A missing program is missing in every scenario.
                let is_failure = !error.is::<NotInstalled>();
                let same = cells.iter().filter(|(one, it)| {
                    *one == contender && (!is_failure || it.stages[0].name == stage)
                });
                failed.extend(same.map(|(one, it)| (one.name, it.stages[0].name)));
                let from = format!("scenario {stage} in round {round}: ");
                let problem = format!("{}{error:#}", if is_failure { &from } else { "" });
                let transport = title.to_owned();
                missing.push(Missing { transport, problem, is_failure });
            }
        }
    }
    environment.seconds = began.elapsed().as_secs_f64();
    if samples.is_empty() {
        match missing.first() {
            Some(Missing { problem, .. }) if interrupted.is_none() => {
                bail!("nothing could be measured: {problem}")
            }
            _ => bail!(
                "interrupted before the first measurement was finished, there is nothing to report"
            ),
        }
    }

    let mut contenders = plan.contenders()?;
    contenders.retain(|one| samples.iter().any(|sample| sample.contender == one.title));
    let summary = Summary::of(&samples, &contenders, plan);
    let targets = TargetRow::all(&samples, &contenders, plan);
    let mut warnings = Vec::from_iter(interrupted);
    if plan.baseline && targets.is_empty() {
        let text = "no target: none of the measured rows has one, or the row that it is divided by \
                    was not measured, such as saturation.cpu for many.cpu";
        warnings.push(Warning::new(Doubt::NoTargets, text));
    }
    warnings.extend(Warning::of_circumstances(plan, &cores));
    warnings.extend(Warning::of(&samples, &summary, &contenders));
    environment.servers = Version::of(plan, &contenders);
    let remarks = contenders.iter().filter_map(|one| {
        Some(Remark { transport: one.title.to_owned(), text: one.remark?.to_owned() })
    });
    let remarks = remarks.collect();
    let plan = plan.workload.clone();
    Ok(Report { environment, plan, summary, targets, remarks, missing, warnings, samples })
}

/// Raises the limit on open files of this process. Its children inherit the limit.
///
/// # Errors
/// Fails if the system does not allow that many open files.
fn allow_files(needed: usize) -> anyhow::Result<()> {
    let limit = rlimit::increase_nofile_limit(needed as u64).unwrap_or(0);
    ensure!(
        limit >= needed as u64,
        "the plan needs {needed} open files and this process may have {limit}: raise the limit \
         (ulimit -n) or compare with fewer clients"
    );
    Ok(())
}

/// All cells of all rounds. Every second round is in reverse order, so that neither side of a ratio is always measured
/// first.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_are_interleaved_and_alternate_their_order() {
        let cells = [("ours", &()), ("baseline", &())];
        let order: Vec<_> = schedule(2, &cells).map(|(round, name, ())| (round, name)).collect();
        assert_eq!(order, [(1, "ours"), (1, "baseline"), (2, "baseline"), (2, "ours")]);
    }
}
