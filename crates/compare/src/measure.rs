//! One cell: one contender under one scenario in one round, from fresh servers to samples.

use std::time::Instant;

use thiserror::Error;

use crate::child::ChildError;
use crate::contender::Contender;
use crate::driver::Driver;
use crate::pin::Cores;
use crate::plan::Plan;
use crate::proc::{MachineTime, Process};
use crate::protocol::{Command, Outcome, Setup};
use crate::sample::Sample;
use crate::scenario::{Scenario, Stage, Work};
use crate::servers::{Servers, StartError};

/// How long the warm-up publishes. After it the caches, allocators and branch predictors of both sides are those of a
/// server that has been running.
const WARM_UP: f64 = 0.25;

/// How long the load serves after the last stage, so that a late duplicate is counted.
const LINGER: f64 = 0.05;

/// What cells are measured with.
pub(crate) struct Harness<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) cores: &'a Cores,
}

/// Why a cell has no samples.
#[derive(Debug, Error)]
pub(crate) enum CellError {
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Child(#[from] ChildError),
}

/// Everything that one cell has running.
struct Cell<'a> {
    harness: &'a Harness<'a>,
    contender: &'a Contender,
    scenario: &'a Scenario,
    round: usize,
    servers: Servers,
    driver: Driver,
}

/// What went wrong outside the stages that yield samples.
#[derive(Default)]
struct Aside {
    lost: u64,
    duplicated: u64,
    reordered: u64,
}

/// The counters at one instant.
struct Reading {
    at: Instant,
    server_ns: Option<u64>,
    broker_ns: Option<u64>,
    load_ns: Option<u64>,
    own_ns: Option<u64>,
    pss: Option<u64>,
    machine: MachineTime,
    throttled: u64,
}

impl Aside {
    fn add(&mut self, outcome: &Outcome) {
        self.lost += outcome.lost;
        self.duplicated += outcome.duplicated;
        self.reordered += outcome.reordered;
    }

    fn count_to(self, outcome: &mut Outcome) {
        outcome.lost += self.lost;
        outcome.duplicated += self.duplicated;
        outcome.reordered += self.reordered;
    }
}

impl Harness<'_> {
    /// Measures one cell. Returns a sample for each stage of which a row is chosen.
    pub(crate) async fn measure(
        &self,
        contender: &Contender,
        scenario: &Scenario,
        round: usize,
    ) -> Result<Vec<Sample>, CellError> {
        let Self { plan, cores } = *self;
        let servers = Servers::start(contender.server, scenario.serve_args, plan, cores).await?;
        let setup = Setup {
            urls: servers.urls.clone(),
            headers: plan.running.as_ref().map_or(String::new(), |it| it.headers.clone()),
            transport: contender.transport,
            clients: plan.clients(scenario, contender),
            publishers: plan.publishers,
            payload: plan.payload,
            patience: plan.patience.as_secs_f64(),
            own_topics: scenario.own_topics,
        };
        let driver = Driver::start(&plan.program, &setup, cores).await?;
        let mut cell = Cell { harness: self, contender, scenario, round, servers, driver };
        match cell.stages(setup.clients).await {
            Ok(samples) => {
                // A load that has failed meanwhile has served no clients.
                cell.driver.finish().await?;
                cell.servers.stop().await;
                Ok(samples)
            }
            // Without its server the load can only report that nothing answers.
            Err(error) => Err(cell.servers.ended().await.unwrap_or(error).into()),
        }
    }
}

impl Cell<'_> {
    async fn stages(&mut self, clients: usize) -> Result<Vec<Sample>, ChildError> {
        let plan = self.harness.plan;
        let log = plan.log(self.scenario);
        // Losses and the like of what is not measured count to the next sample.
        let mut aside = Aside::default();
        aside.add(&self.driver.run(Command::Rehearse).await?);
        if log > 0 {
            // Without clients, so nothing of it is lost.
            self.driver.run(Command::Fill { count: log }).await?;
        }
        let mut samples: Vec<Sample> = Vec::new();
        let (mut is_connected, mut is_warm) = (false, false);
        for stage in self.scenario.stages {
            let is_chosen = plan.has_stage(stage.name);
            if is_chosen && stage.work.needs_clients() {
                if !is_connected {
                    aside.add(&self.driver.run(Command::Connect).await?);
                }
                if !is_warm && !matches!(stage.work, Work::Watch(_)) {
                    let rate = plan.rate.max(10.0);
                    let warm_up = Command::Publish { rate, burst: 1, seconds: WARM_UP };
                    aside.add(&self.driver.run(warm_up).await?);
                    is_warm = true;
                }
            }
            if is_chosen {
                let mut sample = self.stage(stage, clients).await?;
                std::mem::take(&mut aside).count_to(&mut sample.load);
                samples.push(sample);
            }
            is_connected |= is_chosen;
        }
        aside.add(&self.driver.run(Command::Watch { seconds: LINGER }).await?);
        if let Some(last) = samples.last_mut() {
            aside.count_to(&mut last.load);
        }
        Ok(samples)
    }

    async fn stage(&mut self, stage: &Stage, clients: usize) -> Result<Sample, ChildError> {
        self.servers.wait_until_idle().await;
        let before = self.reading();
        let outcome = self.driver.run(self.harness.plan.command(stage.work)).await?;
        let end = self.reading();
        let is_watched = matches!(stage.work, Work::Watch(_));
        if !is_watched {
            // The server's part of the last deliveries and handshakes, such as a poll that is held now.
            self.servers.wait_until_idle().await;
        }
        let after = if is_watched { &end } else { &self.reading() };
        let since = |to: &Reading, of: fn(&Reading) -> Option<u64>| {
            Some(of(to)?.saturating_sub(of(&before)?))
        };
        // The stage ends with the outcome.
        let wall_ns = end.at.duration_since(before.at).as_nanos() as f64;
        let load_ns = since(&end, |r| r.load_ns);
        let servers_ns = since(&end, |r| Some(r.server_ns? + r.broker_ns.unwrap_or(0)));
        let ours = servers_ns
            .zip(load_ns)
            .map(|(servers, load)| servers + load + since(&end, |r| r.own_ns).unwrap_or(0));
        Ok(Sample {
            contender: self.contender.title.to_owned(),
            stage: stage.name.to_owned(),
            round: self.round,
            clients,
            load: outcome,
            server_cpu_ns: since(after, |r| r.server_ns),
            broker_cpu_ns: since(after, |r| r.broker_ns),
            pss_before: before.pss,
            pss_after: after.pss,
            load_busy: load_ns.map(|load_ns| load_ns as f64 / wall_ns),
            server_busy: servers_ns.map(|servers_ns| servers_ns as f64 / wall_ns),
            stolen: end.machine.stolen_since(&before.machine),
            others: ours.map(|ours| end.machine.others_since(&before.machine, ours)),
            throttled: end.throttled.saturating_sub(before.throttled),
            io_uring: self.servers.has_io_uring(),
        })
    }

    fn reading(&self) -> Reading {
        Reading {
            at: Instant::now(),
            server_ns: self.servers.cpu_ns(),
            broker_ns: self.servers.broker_cpu_ns(),
            load_ns: self.driver.process().and_then(|load| load.cpu_ns()),
            own_ns: Process::this().cpu_ns(),
            pss: self.servers.pss(),
            machine: MachineTime::now(),
            throttled: self.harness.cores.quota.throttled(),
        }
    }
}
