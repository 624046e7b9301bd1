//! The whole comparison: rounds of contenders, A B C A B C.

use std::pin::pin;
use std::time::Instant;

use crate::clock;
use crate::contender::{Contender, chosen};
use crate::environment::Environment;
use crate::figures::{BACKPLANE, FIGURES, Figure};
use crate::measure::Bench;
use crate::pin::Cores;
use crate::plan::{HubUnderTest, Plan, PlanError};
use crate::progress::{Progress, STEPS};
use crate::report::{Missing, Remark, Report};
use crate::summary::Summary;
use crate::warnings::Warning;
use crate::{RunError, files, versions};

/// Carries out the plan with these contenders.
///
/// Needs a multi-threaded tokio runtime. While it runs, the process keeps to all cores but one, and that
/// one is the server's. Dropping the future ends the server it started, and so does every error.
///
/// When `interrupt` resolves, the measurement under way is dropped and the report is made of those that are
/// finished. Such a report is marked with [`Warning::Interrupted`].
///
/// A contender whose [`Engine`](crate::Engine) cannot be started is not measured, and the report says why.
///
/// # Errors
/// [`RunError::Plan`] before anything is started, [`RunError::Interrupted`] if nothing was finished, and
/// everything else that leaves nothing to report.
pub async fn run(
    plan: &Plan,
    contenders: &[Contender],
    progress: &Progress,
    interrupt: impl Future<Output = ()>,
) -> Result<Report, RunError> {
    measured(plan, contenders, progress, FIGURES, interrupt).await
}

/// What it costs that hubs share a stream: the same as [`run`] with the figures that tell it, of contenders
/// that are each so many [nodes](crate::Server::Nodes). All of them, and the engine, keep to one core, so that
/// CPU adds up and deliveries a second are those of one core whatever the number of nodes.
///
/// # Errors
/// As [`run`]; and [`PlanError::NotOurs`] where the plan has a hub that runs already.
pub async fn backplane(
    plan: &Plan,
    contenders: &[Contender],
    progress: &Progress,
    interrupt: impl Future<Output = ()>,
) -> Result<Report, RunError> {
    if let HubUnderTest::Url { .. } = plan.hub {
        return Err(PlanError::NotOurs.into());
    }
    measured(plan, contenders, progress, BACKPLANE, interrupt).await
}

async fn measured(
    plan: &Plan,
    contenders: &[Contender],
    progress: &Progress,
    figures: &[Figure],
    interrupt: impl Future<Output = ()>,
) -> Result<Report, RunError> {
    plan.check()?;
    let contenders = chosen(plan, contenders)?;
    files::allow(plan.clients + plan.publishers)?;

    let began = Instant::now();
    let cores = Cores::part(matches!(plan.hub, HubUnderTest::Child { .. }));
    let mut environment = Environment::now(&cores);
    let _pinned = cores.pin_load();
    progress.start(plan.rounds * contenders.len() * STEPS);

    let bench = Bench { plan, cores: &cores, progress };
    let mut cells = Vec::with_capacity(plan.rounds * contenders.len());
    let mut missing: Vec<Missing> = Vec::new();
    let mut interrupted = None;
    let mut interrupt = pin!(interrupt);
    let rounds = (1..=plan.rounds).flat_map(|round| contenders.iter().map(move |one| (round, one)));
    for (round, contender) in rounds {
        if missing.iter().any(|other| other.transport == contender.title) {
            progress.skip();
            continue;
        }
        let measured = tokio::select! {
            measured = Box::pin(bench.measure(contender, round)) => measured?,
            () = &mut interrupt => {
                interrupted = Some(Warning::Interrupted { round, rounds: plan.rounds });
                break;
            }
        };
        match measured {
            Ok(cell) => cells.push(cell),
            Err(problem) => {
                progress.skip();
                missing.push(Missing { transport: contender.title.to_owned(), problem });
            }
        }
    }
    environment.seconds = began.elapsed().as_secs_f64();
    if cells.is_empty() && interrupted.is_some() {
        return Err(RunError::Interrupted);
    }
    if let (true, Some(missing)) = (cells.is_empty(), missing.first()) {
        return Err(RunError::Nothing { problem: missing.problem.clone() });
    }

    let summary = Summary::of(&cells, figures);
    let mut warnings = Vec::from_iter(interrupted);
    warnings.extend(circumstances(plan.rounds));
    warnings.extend(of_hub(&plan.hub, &cores));
    warnings.extend(Warning::of(&cells, &summary));
    let mut measured = contenders;
    measured.retain(|one| summary.transports.iter().any(|name| name == one.title));
    environment.servers = versions::of(&plan.hub, &measured).await;
    let remarks = measured.iter().filter_map(|one| {
        Some(Remark { transport: one.title.to_owned(), text: one.remark.clone()? })
    });
    let remarks = remarks.collect();
    let plan = plan.record();
    Ok(Report { environment, plan, summary, remarks, missing, warnings, cells })
}

/// What is not known of a hub that is not ours, or has no core to itself.
fn of_hub(hub: &HubUnderTest, cores: &Cores) -> Option<Warning> {
    match hub {
        HubUnderTest::Url { pid: None, .. } => Some(Warning::HubUnknown),
        HubUnderTest::Url { pid: Some(_), .. } => Some(Warning::HubNotFresh),
        HubUnderTest::Child { .. } => cores.hub.is_none().then_some(Warning::SharedCores),
    }
}

/// The doubts that are there before the first figure.
pub(crate) fn circumstances(rounds: usize) -> Vec<Warning> {
    let mut doubts = Vec::new();
    if cfg!(debug_assertions) {
        doubts.push(Warning::DebugBuild);
    }
    if rounds == 1 {
        doubts.push(Warning::OneRound);
    }
    doubts.extend(clock::slow_source().map(|source| Warning::SlowClock { source }));
    doubts
}
