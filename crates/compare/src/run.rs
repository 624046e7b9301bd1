//! The whole comparison: rounds of cells, and then the report.

use std::pin::pin;
use std::time::Instant;

use anyhow::{bail, ensure};

use crate::certificate::Certificate;
use crate::contender::Contender;
use crate::environment::{Environment, Version};
use crate::measure::measure;
use crate::network::Unavailable;
use crate::pin::Cores;
use crate::plan::Plan;
use crate::progress::Progress;
use crate::report::{Missing, Remark, Report};
use crate::sample::Sample;
use crate::sequence::Sequence;
use crate::servers::NotInstalled;
use crate::summary::Summary;
use crate::targets::TargetRow;
use crate::warnings::{Doubt, Warning};

/// The number of files that a process has open besides sockets: standard streams, the runtime, `/proc`, libraries.
const FILES: usize = 64;

/// Measures the plan and returns the report.
///
/// `earlier` is the report of an earlier run of the same plan. Its samples are kept, unless it is from another
/// commit or another machine. Only the cells that it has not finished are measured, and those that were disturbed if the
/// plan allows repeats.
///
/// Needs a tokio runtime. Restricts this process to all cores but one, which is reserved for the servers. Dropping the
/// future ends all processes that it has started, and so does every error.
///
/// If `interrupt` resolves, the current cell is dropped and the report contains the finished ones. Such a report has
/// the warning [`Doubt::Interrupted`](crate::Doubt::Interrupted).
///
/// If a contender fails in a sequence of stages, that sequence is not measured again for it. That is not a failure of
/// the run for a contender that shows what does not work, such as a proxy with its defaults. A contender whose server is not
/// installed is not measured at all. The report contains the reasons.
///
/// # Errors
/// Fails before anything is started if the plan is invalid or needs more open files than this process may have. Fails
/// later if no certificate can be created, the run is interrupted before a cell is finished, or every contender fails.
/// Lost and duplicated notifications are not an error but figures of the report.
pub async fn run(
    plan: &Plan,
    earlier: Option<Report>,
    progress: &Progress,
    interrupt: impl Future<Output = ()>,
) -> anyhow::Result<Report> {
    plan.check()?;
    let cells = plan.cells()?;
    let most = cells.iter().map(|(contender, sequence)| plan.clients(sequence, contender)).max();
    allow_files(most.unwrap_or(0) + plan.workload.publishers + FILES)?;

    let began = Instant::now();
    let cores = Cores::divide(plan.running.is_none());
    let mut environment = Environment::now(&cores);
    let _pinned = cores.pin_load();
    let certificate = plan.has_tls().then(Certificate::create).transpose()?;
    let rounds = plan.workload.rounds;

    let earlier = earlier.filter(|it| it.is_of(plan, &environment));
    let (mut samples, repeated_earlier) = match earlier {
        Some(earlier) => {
            environment.date = earlier.environment.date;
            environment.seconds = earlier.environment.seconds;
            (earlier.samples, earlier.repeated)
        }
        None => (Vec::new(), 0),
    };
    let mut repeated = 0;
    // On a machine that is always busy, more repeats would not help.
    let most_repeats = (rounds * cells.len()).div_ceil(2);
    let mut missing: Vec<Missing> = Vec::new();
    // The cells that have failed and are not measured again.
    let mut failed: Vec<(&str, &str)> = Vec::new();
    let mut interrupted = None;
    let mut interrupt = pin!(interrupt);
    for (done, (round, contender, sequence)) in schedule(rounds, &cells).enumerate() {
        let stage = sequence.stages[0].name;
        let is_its = |sample: &Sample| is_of_cell(sample, contender, sequence, round);
        let mut earlier: Option<Vec<Sample>> = None;
        if is_measured(plan, &samples, contender, sequence, round) {
            let its: Vec<Sample> = samples.iter().filter(|it| is_its(it)).cloned().collect();
            if plan.repeats == 0 || disturbance(&its).0 == 0 {
                continue;
            }
            earlier = Some(its);
        }
        if failed.contains(&(contender.name, stage)) {
            continue;
        }
        let title = contender.title;
        let step = format_args!("{title} · {stage} · round {round} of {rounds}");
        progress.show(done, rounds * cells.len(), step);
        let measured = tokio::select! {
            measured = measure_undisturbed(earlier, async || {
                measure(plan, &cores, certificate.as_ref(), contender, sequence, round).await
            }, plan.repeats.min(most_repeats.saturating_sub(repeated))) => measured,
            () = &mut interrupt => {
                interrupted = Some(Warning::interrupted(round, rounds));
                break;
            }
        };
        match measured {
            Ok((measured, again)) => {
                samples.retain(|sample| !is_its(sample));
                samples.extend(measured);
                repeated += again;
            }
            Err(error) => {
                // A missing program or network is missing in every sequence.
                let is_missing = error.is::<NotInstalled>() || error.is::<Unavailable>();
                let is_failure = !is_missing && !contender.may_fail;
                let same = cells.iter().filter(|(one, it)| {
                    *one == contender && (is_missing || it.stages[0].name == stage)
                });
                failed.extend(same.map(|(one, it)| (one.name, it.stages[0].name)));
                let from = format!("{stage} in round {round}: ");
                let problem = format!("{}{error:#}", if is_missing { "" } else { &from });
                let transport = title.to_owned();
                missing.push(Missing { transport, problem, is_failure });
            }
        }
    }
    environment.seconds += began.elapsed().as_secs_f64();
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
    environment.servers = Version::of(plan, &contenders).await;
    let remarks = contenders
        .iter()
        .filter_map(|one| Some(Remark { transport: one.title.to_owned(), text: one.remark()? }));
    let remarks = remarks.collect();
    let (schema, scenario) = (Report::SCHEMA, plan.scenario.name.to_owned());
    let plan = plan.workload.clone();
    Ok(Report {
        schema,
        scenario,
        environment,
        plan,
        summary,
        targets,
        remarks,
        missing,
        warnings,
        repeated: repeated_earlier + repeated,
        samples,
    })
}

/// `true` if the samples have all stages of this cell that are chosen.
fn is_measured(
    plan: &Plan,
    samples: &[Sample],
    contender: &Contender,
    sequence: &Sequence,
    round: usize,
) -> bool {
    let its: Vec<&Sample> =
        samples.iter().filter(|it| is_of_cell(it, contender, sequence, round)).collect();
    let mut stages = sequence.stages.iter().filter(|stage| plan.has_stage(stage.name));
    stages.all(|stage| its.iter().any(|sample| sample.stage == stage.name))
}

fn is_of_cell(sample: &Sample, contender: &Contender, sequence: &Sequence, round: usize) -> bool {
    sample.round == round
        && sample.contender == contender.title
        && sequence.stages.iter().any(|stage| stage.name == sample.stage)
}

/// How many stages other work on the machine has disturbed, and how much it has disturbed the one that it disturbed most.
fn disturbance(samples: &[Sample]) -> (usize, f64) {
    let each = || samples.iter().map(Sample::disturbance);
    (each().filter(|it| *it >= 1.0).count(), each().fold(0.0, f64::max))
}

/// Measures a cell, unless it has samples from an earlier run. While it is disturbed by other work on the machine,
/// measures it again, up to `repeats` times. Returns the samples that were disturbed least, and how often the cell was
/// measured again.
///
/// # Errors
/// Fails if the cell fails.
async fn measure_undisturbed(
    earlier: Option<Vec<Sample>>,
    measure: impl AsyncFn() -> anyhow::Result<Vec<Sample>>,
    repeats: usize,
) -> anyhow::Result<(Vec<Sample>, usize)> {
    let mut best = match earlier {
        Some(samples) => samples,
        None => measure().await?,
    };
    let mut again = 0;
    let is_clean = |samples: &[Sample]| samples.iter().all(Sample::is_clean);
    // Samples with a loss are never discarded.
    while again < repeats && disturbance(&best).0 > 0 && is_clean(&best) {
        again += 1;
        // A cell that fails the second time keeps its first samples.
        let Ok(other) = measure().await else { break };
        if !is_clean(&other) || disturbance(&other) < disturbance(&best) {
            best = other;
        }
    }
    Ok((best, again))
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
    use crate::scenario::Scenario;

    #[tokio::test]
    async fn a_disturbed_cell_is_measured_again_and_the_best_is_kept() {
        let next = std::cell::RefCell::new(vec![0.4, 0.1, 0.3]);
        let measure = async || Ok(vec![disturbed(next.borrow_mut().remove(0))]);
        let (samples, again) = measure_undisturbed(None, measure, 2).await.unwrap();
        assert_eq!((samples[0].stolen, again), (0.1, 2));
        *next.borrow_mut() = vec![0.001];
        assert_eq!(measure_undisturbed(None, measure, 2).await.unwrap().1, 0);
        // That of an earlier run is kept if the new one is worse.
        *next.borrow_mut() = vec![0.5];
        let (samples, again) =
            measure_undisturbed(Some(vec![disturbed(0.2)]), measure, 1).await.unwrap();
        assert_eq!((samples[0].stolen, again), (0.2, 1));
    }

    #[tokio::test]
    async fn a_disturbed_cell_with_a_loss_is_not_discarded() {
        let mut lost = disturbed(0.2);
        lost.load.lost = 1;
        let other = async || Ok(vec![disturbed(0.0)]);
        let kept = measure_undisturbed(Some(vec![lost.clone()]), other, 2).await.unwrap();
        assert_eq!((kept.0[0].load.lost, kept.1), (1, 0));
        let losing = async || Ok(vec![lost.clone()]);
        let kept = measure_undisturbed(Some(vec![disturbed(0.1)]), losing, 2).await.unwrap();
        assert_eq!((kept.0[0].load.lost, kept.1), (1, 1));
    }

    fn disturbed(stolen: f64) -> Sample {
        let load = crate::Outcome { seconds: 1.0, ..Default::default() };
        Sample { stolen, load, ..Sample::default() }
    }

    #[test]
    fn a_cell_of_an_earlier_run_is_measured_if_it_has_all_stages() {
        let plan = Plan::of("tidings".into(), Scenario::named("idle").unwrap());
        let (contender, sequence) = plan.cells().unwrap()[0];
        let sample = |stage: &str| Sample {
            contender: contender.title.to_owned(),
            stage: stage.to_owned(),
            round: 1,
            ..Sample::default()
        };
        let mut samples = vec![sample("quiet")];
        assert!(!is_measured(&plan, &samples, contender, sequence, 1));
        samples.push(sample("heartbeat"));
        assert!(is_measured(&plan, &samples, contender, sequence, 1));
        assert!(!is_measured(&plan, &samples, contender, sequence, 2));
    }

    #[test]
    fn rounds_are_interleaved_and_alternate_their_order() {
        let cells = [("ours", &()), ("baseline", &())];
        let order: Vec<_> = schedule(2, &cells).map(|(round, name, ())| (round, name)).collect();
        assert_eq!(order, [(1, "ours"), (1, "baseline"), (2, "baseline"), (2, "ours")]);
    }
}
