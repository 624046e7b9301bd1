//! One run: a fresh server, its load, and the counters before and behind.

use std::time::{Duration, Instant};

use super::load::LoadProgram;
use super::programs::Programs;
use super::run::{Run, Work};
use super::sample::{Sample, Window};
use crate::child::ChildError;
use crate::connect::at_rest;
use crate::hub::Hub;
use crate::pin::Cores;
use crate::proc::{MachineTime, Process};
use crate::quota::Quota;

/// How often to look whether the server works while nobody reads.
const LOOK: Duration = Duration::from_millis(1);
/// A server that has done next to nothing for so long has nothing more to do.
const QUIET: Duration = Duration::from_millis(50);
/// Next to nothing: a hundredth of a core. Less would be a timer's turn.
const NOTHING_NS: u64 = 500_000;
/// A server that is never quiet is not waited for longer.
const NEVER_QUIET: Duration = Duration::from_secs(60);

/// What runs are measured with.
#[derive(Debug)]
pub(crate) struct Bench<'a> {
    pub(crate) programs: &'a Programs,
    pub(crate) cores: &'a Cores,
}

/// The counters at one instant.
struct Reading {
    at: Instant,
    server_ns: Option<u64>,
    load_ns: Option<u64>,
    own_ns: Option<u64>,
    machine: MachineTime,
    throttled: u64,
}

/// Until when a server worked while nobody read.
#[derive(Clone, Copy, Debug)]
struct FanOut {
    wall_ns: u64,
    server_ns: u64,
}

impl Bench<'_> {
    /// Measures one run.
    pub(crate) async fn measure(&self, run: &Run, round: usize) -> Result<Sample, ChildError> {
        let program = self.programs.server(run);
        let place = run.server.place;
        let mut server = Hub::spawn(&program.path, &program.args, self.cores, place).await?;
        match self.drive(&server, run, round).await {
            Ok(sample) => {
                server.stop().await;
                Ok(sample)
            }
            // A load whose server is gone can only tell that nobody answers.
            Err(error) => Err(server.ended("the load was done").await.unwrap_or(error)),
        }
    }

    async fn drive(&self, server: &Hub, run: &Run, round: usize) -> Result<Sample, ChildError> {
        let mut load =
            LoadProgram::ready(&self.programs.load, run, &server.url, self.cores).await?;
        let of_server = server.process.as_ref();
        let of_load = load.process();
        let server_cpu_ns = || of_server.and_then(Process::cpu_ns);
        at_rest(server_cpu_ns).await;

        let pss = || of_server.and_then(Process::pss);
        let pss_before = pss();
        let before = Reading::now(of_server, of_load.as_ref(), &self.cores.quota);
        load.go().await?;
        let mut fan_out = None;
        if let Work::Flood { .. } = run.load.work {
            fan_out = fan_out_of(of_server, before.at, before.server_ns, &mut load).await?;
            load.read().await?;
        }
        let figures = load.figures().await?;
        let after = Reading::now(of_server, of_load.as_ref(), &self.cores.quota);

        let mut window = None;
        if let Work::Idle { window: time } = run.load.work {
            at_rest(server_cpu_ns).await;
            window = Some(time).filter(|time| !time.is_zero());
        }
        let pss_after = pss();
        let window = match window {
            Some(time) => Some(watch(of_server, time).await),
            None => None,
        };
        let io_uring = of_server.and_then(Process::has_io_uring);
        // One that has ended meanwhile has told of clients that were no longer there.
        load.dismiss().await?;

        let spent_ns = since(before.server_ns, after.server_ns);
        let behind = fan_out.zip(spent_ns).filter(|(_, all)| *all > 0);
        Ok(Sample {
            run: run.to_string(),
            round,
            clients: run.load.clients,
            server_cpu_ns: spent_ns,
            pss_before,
            pss_after,
            window,
            fan_out_ns: fan_out.map(|fan_out| fan_out.wall_ns),
            behind_fan_out: behind
                .map(|(fan_out, all)| all.saturating_sub(fan_out.server_ns) as f64 / all as f64),
            io_uring,
            load_busy: self.load_busy(&before, &after),
            stolen: after.machine.stolen_since(&before.machine),
            others: after.others(&before),
            throttled: after.throttled - before.throttled,
            load: figures,
        })
    }

    fn load_busy(&self, before: &Reading, after: &Reading) -> Option<f64> {
        let cpu_ns = since(before.load_ns, after.load_ns)?;
        let wall_ns = after.at.duration_since(before.at).as_nanos() as f64;
        Some(cpu_ns as f64 / (wall_ns * self.cores.of_load()))
    }
}

impl Reading {
    fn now(server: Option<&Process>, load: Option<&Process>, quota: &Quota) -> Self {
        Self {
            at: Instant::now(),
            server_ns: server.and_then(Process::cpu_ns),
            load_ns: load.and_then(Process::cpu_ns),
            own_ns: Process::this().cpu_ns(),
            machine: MachineTime::now(),
            throttled: quota.throttled(),
        }
    }

    /// What processes that are not ours took since then.
    fn others(&self, before: &Self) -> Option<f64> {
        let ours = since(before.server_ns, self.server_ns)?
            + since(before.load_ns, self.load_ns)?
            + since(before.own_ns, self.own_ns)?;
        Some(self.machine.others_since(&before.machine, ours))
    }
}

/// Watches a server that fans out while nobody reads, until everything is published and it has become quiet.
/// `None` where its CPU time is not known, or where it never was quiet.
async fn fan_out_of(
    server: Option<&Process>,
    began: Instant,
    at_first: Option<u64>,
    load: &mut LoadProgram,
) -> Result<Option<FanOut>, ChildError> {
    let published = load.published();
    tokio::pin!(published);
    let mut published_at = None;
    let (mut grown_at, mut grown_to) = (began, at_first);
    loop {
        tokio::select! {
            done = &mut published, if published_at.is_none() => {
                done?;
                published_at = Some(Instant::now());
            }
            () = tokio::time::sleep(LOOK) => {}
        }
        let now = Instant::now();
        let cpu = server.and_then(Process::cpu_ns);
        if since(grown_to, cpu).is_some_and(|grown| grown > NOTHING_NS) {
            (grown_at, grown_to) = (now, cpu);
        }
        let Some(published_at) = published_at else { continue };
        if now.duration_since(grown_at.max(published_at)) >= QUIET {
            let wall_ns = grown_at.duration_since(began).as_nanos() as u64;
            let spent = since(at_first, grown_to).filter(|spent| *spent > 0);
            return Ok(spent.map(|server_ns| FanOut { wall_ns, server_ns }));
        }
        if now.duration_since(published_at) > NEVER_QUIET {
            return Ok(None);
        }
    }
}

async fn watch(server: Option<&Process>, time: Duration) -> Window {
    let (began, before) = (Instant::now(), server.and_then(Process::cpu_ns));
    tokio::time::sleep(time).await;
    let after = server.and_then(Process::cpu_ns);
    Window { wall_ns: began.elapsed().as_nanos() as u64, server_cpu_ns: since(before, after) }
}

fn since(before: Option<u64>, after: Option<u64>) -> Option<u64> {
    Some(after?.saturating_sub(before?))
}
