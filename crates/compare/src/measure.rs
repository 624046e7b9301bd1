//! One cell: one transport in one round, from a fresh hub to its figures.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use tidings_transport::client::{Client, ClientError, Meter};
use tokio::task::JoinSet;

use crate::RunError;
use crate::clock;
use crate::connect::{self, Crowd};
use crate::hub::Hub;
use crate::pin::Cores;
use crate::plan::Plan;
use crate::proc::{MachineTime, Process};
use crate::progress::Progress;
use crate::receive::{Board, WARM_UP, index};
use crate::record::{Cell, Connect, Idle, Measured};
use crate::schedule::{Regime, Schedule};
use crate::workload::{Published, Workload};

/// How long the warm-up publishes: caches, allocators and branch predictors of both sides are then
/// those of a hub that has been running.
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
    transport: &'static str,
    hub: Hub,
    workload: Workload,
    board: Arc<Board>,
    meter: Arc<Meter>,
}

/// The counters at one instant.
struct Reading {
    at: Instant,
    hub_cpu_ns: Option<u64>,
    own_cpu_ns: Option<u64>,
    machine: MachineTime,
    received: u64,
    sent: u64,
    requests: u64,
}

impl Bench<'_> {
    /// Measures one transport in one round.
    pub(crate) async fn measure(
        &self,
        client: &Arc<dyn Client>,
        round: usize,
    ) -> Result<Cell, RunError> {
        let plan = self.plan;
        let transport = client.transport();
        let say = |step| self.progress.say(transport, round, plan.rounds, step);

        say("connecting");
        let hub = Hub::start(&plan.hub, self.cores).await?;
        let run = getrandom::u32().unwrap_or_else(|_| clock::now_ns() as u32);
        let url = connect::topic(&hub.url, run)?;
        let publishing = |source| RunError::Publish { transport, source };
        let mut workload =
            Workload::connect(&url, plan.publishers, plan.payload).await.map_err(publishing)?;
        connect::rehearse(client, &url, &mut workload).await?;

        let board = Arc::new(Board::new(run, plan.clients, plan.publishers));
        let meter = Arc::new(Meter::default());
        let mut stage = Stage { bench: self, transport, hub, workload, board, meter };
        let (connect, idle, mut readers) = stage.connect(client, &url).await?;
        self.progress.step();

        stage.warm_up().await.map_err(publishing)?;
        let mut figures = Vec::with_capacity(Regime::ALL.len());
        for regime in Regime::ALL {
            say(regime.name());
            figures.push(stage.regime(regime).await.map_err(publishing)?);
            self.progress.step();
        }
        readers.shutdown().await;
        let integrity = stage.board.verdict(&stage.workload.sent());
        let first_ending = stage.board.first_ending();
        stage.hub.stop().await;

        let [steady, burst, saturation] =
            <[Measured; 3]>::try_from(figures).expect("one for each regime");
        let transport = transport.to_owned();
        Ok(Cell {
            transport,
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
        client: &Arc<dyn Client>,
        url: &url::Url,
    ) -> Result<(Connect, Option<Idle>, JoinSet<()>), RunError> {
        let clients = self.board.clients();
        connect::at_rest(self.hub.process.as_ref()).await;
        let pss_before = self.hub.process.as_ref().and_then(Process::pss);
        let before = self.reading();
        let crowd = Crowd { client, url, meter: &self.meter, clients };
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
        connect::at_rest(self.hub.process.as_ref()).await;
        let after = self.reading();
        let connect = Connect {
            clients,
            seconds,
            hub_cpu_ns: since(before.hub_cpu_ns, after.hub_cpu_ns),
            received_bytes: after.received - before.received,
            sent_bytes: after.sent - before.sent,
        };
        let pss_after = self.hub.process.as_ref().and_then(Process::pss);
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
        connect::at_rest(self.hub.process.as_ref()).await;
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
        let hub_cpu_ns = since(before.hub_cpu_ns, after.hub_cpu_ns);
        let others = |hub_ns| after.machine.others_since(&before.machine, hub_ns + own_cpu_ns);
        let ns = tally.last_ns().saturating_sub(published.start_ns).max(published.schedule_ns);
        Ok(Measured {
            published: published.count,
            deliveries: tally.deliveries(),
            seconds: ns as f64 / 1e9,
            hub_cpu_ns,
            load_busy: own_cpu_ns as f64 / (wall_ns * self.bench.cores.of_load() as f64),
            stolen: after.machine.stolen_since(&before.machine),
            others: hub_cpu_ns.map(others),
            received_bytes: after.received - before.received,
            sent_bytes: after.sent - before.sent,
            requests: after.requests - before.requests,
            latency: tally.latency(),
            late: published.late,
        })
    }

    /// Waits until everybody has everything, or patience ends: what is missing then is lost.
    async fn drained(&self, regime: u8, published: &Published) {
        let expected = published.count * self.board.clients() as u64;
        let tally = self.board.tally(regime);
        if !tally.wait_for(expected, self.bench.plan.patience).await {
            let name = self.transport;
            let missing = expected.saturating_sub(tally.deliveries());
            self.bench.progress.note(&format!("{name}: {missing} of {expected} never arrived"));
        }
    }

    fn reading(&self) -> Reading {
        Reading {
            at: Instant::now(),
            hub_cpu_ns: self.hub.process.as_ref().and_then(Process::cpu_ns),
            own_cpu_ns: Process::this().cpu_ns(),
            machine: MachineTime::now(),
            received: self.meter.received.load(Relaxed),
            sent: self.meter.sent.load(Relaxed),
            requests: self.meter.requests.load(Relaxed),
        }
    }
}

fn since(before: Option<u64>, after: Option<u64>) -> Option<u64> {
    Some(after?.saturating_sub(before?))
}
