//! The publishing side: an open loop that keeps to its schedule whatever the hub does, and a closed one
//! that goes as fast as everybody receives.

use std::sync::Arc;
use std::time::Duration;

use hdrhistogram::Histogram;
use tidings_core::Kind;
use tidings_transport::client::{ClientError, ConnectPublisher, Publish, Target};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::clock;
use crate::receive::Board;
use crate::record::{Latency, histogram};
use crate::schedule::Schedule;
use crate::stamp::Stamp;

/// How long a server may take for one connection or one publish.
const PATIENCE: Duration = Duration::from_secs(30);

/// Time between the decision to start and the first intended send, so that nobody is late from the start.
const RUN_UP: Duration = Duration::from_millis(10);

/// Everything that publishes: some connections, each with one notification on the way at a time.
#[derive(Debug)]
pub(crate) struct Workload {
    lanes: Vec<Lane>,
    payload: usize,
}

#[derive(Debug)]
struct Lane {
    publisher: Box<dyn Publish>,
    index: u16,
    next: u32,
}

/// What was published in one regime.
#[derive(Debug)]
pub(crate) struct Published {
    /// How many notifications.
    pub(crate) count: u64,
    /// The first intended send.
    pub(crate) start_ns: u64,
    /// How long the schedule took; 0 without one.
    pub(crate) schedule_ns: u64,
    /// How late the sends began.
    pub(crate) late: Option<Latency>,
    /// From the intended send to the server's answer.
    pub(crate) answered: Option<Latency>,
}

/// How the sends of one lane went, or of all of them.
#[derive(Debug)]
struct Times {
    late: Histogram<u64>,
    answered: Histogram<u64>,
}

type Sent = Result<(Lane, Times), ClientError>;

impl Workload {
    /// Connects so many publishers.
    pub(crate) async fn connect(
        connect: ConnectPublisher,
        target: Target,
        publishers: usize,
        payload: usize,
    ) -> Result<Self, ClientError> {
        let mut lanes = Vec::with_capacity(publishers);
        for index in 0..publishers {
            let publisher = answered(connect(target.clone())).await?;
            lanes.push(Lane { publisher, index: index as u16, next: 0 });
        }
        Ok(Self { lanes, payload })
    }

    /// How many each lane has published.
    pub(crate) fn sent(&self) -> Vec<u32> {
        self.lanes.iter().map(|lane| lane.next).collect()
    }

    /// Publishes `count` that no board counts.
    pub(crate) async fn rehearse(&mut self, count: usize) -> Result<(), ClientError> {
        let payload = ".".repeat(self.payload);
        for at in 0..count {
            let lane = at % self.lanes.len();
            let publisher = &mut self.lanes[lane].publisher;
            answered(publisher.publish(Kind::Text, payload.clone().into())).await?;
        }
        Ok(())
    }

    /// Publishes on schedule, round robin, so that a slow answer on one lane holds back no other.
    pub(crate) async fn open_loop(
        &mut self,
        board: &Arc<Board>,
        regime: u8,
        schedule: Schedule,
    ) -> Result<Published, ClientError> {
        let lanes = std::mem::take(&mut self.lanes);
        let most = schedule.len().div_ceil(lanes.len()).max(1);
        let start_ns = clock::now_ns() + RUN_UP.as_nanos() as u64;
        let (mut running, mut queues) = (JoinSet::new(), Vec::with_capacity(lanes.len()));
        for lane in lanes {
            let (queue, due) = mpsc::channel(most);
            queues.push(queue);
            running.spawn(lane.on_schedule(due, board.clone(), regime, self.payload));
        }
        pace(schedule, start_ns, queues);
        let times = self.gather(running).await?;
        let (count, schedule_ns) = (schedule.len() as u64, schedule.nanoseconds());
        let (late, answered) = (Latency::of(&times.late), Latency::of(&times.answered));
        Ok(Published { count, start_ns, schedule_ns, late, answered })
    }

    /// Publishes for so long; each lane sends its next one when every client has its last.
    pub(crate) async fn closed_loop(
        &mut self,
        board: &Arc<Board>,
        regime: u8,
        time: Duration,
        patience: Duration,
    ) -> Result<Published, ClientError> {
        let before: u64 = self.sent().iter().copied().map(u64::from).sum();
        let start_ns = clock::now_ns();
        let end_ns = start_ns + time.as_nanos() as u64;
        let mut running = JoinSet::new();
        for lane in std::mem::take(&mut self.lanes) {
            running.spawn(lane.flat_out(board.clone(), regime, self.payload, end_ns, patience));
        }
        self.gather(running).await?;
        let count = self.sent().iter().copied().map(u64::from).sum::<u64>() - before;
        Ok(Published { count, start_ns, schedule_ns: 0, late: None, answered: None })
    }

    async fn gather(&mut self, mut running: JoinSet<Sent>) -> Result<Times, ClientError> {
        let mut all = Times::default();
        while let Some(ended) = running.join_next().await {
            let (lane, times) = match ended {
                Ok(sent) => sent?,
                Err(panic) => std::panic::resume_unwind(panic.into_panic()),
            };
            all.add(&times);
            self.lanes.push(lane);
        }
        self.lanes.sort_unstable_by_key(|lane| lane.index);
        Ok(all)
    }
}

impl Default for Times {
    fn default() -> Self {
        Self { late: histogram(), answered: histogram() }
    }
}

impl Times {
    fn add(&mut self, other: &Self) {
        for (all, more) in [(&mut self.late, &other.late), (&mut self.answered, &other.answered)] {
            all.add(more).expect("the bounds are the same");
        }
    }
}

/// Hands out each instant when it comes, from a thread of its own: neither a busy runtime nor the
/// granularity of its timers moves the schedule.
fn pace(schedule: Schedule, start_ns: u64, queues: Vec<mpsc::Sender<u64>>) {
    let pacer = move || {
        for (at, offset) in schedule.instants().enumerate() {
            let intended_ns = start_ns + offset;
            clock::sleep_until(intended_ns);
            // A queue has room for all that its lane will ever get; a lane that failed is told elsewhere.
            if queues[at % queues.len()].try_send(intended_ns).is_err() {
                return;
            }
        }
    };
    std::thread::Builder::new()
        .name("pacer".into())
        .spawn(pacer)
        .expect("the system has room for one more thread");
}

impl Lane {
    async fn on_schedule(
        mut self,
        mut due: mpsc::Receiver<u64>,
        board: Arc<Board>,
        regime: u8,
        size: usize,
    ) -> Sent {
        let mut times = Times::default();
        let since = |intended_ns| clock::now_ns().saturating_sub(intended_ns);
        while let Some(intended_ns) = due.recv().await {
            times.late.saturating_record(since(intended_ns));
            self.publish(&board, regime, size, intended_ns).await?;
            times.answered.saturating_record(since(intended_ns));
        }
        Ok((self, times))
    }

    async fn flat_out(
        mut self,
        board: Arc<Board>,
        regime: u8,
        size: usize,
        end_ns: u64,
        patience: Duration,
    ) -> Sent {
        while clock::now_ns() < end_ns {
            let everybody = board.lane(self.index);
            everybody.reset();
            self.publish(&board, regime, size, clock::now_ns()).await?;
            if !everybody.wait_for(board.clients() as u64, patience).await {
                break;
            }
        }
        Ok((self, Times::default()))
    }

    async fn publish(
        &mut self,
        board: &Board,
        regime: u8,
        size: usize,
        intended_ns: u64,
    ) -> Result<(), ClientError> {
        let stamp = Stamp { run: board.run, regime, lane: self.index, seq: self.next, intended_ns };
        // Counted before the answer: what the hub took and could not confirm may still arrive.
        self.next += 1;
        answered(self.publisher.publish(Kind::Text, stamp.payload(size))).await
    }
}

/// Waits for a server for a bounded time, also through a client that has no limit of its own.
async fn answered<T>(
    answer: impl Future<Output = Result<T, ClientError>>,
) -> Result<T, ClientError> {
    let silent =
        |_| ClientError::TimedOut { waited_for: "a publish to be answered", after: PATIENCE };
    tokio::time::timeout(PATIENCE, answer).await.map_err(silent)?
}
