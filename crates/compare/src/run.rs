//! The whole comparison: rounds of transports, A B C A B C.

use std::sync::Arc;
use std::time::Instant;

use tidings_transport::client::Client;

use crate::clock;
use crate::environment::Environment;
use crate::measure::Bench;
use crate::pin::Cores;
use crate::plan::{HubUnderTest, Plan, PlanError};
use crate::progress::{Progress, STEPS};
use crate::report::Report;
use crate::summary::Summary;
use crate::warnings::Warning;
use crate::{RunError, files};

/// Carries out the plan with these clients, one a transport.
///
/// Needs a multi-threaded tokio runtime. While it runs, the process keeps to all cores but one, and that
/// one is the hub's. Dropping the future ends the hub it started, and so does every error; a caller that
/// is ended by a signal has to drop it first.
///
/// # Errors
/// [`RunError::Plan`] before anything is started, and everything else that leaves nothing to report.
pub async fn run(
    plan: &Plan,
    clients: &[Arc<dyn Client>],
    progress: &Progress,
) -> Result<Report, RunError> {
    plan.check()?;
    let clients = chosen(plan, clients)?;
    files::allow(plan.clients + plan.publishers)?;

    let began = Instant::now();
    let cores = Cores::part(matches!(plan.hub, HubUnderTest::Child { .. }));
    let mut environment = Environment::now(cores.hub.is_some());
    let _pinned = cores.pin_load();
    progress.start(plan.rounds * clients.len() * STEPS);

    let bench = Bench { plan, cores: &cores, progress };
    let mut cells = Vec::with_capacity(plan.rounds * clients.len());
    for round in 1..=plan.rounds {
        for client in &clients {
            cells.push(Box::pin(bench.measure(client, round)).await?);
        }
    }
    environment.seconds = began.elapsed().as_secs_f64();

    let summary = Summary::of(&cells);
    let mut warnings = circumstances(plan.rounds);
    warnings.extend(of_hub(&plan.hub, &cores));
    warnings.extend(Warning::of(&cells, &summary));
    Ok(Report { environment, plan: plan.record(), summary, warnings, cells })
}

fn chosen(plan: &Plan, clients: &[Arc<dyn Client>]) -> Result<Vec<Arc<dyn Client>>, PlanError> {
    if clients.is_empty() {
        return Err(PlanError::NoTransport);
    }
    if plan.transports.is_empty() {
        return Ok(clients.to_vec());
    }
    let named = |name: &String| {
        let found = clients.iter().find(|client| client.transport() == name);
        found.cloned().ok_or_else(|| PlanError::UnknownTransport {
            name: name.clone(),
            known: clients.iter().map(|c| c.transport()).collect::<Vec<_>>().join(", "),
        })
    };
    plan.transports.iter().map(named).collect()
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
