//! Reasons to doubt a figure, said out loud.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::record::{Cell, Measured};
use crate::schedule::Regime;
use crate::summary::Summary;

/// Above this part of its cores' time, the load process is what is measured.
const BUSY: f64 = 0.85;
/// Above this part of stolen time, figures are somebody else's too.
const STOLEN: f64 = 0.02;
/// Above this distance of the quartiles, as a part of the median, a figure is not settled.
const WIDE: f64 = 0.15;
/// Publishers later than this, and than a tenth of the latency, blur it.
const LATE_US: f64 = 1_000.0;

/// A doubt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Warning {
    /// The load process had next to nothing left to give.
    LoadBusy {
        /// The transport.
        transport: String,
        /// The regime.
        regime: Regime,
        /// The part of its cores' time that it used, in the worst round.
        busy: f64,
    },
    /// The hypervisor gave CPU time to somebody else.
    Stolen {
        /// The transport.
        transport: String,
        /// The regime.
        regime: Regime,
        /// The part of all CPU time, in the worst round.
        stolen: f64,
    },
    /// The rounds do not agree.
    WideSpread {
        /// The transport.
        transport: String,
        /// The figure.
        figure: String,
        /// The distance of the quartiles as a part of the median.
        relative_iqr: f64,
    },
    /// Sends began late, so that part of the latency is the load's own.
    PublisherLate {
        /// The transport.
        transport: String,
        /// The regime.
        regime: Regime,
        /// Microseconds that 1 % of the sends were late by, in the worst round.
        p99_us: f64,
    },
    /// Some publishes were not delivered to everybody, or more than once, or out of order.
    NotClean {
        /// The transport.
        transport: String,
        /// Not delivered.
        lost: u64,
        /// More than once.
        duplicated: u64,
        /// Out of order.
        reordered: u64,
        /// How the first connection that ended early ended.
        first_ending: Option<String>,
    },
    /// Medians of one.
    OneRound,
    /// CPU and memory of the hub are not known.
    HubUnknown,
    /// Hub and load take turns on the same cores.
    SharedCores,
    /// Reading the clock is slow here.
    SlowClock {
        /// The kernel's name of it.
        source: String,
    },
    /// Not optimised.
    DebugBuild,
}

impl Warning {
    /// The doubts that the figures themselves raise.
    pub(crate) fn of(cells: &[Cell], summary: &Summary) -> Vec<Self> {
        let mut doubts = Vec::new();
        for transport in &summary.transports {
            let mine = || cells.iter().filter(|cell| cell.transport == *transport);
            doubts.extend(not_clean(transport, mine()));
            for regime in Regime::ALL {
                let measured: Vec<&Measured> = mine().map(|cell| cell.regime(regime)).collect();
                doubts.extend(in_regime(transport, regime, &measured));
            }
        }
        for row in summary.rows.iter().filter(|row| row.telling) {
            for (transport, spread) in summary.transports.iter().zip(&row.values) {
                if let Some(spread) = spread.filter(|spread| spread.relative_iqr > WIDE) {
                    doubts.push(Self::WideSpread {
                        transport: transport.clone(),
                        figure: format!("{}, {}", row.group.to_lowercase(), row.label),
                        relative_iqr: spread.relative_iqr,
                    });
                }
            }
        }
        doubts
    }
}

fn not_clean<'a>(transport: &str, cells: impl Iterator<Item = &'a Cell>) -> Option<Warning> {
    let (mut all, mut first_ending) = (crate::Integrity::default(), None);
    for cell in cells {
        all.add(cell.integrity);
        first_ending = first_ending.or_else(|| cell.first_ending.clone());
    }
    (!all.is_clean()).then(|| Warning::NotClean {
        transport: transport.to_owned(),
        lost: all.lost,
        duplicated: all.duplicated,
        reordered: all.reordered,
        first_ending,
    })
}

fn in_regime(transport: &str, regime: Regime, rounds: &[&Measured]) -> Vec<Warning> {
    let worst = |of: &dyn Fn(&Measured) -> f64| rounds.iter().map(|m| of(m)).fold(0.0, f64::max);
    let transport = || transport.to_owned();
    let mut doubts = Vec::new();

    let busy = worst(&|m| m.load_busy);
    if busy >= BUSY {
        doubts.push(Warning::LoadBusy { transport: transport(), regime, busy });
    }
    let stolen = worst(&|m| m.stolen);
    if stolen > STOLEN {
        doubts.push(Warning::Stolen { transport: transport(), regime, stolen });
    }
    let p99_us = worst(&|m| match (&m.late, &m.latency) {
        (Some(late), Some(latency)) if late.p99 > latency.p99 / 10.0 => late.p99,
        _ => 0.0,
    });
    if p99_us > LATE_US {
        doubts.push(Warning::PublisherLate { transport: transport(), regime, p99_us });
    }
    doubts
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |part: &f64| format!("{:.0} %", part * 100.0);
        match self {
            Self::LoadBusy { transport, regime: Regime::Saturation, busy } => write!(
                f,
                "{transport}, saturation: the load side was {} busy, so the hub could do more than \
                 these deliveries a second; CPU a delivery holds",
                percent(busy)
            ),
            Self::LoadBusy { transport, regime, busy } => write!(
                f,
                "{transport}, {}: the load side was {} busy, so its latencies are partly the \
                 receivers' own: lower --rate or --clients",
                regime.name(),
                percent(busy)
            ),
            Self::Stolen { transport, regime, stolen } => write!(
                f,
                "{transport}, {}: {:.1} % of the CPU time was taken by others on this machine's host",
                regime.name(),
                stolen * 100.0
            ),
            Self::WideSpread { transport, figure, relative_iqr } => write!(
                f,
                "{transport}, {figure}: the rounds differ by {} of the median: run it again on a \
                 machine at rest, or with more --rounds",
                percent(relative_iqr)
            ),
            Self::PublisherLate { transport, regime, p99_us } => write!(
                f,
                "{transport}, {}: one send in a hundred began {:.1} ms late or more; the latencies \
                 count from the intended time and include it",
                regime.name(),
                p99_us / 1e3
            ),
            Self::NotClean { transport, lost, duplicated, reordered, first_ending } => {
                write!(
                    f,
                    "{transport}: {lost} lost, {duplicated} duplicated, {reordered} reordered"
                )?;
                match first_ending {
                    Some(ending) => write!(f, "; the first connection ended with: {ending}"),
                    None => Ok(()),
                }
            }
            Self::OneRound => {
                f.write_str("one round only: every median is a single sample (n = 1)")
            }
            Self::HubUnknown => f.write_str(
                "the hub's process is not known, so there are no figures of its CPU and memory: \
                 name it with --pid, or let the comparison start its own",
            ),
            Self::SharedCores => f.write_str(
                "hub and load shared the same cores: CPU a delivery holds, latency and throughput \
                 are lower on their own",
            ),
            Self::SlowClock { source } => {
                write!(f, "the kernel's clock is {source}, which is slow to read")
            }
            Self::DebugBuild => {
                f.write_str("this is a debug build: every figure is several times too high")
            }
        }
    }
}
