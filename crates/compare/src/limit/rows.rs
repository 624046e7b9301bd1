//! THE list of rows: what the hub is held against, how it is run, what is divided, and the bar.
//!
//! A new row is one entry in [`ROWS`]. Rows that name equal runs share one measurement. The order of the list
//! is the order of the table and of the runs: neighbours are measured one behind the other.

use std::time::Duration;

use super::figure::Figure;
use super::run::{Load, Run, Server, Side, Transport, Work};
use super::verdict::Bar::{self, AtLeast, AtMost};
use crate::pin::Place;

/// One row of the table.
#[derive(Debug)]
pub(crate) struct Row {
    /// For programs, and for `--rows`.
    pub(crate) id: &'static str,
    /// For people; the group's heading above it says which figure.
    pub(crate) title: &'static str,
    pub(crate) figure: Figure,
    pub(crate) run: Run,
    /// What it stands beside.
    pub(crate) against: Option<Run>,
    pub(crate) judged: Judged,
    pub(crate) bar: Option<Bar>,
}

/// What is held against the bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judged {
    /// The run's figure divided by the one beside it, of the same round.
    Ratio,
    /// The run's figure itself.
    Value,
}

/// The hub as it is by default, but for its one core.
pub(crate) const HUB: Server =
    Server { side: Side::Hub, flags: &["--workers", "1"], place: Place::Hub };
/// The hub where the kernel has no io_uring for it.
pub(crate) const HUB_PLAIN: Server = Server { flags: &["--workers", "1", "--no-io-uring"], ..HUB };
/// One worker with all cores to choose from, as beside two.
const HUB_ONE: Server = Server { place: Place::Anywhere, ..HUB };
const HUB_TWO: Server = Server { flags: &["--workers", "2"], ..HUB_ONE };
/// One write a client and publish.
pub(crate) const LIMIT: Server = Server { side: Side::Limit, flags: &[], place: Place::Hub };
/// One write a client and pass of reads.
const LIMIT_BATCH: Server = Server { flags: &["--batch"], ..LIMIT };
const LIMIT_URING: Server = Server { flags: &["--io-uring"], ..LIMIT };

const TIME: Duration = Duration::from_secs(5);
/// Few publishes with one delivery each: longer, for as steady a figure.
const TOPICS_TIME: Duration = Duration::from_secs(10);
/// The hub's default between two heartbeats, 25 s, and the hundredth of it by which one may be late: so long
/// that each client has had exactly one.
const HEARTBEAT: Duration = Duration::from_millis(25_500);

const fn steady(transport: Transport, rate: u32, burst: u32) -> Load {
    Load { transport, clients: 1_000, work: Work::Steady { rate, burst, time: TIME } }
}

const fn saturated(transport: Transport, clients: usize, publishes: u32) -> Load {
    Load { transport, clients, work: Work::Saturate { publishes } }
}

const fn idle(transport: Transport, window: Duration) -> Load {
    Load { transport, clients: 10_000, work: Work::Idle { window } }
}

const WEBSOCKET: Load = steady(Transport::WebSocket, 40, 1);
const SSE: Load = steady(Transport::Sse, 40, 1);
const POLLS: Load = steady(Transport::LongPolling, 20, 1);
const POLLS_IN_BURSTS: Load = steady(Transport::LongPolling, 20, 10);
// A delivery in a batch is some 50 ns, and these are to take a second or more.
const WEBSOCKET_SATURATED: Load = saturated(Transport::WebSocket, 1_000, 20_000);
const SSE_SATURATED: Load = saturated(Transport::Sse, 1_000, 20_000);
// The same number of deliveries for both.
const MANY: Load = saturated(Transport::WebSocket, 15_000, 1_400);
const FEW: Load = saturated(Transport::WebSocket, 500, 42_000);
const HANDSHAKES: Load =
    Load { transport: Transport::WebSocket, clients: 2_000, work: Work::Connect };
const TOPICS: Load = Load {
    transport: Transport::WebSocket,
    clients: 10_000,
    work: Work::Topics { rate: 500, time: TOPICS_TIME },
};
const ONE_CLIENT: Load = Load {
    transport: Transport::WebSocket,
    clients: 1,
    work: Work::Steady { rate: 500, burst: 1, time: TOPICS_TIME },
};
const COMING_BACK: Load =
    Load { transport: Transport::Sse, clients: 1_000, work: Work::Resume { log: 100_000 } };
// What waits for each client, some 35 kB, has to fit into its socket, and all of it into what the kernel has for
// sockets: nobody reads.
const FLOOD: Load =
    Load { transport: Transport::WebSocket, clients: 10_000, work: Work::Flood { publishes: 200 } };

impl Row {
    const fn ratio(
        id: &'static str,
        title: &'static str,
        figure: Figure,
        [run, against]: [Run; 2],
        bar: Option<Bar>,
    ) -> Self {
        Self { id, title, figure, run, against: Some(against), judged: Judged::Ratio, bar }
    }

    const fn value(
        id: &'static str,
        title: &'static str,
        figure: Figure,
        run: Run,
        against: Option<Run>,
        bar: Bar,
    ) -> Self {
        Self { id, title, figure, run, against, judged: Judged::Value, bar: Some(bar) }
    }

    /// Its runs, in the order in which an odd round measures them.
    pub(crate) fn runs(&self) -> impl Iterator<Item = Run> {
        [Some(self.run), self.against].into_iter().flatten()
    }
}

/// All of them.
pub(crate) static ROWS: &[Row] = &[
    Row::ratio(
        "websocket.steady.plain",
        "WebSocket steady, plain writes",
        Figure::Delivery,
        [HUB_PLAIN.under(WEBSOCKET), LIMIT.under(WEBSOCKET)],
        Some(AtMost(1.03)),
    ),
    Row::ratio(
        "websocket.steady",
        "WebSocket steady",
        Figure::Delivery,
        [HUB.under(WEBSOCKET), LIMIT.under(WEBSOCKET)],
        Some(AtMost(0.85)),
    ),
    Row::ratio(
        "websocket.steady.limit",
        "io_uring limit, WebSocket",
        Figure::Delivery,
        [LIMIT_URING.under(WEBSOCKET), LIMIT.under(WEBSOCKET)],
        None,
    ),
    Row::ratio(
        "sse.steady.plain",
        "SSE steady, plain writes",
        Figure::Delivery,
        [HUB_PLAIN.under(SSE), LIMIT.under(SSE)],
        Some(AtMost(1.03)),
    ),
    Row::ratio(
        "sse.steady",
        "SSE steady",
        Figure::Delivery,
        [HUB.under(SSE), LIMIT.under(SSE)],
        Some(AtMost(0.85)),
    ),
    Row::ratio(
        "long-polling.steady",
        "long-polling steady",
        Figure::Delivery,
        [HUB.under(POLLS), LIMIT.under(POLLS)],
        Some(AtMost(1.15)),
    ),
    Row::ratio(
        "long-polling.burst",
        "long-polling in bursts of ten",
        Figure::Delivery,
        [HUB.under(POLLS_IN_BURSTS), LIMIT.under(POLLS_IN_BURSTS)],
        Some(AtMost(0.5)),
    ),
    Row::ratio(
        "websocket.saturated",
        "WebSocket saturated",
        Figure::Delivery,
        [HUB.under(WEBSOCKET_SATURATED), LIMIT_BATCH.under(WEBSOCKET_SATURATED)],
        Some(AtMost(1.25)),
    ),
    Row::ratio(
        "sse.saturated",
        "SSE saturated",
        Figure::Delivery,
        [HUB.under(SSE_SATURATED), LIMIT_BATCH.under(SSE_SATURATED)],
        Some(AtMost(1.25)),
    ),
    Row::ratio(
        "growth",
        "hub with 15,000, by 500",
        Figure::Delivery,
        [HUB.under(MANY), HUB.under(FEW)],
        Some(AtMost(1.25)),
    ),
    // What the machine's caches do to a bare loop.
    Row::ratio(
        "limit.many",
        "limit with 15,000, by 500",
        Figure::Delivery,
        [LIMIT_BATCH.under(MANY), LIMIT_BATCH.under(FEW)],
        None,
    ),
    Row::value(
        "resume",
        "SSE resumed from 100,000",
        Figure::Delivery,
        HUB.under(COMING_BACK),
        None,
        AtMost(0.3),
    ),
    Row::ratio(
        "topics",
        "10,000 topics, by one",
        Figure::Publish,
        [HUB.under(TOPICS), LIMIT.under(ONE_CLIENT)],
        Some(AtMost(1.3)),
    ),
    Row::ratio(
        "handshake",
        "WebSocket handshake",
        Figure::Connection,
        [HUB.under(HANDSHAKES), LIMIT.under(HANDSHAKES)],
        Some(AtMost(1.2)),
    ),
    Row::ratio(
        "websocket.p99",
        "WebSocket steady",
        Figure::P99,
        [HUB.under(WEBSOCKET), LIMIT.under(WEBSOCKET)],
        Some(AtMost(1.15)),
    ),
    Row::ratio(
        "sse.p99",
        "SSE steady",
        Figure::P99,
        [HUB.under(SSE), LIMIT.under(SSE)],
        Some(AtMost(1.15)),
    ),
    Row::value(
        "websocket.memory",
        "WebSocket, 10,000 clients",
        Figure::Memory,
        HUB.under(idle(Transport::WebSocket, HEARTBEAT)),
        Some(LIMIT.under(idle(Transport::WebSocket, Duration::ZERO))),
        AtMost(1024.0),
    ),
    Row::value(
        "sse.memory",
        "SSE, 10,000 clients",
        Figure::Memory,
        HUB.under(idle(Transport::Sse, HEARTBEAT)),
        Some(LIMIT.under(idle(Transport::Sse, Duration::ZERO))),
        AtMost(1024.0),
    ),
    Row::value(
        "long-polling.memory",
        "long-polling, 10,000 held",
        Figure::Memory,
        HUB.under(idle(Transport::LongPolling, Duration::ZERO)),
        Some(LIMIT.under(idle(Transport::LongPolling, Duration::ZERO))),
        AtMost(1024.0),
    ),
    Row::value(
        "websocket.heartbeats",
        "WebSocket, 10,000 clients",
        Figure::Heartbeats,
        HUB.under(idle(Transport::WebSocket, HEARTBEAT)),
        None,
        AtMost(0.5),
    ),
    Row::value(
        "sse.heartbeats",
        "SSE, 10,000 clients",
        Figure::Heartbeats,
        HUB.under(idle(Transport::Sse, HEARTBEAT)),
        None,
        AtMost(0.5),
    ),
    Row::ratio(
        "workers",
        "two workers, by one",
        Figure::FanOut,
        [HUB_TWO.under(FLOOD), HUB_ONE.under(FLOOD)],
        Some(AtLeast(1.7)),
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_id_is_given_twice() {
        let mut ids: Vec<&str> = ROWS.iter().map(|row| row.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), ROWS.len());
    }

    #[test]
    fn no_two_runs_have_the_same_name() {
        let runs: Vec<Run> = ROWS.iter().flat_map(Row::runs).collect();
        for (one, other) in runs.iter().flat_map(|one| runs.iter().map(move |other| (one, other))) {
            assert_eq!(one == other, one.to_string() == other.to_string(), "{one}");
        }
    }

    #[test]
    fn a_figure_s_rows_stand_together_below_one_heading() {
        let mut figures: Vec<Figure> = ROWS.iter().map(|row| row.figure).collect();
        figures.dedup();
        let headings = figures.len();
        figures.sort_unstable();
        figures.dedup();
        assert_eq!(figures.len(), headings);
    }

    #[test]
    fn a_ratio_has_something_to_be_divided_by() {
        for row in ROWS.iter().filter(|row| row.judged == Judged::Ratio) {
            assert!(row.against.is_some_and(|against| against != row.run), "{}", row.id);
        }
    }

    #[test]
    fn latency_and_cpu_of_the_steady_rows_come_from_the_same_runs() {
        let named = |id: &str| ROWS.iter().find(|row| row.id == id).unwrap();
        for transport in ["websocket", "sse"] {
            let cpu = named(&format!("{transport}.steady"));
            let p99 = named(&format!("{transport}.p99"));
            assert_eq!((cpu.run, cpu.against), (p99.run, p99.against));
            let memory = named(&format!("{transport}.memory"));
            assert_eq!(memory.run, named(&format!("{transport}.heartbeats")).run);
        }
    }

    #[test]
    fn a_growing_crowd_is_measured_over_as_many_deliveries_as_the_small_one() {
        let deliveries = |load: Load| match load.work {
            Work::Saturate { publishes } => load.clients * publishes as usize,
            _ => 0,
        };
        assert_eq!(deliveries(MANY), deliveries(FEW));
        assert!(deliveries(MANY) > 0);
    }
}
