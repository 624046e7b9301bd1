//! One cell: one contender in one round, from a fresh server to its figures.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use tidings_transport::client::{ClientError, ConnectOptions, Meter, Target};
use tokio::task::JoinSet;

use crate::RunError;
use crate::clock;
use crate::connect::{self, Crowd};
use crate::contender::Contender;
use crate::pin::Cores;
use crate::plan::Plan;
use crate::proc::{MachineTime, Process};
use crate::progress::Progress;
use crate::receive::{Board, WARM_UP, index};
use crate::record::{Cell, Connect, Idle, Measured};
use crate::schedule::{Regime, Schedule};
use crate::servers::{Servers, StartError};
use crate::workload::{Published, Workload};

/// How long the warm-up publishes: caches, allocators and branch predictors of both sides are then
/// those of a server that has been running.
const WARM_UP_TIME: Duration = Duration::from_millis(250);

/// What a cell is measured with.
pub(crate) struct Bench<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) cores: &'a Cores,
    pub(crate) progress: &'a Progress,
}

/// Everything one cell has running.
struct Stage<'a> {
    bench: &'a Bench<'a>,
    contender: &'a Contender,
    servers: Servers,
    workload: Workload,
    board: Arc<Board>,
    meter: Arc<Meter>,
}

/// The counters at one instant.
struct Reading {
    at: Instant,
    server_cpu_ns: Option<u64>,
    engine_cpu_ns: Option<u64>,
    own_cpu_ns: Option<u64>,
    machine: MachineTime,
    throttled: u64,
    received: u64,
    sent: u64,
    requests: u64,
}

impl Bench<'_> {
    /// Measures one contender in one round; `Err` holds the words of an engine that could not be started.
    pub(crate) async fn measure(
        &self,
        contender: &Contender,
        round: usize,
    ) -> Result<Result<Cell, String>, RunError> {
        self.progress.say(contender.title, round, self.plan.rounds, "connecting");
        match Servers::start(&contender.server, &self.plan.hub, self.cores).await {
            Ok(servers) => self.measure_at(servers, contender, round).await.map(Ok),
            Err(StartError::Missing(problem)) => Ok(Err(problem)),
            Err(StartError::Run(error)) => Err(error),
        }
    }

    async fn measure_at(
        &self,
        servers: Servers,
        contender: &Contender,
        round: usize,
    ) -> Result<Cell, RunError> {
        let plan = self.plan;
        let run = getrandom::u32().unwrap_or_else(|_| clock::now_ns() as u32);
        let urls = connect::topics(servers.urls(), run)?;
        let publishing = |source| RunError::Publish { transport: contender.title, source };
        let options = plan.hub.options();
        let publishing_to = Target { options: options.clone(), ..Target::new(urls[0].clone()) };
        let workload =
            Workload::connect(contender.publisher, publishing_to, plan.publishers, plan.payload);
        let mut workload = workload.await.map_err(publishing)?;
        connect::rehearse(contender, &urls, &options, &mut workload).await?;

        let board = Arc::new(Board::new(run, plan.clients, plan.publishers));
        let meter = Arc::new(Meter::default());
        let mut stage = Stage { bench: self, contender, servers, workload, board, meter };
        let (connect, idle, mut readers) = stage.connect(&urls, &options).await?;
        self.progress.step();

        stage.warm_up().await.map_err(publishing)?;
        let mut figures = Vec::with_capacity(Regime::ALL.len());
        for regime in Regime::ALL {
            self.progress.say(contender.title, round, plan.rounds, regime.name());
            figures.push(stage.regime(regime).await.map_err(publishing)?);
            self.progress.step();
        }
        readers.shutdown().await;
        let integrity = stage.board.verdict(&stage.workload.sent());
        let first_ending = stage.board.first_ending();
        // First those that would try to come back.
        drop(stage.workload);
        stage.servers.stop().await;

        let [steady, burst, saturation] =
            <[Measured; 3]>::try_from(figures).expect("one for each regime");
        Ok(Cell {
            transport: contender.title.to_owned(),
            round,
            connect,
            idle,
            steady,
            burst,
            saturation,
            integrity,
            first_ending,
        })
    }
}

impl Stage<'_> {
    async fn connect(
        &mut self,
        urls: &[url::Url],
        options: &Arc<ConnectOptions>,
    ) -> Result<(Connect, Option<Idle>, JoinSet<()>), RunError> {
        let clients = self.board.clients();
        self.at_rest().await;
        let pss_before = self.servers.pss();
        let before = self.reading();
        let crowd = Crowd { contender: self.contender, urls, options, meter: &self.meter, clients };
        let mut readers = JoinSet::new();
        let mut at = 0;
        crowd
            .connect(|arrivals| {
                let (board, client) = (self.board.clone(), at);
                at += 1;
                readers.spawn(async move { board.read(client, arrivals).await });
            })
            .await?;
        let seconds = before.at.elapsed().as_secs_f64();
        self.at_rest().await;
        let after = self.reading();
        let connect = Connect {
            clients,
            seconds,
            server_cpu_ns: since(before.server_cpu_ns, after.server_cpu_ns),
            received_bytes: after.received - before.received,
            sent_bytes: after.sent - before.sent,
        };
        let pss_after = self.servers.pss();
        let idle =
            pss_before.zip(pss_after).map(|(pss_before, pss_after)| Idle { pss_before, pss_after });
        Ok((connect, idle, readers))
    }

    async fn warm_up(&mut self) -> Result<(), ClientError> {
        let plan = self.bench.plan;
        let schedule = Schedule::steady(plan.rate, WARM_UP_TIME);
        let published = self.workload.open_loop(&self.board, WARM_UP, schedule).await?;
        self.drained(WARM_UP, &published).await;
        Ok(())
    }

    async fn regime(&mut self, regime: Regime) -> Result<Measured, ClientError> {
        let plan = self.bench.plan;
        let index = index(regime);
        self.at_rest().await;
        let before = self.reading();
        let (work, board) = (&mut self.workload, &self.board);
        let published = match regime {
            Regime::Steady => {
                work.open_loop(board, index, Schedule::steady(plan.rate, plan.steady)).await
            }
            Regime::Burst => {
                work.open_loop(board, index, Schedule::burst(plan.rate, plan.burst)).await
            }
            Regime::Saturation => {
                work.closed_loop(board, index, plan.saturation, plan.patience).await
            }
        }?;
        self.drained(index, &published).await;
        let after = self.reading();

        let tally = self.board.tally(index);
        let wall_ns = after.at.duration_since(before.at).as_nanos() as f64;
        let own_cpu_ns = since(before.own_cpu_ns, after.own_cpu_ns).unwrap_or(0);
        let server_cpu_ns = since(before.server_cpu_ns, after.server_cpu_ns);
        let engine_cpu_ns = since(before.engine_cpu_ns, after.engine_cpu_ns);
        let ours = |server_ns| server_ns + engine_cpu_ns.unwrap_or(0) + own_cpu_ns;
        let others = |server_ns| after.machine.others_since(&before.machine, ours(server_ns));
        let ns = tally.last_ns().saturating_sub(published.start_ns).max(published.schedule_ns);
        Ok(Measured {
            published: published.count,
            deliveries: tally.deliveries(),
            seconds: ns as f64 / 1e9,
            server_cpu_ns,
            engine_cpu_ns,
            load_busy: own_cpu_ns as f64 / (wall_ns * self.bench.cores.of_load()),
            stolen: after.machine.stolen_since(&before.machine),
            others: server_cpu_ns.map(others),
            throttled: after.throttled - before.throttled,
            received_bytes: after.received - before.received,
            sent_bytes: after.sent - before.sent,
            requests: after.requests - before.requests,
            latency: tally.latency(),
            late: published.late,
            answered: published.answered,
        })
    }

    /// Waits until everybody has everything, or patience ends: what is missing then is lost.
    async fn drained(&self, regime: u8, published: &Published) {
        let expected = published.count * self.board.clients() as u64;
        let tally = self.board.tally(regime);
        if !tally.wait_for(expected, self.bench.plan.patience).await {
            let name = self.contender.title;
            let missing = expected.saturating_sub(tally.deliveries());
            self.bench.progress.note(&format!("{name}: {missing} of {expected} never arrived"));
        }
    }

    async fn at_rest(&self) {
        connect::at_rest(|| self.servers.all_cpu_ns()).await;
    }

    fn reading(&self) -> Reading {
        Reading {
            at: Instant::now(),
            server_cpu_ns: self.servers.cpu_ns(),
            engine_cpu_ns: self.servers.below_cpu_ns(),
            own_cpu_ns: Process::this().cpu_ns(),
            machine: MachineTime::now(),
            throttled: self.bench.cores.quota.throttled(),
            received: self.meter.received.load(Relaxed),
            sent: self.meter.sent.load(Relaxed),
            requests: self.meter.requests.load(Relaxed),
        }
    }
}

fn since(before: Option<u64>, after: Option<u64>) -> Option<u64> {
    Some(after?.saturating_sub(before?))
}
