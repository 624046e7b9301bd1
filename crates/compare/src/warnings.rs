//! Reasons to doubt a figure, said out loud.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::record::{Cell, Measured};
use crate::schedule::Regime;
use crate::stats::Spread;
use crate::summary::Summary;

/// Above this part of its cores' time, the load process is what is measured.
pub(crate) const BUSY: f64 = 0.85;
/// Above this part of stolen time, figures are somebody else's too.
pub(crate) const STOLEN: f64 = 0.02;
/// Above this distance of the quartiles, as a part of the median, a figure is not settled.
const WIDE: f64 = 0.15;
/// Publishers later than this, and than a tenth of the latency, blur it.
const LATE_US: f64 = 1_000.0;

/// Others on this machine may take this part of all cores' time; the kernel's own ticks are as coarse.
pub(crate) const CROWDED: f64 = 0.10;

/// Where a doubt is worst, and how widespread it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Worst {
    /// The transport; against the limit, the server.
    pub transport: String,
    /// The regime; against the limit, what the load was asked for.
    pub regime: String,
    /// What was measured there, in the worst round.
    pub value: f64,
    /// In how many other regimes, of this transport or others, it is too much as well.
    pub further: usize,
    /// All of them, this one included.
    #[serde(default)]
    pub places: Vec<Place>,
}

/// A transport, and a regime or a figure of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The transport; against the limit, the server.
    pub transport: String,
    /// The regime, such as `steady`; the key of a figure, such as `steady.p99`; against the limit, the load.
    pub at: String,
}

/// A doubt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Warning {
    /// The load process had next to nothing left to give: the part of its cores' time it used.
    LoadBusy(Worst),
    /// So at saturation, where one side has to be the bottleneck.
    SaturationLoadBusy(Worst),
    /// The hypervisor gave CPU time to somebody else: the part of all CPU time.
    Stolen(Worst),
    /// Other processes of this machine were at work: the part of all CPU time.
    Crowded(Worst),
    /// Clients that do not read had no room for everything: the part of the server's CPU time that came
    /// behind the wall time of its fan-out.
    FanOutBehind(Worst),
    /// The CPU quota was used up: in how many periods of the scheduler.
    Throttled(Worst),
    /// Sends began late: microseconds that one in ten was late by.
    PublisherLate(Worst),
    /// The rounds do not agree on a figure, this one least of all.
    WideSpread {
        /// The transport.
        transport: String,
        /// The figure.
        figure: String,
        /// The distance of the quartiles as a part of the median.
        relative_iqr: f64,
        /// How many other figures, of this transport or others, spread too wide as well.
        further: usize,
        /// All of them by their keys, this one included.
        #[serde(default)]
        places: Vec<Place>,
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
    /// The kernel refuses io_uring, or has none.
    NoIoUring,
    /// The bars are about greater numbers.
    SmallNumbers,
    /// Medians of one.
    OneRound,
    /// CPU and memory of the hub are not known.
    HubUnknown,
    /// The hub has served others before, and uses their memory again.
    HubNotFresh,
    /// Hub and load take turns on the same cores.
    SharedCores,
    /// Reading the clock is slow here.
    SlowClock {
        /// The kernel's name of it.
        source: String,
    },
    /// Not optimised.
    DebugBuild,
    /// The run was ended before all rounds were measured.
    Interrupted {
        /// The round in which it was ended.
        round: usize,
        /// How many rounds were planned.
        rounds: usize,
    },
}

impl Warning {
    /// Returns `true` if the run was ended before all rounds were measured.
    pub(crate) fn is_interruption(&self) -> bool {
        matches!(self, Self::Interrupted { .. })
    }

    /// Returns `true` if the warning casts a doubt on this figure of this transport. One about the whole run, such
    /// as a debug build, concerns no figure more than the others and returns `false` for each.
    pub(crate) fn concerns(&self, transport: &str, key: &str) -> bool {
        let (regime, figure) = key.split_once('.').unwrap_or((key, ""));
        let is_latency = matches!(figure, "p50" | "p90" | "p99" | "p999" | "max")
            || figure.starts_with("answer.");
        let is_timed = is_latency || matches!(figure, "rate" | "cpu" | "engine");
        let among = |places: &[Place], at: &str| {
            places.iter().any(|place| place.transport == transport && place.at == at)
        };
        match self {
            Self::LoadBusy(worst) | Self::PublisherLate(worst) => {
                is_latency && among(&worst.places, regime)
            }
            Self::SaturationLoadBusy(worst) => figure == "rate" && among(&worst.places, regime),
            Self::Stolen(worst) | Self::Crowded(worst) | Self::Throttled(worst) => {
                is_timed && among(&worst.places, regime)
            }
            Self::WideSpread { places, .. } => among(places, key),
            Self::NotClean { transport: unclean, .. } => {
                unclean == transport && regime == "integrity"
            }
            Self::HubNotFresh => key == "idle.memory",
            Self::SharedCores => is_latency || figure == "rate",
            _ => false,
        }
    }

    /// Returns `true` if the warning casts a doubt on this run of the comparison against the limit.
    pub(crate) fn concerns_run(&self, run: &str) -> bool {
        match self {
            Self::LoadBusy(worst)
            | Self::Stolen(worst)
            | Self::Crowded(worst)
            | Self::Throttled(worst)
            | Self::FanOutBehind(worst) => worst.places.iter().any(|place| {
                run.split_once(" under ") == Some((place.transport.as_str(), place.at.as_str()))
            }),
            _ => false,
        }
    }

    /// The doubts that the figures themselves raise.
    pub(crate) fn of(cells: &[Cell], summary: &Summary) -> Vec<Self> {
        let mut doubts = Vec::new();
        for transport in &summary.transports {
            let mine = || cells.iter().filter(|cell| cell.transport == *transport);
            doubts.extend(not_clean(transport, mine()));
        }
        doubts.extend(in_regimes(cells, summary));
        doubts.extend(wide_spread(summary));
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

fn wide_spread(summary: &Summary) -> Option<Warning> {
    let telling = summary.rows.iter().filter(|row| row.telling);
    let all = telling.flat_map(|row| {
        let values = summary.transports.iter().zip(&row.values);
        values.filter_map(move |(transport, spread)| Some((row, transport, (*spread)?)))
    });
    let wide: Vec<_> = all.filter(|(_, _, spread)| spread.relative_iqr > WIDE).collect();
    let iqr = |(_, _, spread): &(_, _, Spread)| spread.relative_iqr;
    let (row, transport, spread) = wide.iter().max_by(|a, b| iqr(a).total_cmp(&iqr(b)))?;
    Some(Warning::WideSpread {
        transport: (*transport).clone(),
        figure: format!("{}, {}", row.group.to_lowercase(), row.title()),
        relative_iqr: spread.relative_iqr,
        further: wide.len() - 1,
        places: wide.iter().map(|(row, transport, _)| Place::of(transport, &row.key)).collect(),
    })
}

fn in_regimes(cells: &[Cell], summary: &Summary) -> Vec<Warning> {
    let open = &[Regime::Steady, Regime::Burst][..];
    let late = |m: &Measured| match (&m.late, &m.latency) {
        (Some(late), Some(latency)) if late.p90 > latency.p90 / 10.0 => late.p90,
        _ => 0.0,
    };
    let worst = |regimes: &[Regime], limit: f64, of: &dyn Fn(&Measured) -> f64| {
        let mut found: Vec<Worst> = Vec::new();
        for (transport, regime) in
            summary.transports.iter().flat_map(|t| regimes.iter().map(move |regime| (t, *regime)))
        {
            let mine = cells.iter().filter(|cell| cell.transport == *transport);
            let value = mine.map(|cell| of(cell.regime(regime))).fold(0.0, f64::max);
            if value > limit {
                found.push(Worst {
                    transport: transport.clone(),
                    regime: regime.name().to_owned(),
                    value,
                    further: 0,
                    places: Vec::new(),
                });
            }
        }
        let further = found.len().saturating_sub(1);
        let places = found.iter().map(|one| Place::of(&one.transport, &one.regime)).collect();
        let worst = found.into_iter().max_by(|a, b| a.value.total_cmp(&b.value));
        worst.map(|worst| Worst { further, places, ..worst })
    };
    [
        worst(open, BUSY, &|m| m.load_busy).map(Warning::LoadBusy),
        worst(&[Regime::Saturation], BUSY, &|m| m.load_busy).map(Warning::SaturationLoadBusy),
        worst(&Regime::ALL, STOLEN, &|m| m.stolen).map(Warning::Stolen),
        worst(&Regime::ALL, CROWDED, &|m| m.others.unwrap_or(0.0)).map(Warning::Crowded),
        worst(&Regime::ALL, 0.0, &|m| m.throttled as f64).map(Warning::Throttled),
        worst(open, LATE_US, &late).map(Warning::PublisherLate),
    ]
    .into_iter()
    .flatten()
    .collect()
}

impl Place {
    pub(crate) fn of(transport: &str, at: &str) -> Self {
        Self { transport: transport.to_owned(), at: at.to_owned() }
    }
}

impl fmt::Display for Worst {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { transport, regime, further, .. } = self;
        write!(f, "{transport}, {regime}")?;
        match further {
            0 => Ok(()),
            further => write!(f, " (and {further} more)"),
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percent = |part: &f64| format!("{:.0} %", part * 100.0);
        match self {
            Self::LoadBusy(worst) => write!(
                f,
                "{worst}: the load side was {} busy, so latencies are partly the receivers' own: a \
                 lower rate or fewer clients show less of them",
                percent(&worst.value)
            ),
            Self::SaturationLoadBusy(worst) => write!(
                f,
                "{worst}: the load side was {} busy, so the server could do more than these deliveries a \
                 second; CPU a delivery holds",
                percent(&worst.value)
            ),
            Self::Stolen(worst) => write!(
                f,
                "{worst}: {} of the CPU time was taken by others on this machine's host",
                percent(&worst.value)
            ),
            Self::Crowded(worst) => write!(
                f,
                "{worst}: other processes took {} of the CPU time: run it again on a machine at rest",
                percent(&worst.value)
            ),
            Self::FanOutBehind(worst) => write!(
                f,
                "{worst}: {} of the CPU time came when the clients read at last, so the time of the \
                 fan-out is not that of all deliveries",
                percent(&worst.value)
            ),
            Self::Throttled(worst) => write!(
                f,
                "{worst}: the CPU quota was used up in {:.0} periods of the scheduler, so the figures show \
                 the quota: raise it, or lower the rate",
                worst.value
            ),
            Self::PublisherLate(worst) => write!(
                f,
                "{worst}: one send in ten began {:.1} ms late or more; the latencies count from the \
                 intended time and include it",
                worst.value / 1e3
            ),
            Self::WideSpread { transport, figure, relative_iqr, further, .. } => {
                write!(f, "{transport}, {figure}")?;
                if *further > 0 {
                    write!(f, " (and {further} more)")?;
                }
                write!(
                    f,
                    ": the rounds differ by {} of the median: run it again on a machine at rest, or \
                     with more --rounds",
                    percent(relative_iqr)
                )
            }
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
            Self::NoIoUring => f.write_str(
                "the hub had no io_uring here, so its rows are all of plain writes, and the bars of \
                 some are about io_uring",
            ),
            Self::SmallNumbers => f.write_str(
                "small numbers (--quick): it works, and the bars are about greater ones",
            ),
            Self::OneRound => {
                f.write_str("one round only: every median is a single sample (n = 1)")
            }
            Self::HubUnknown => f.write_str(
                "the hub's process is not known, so there are no figures of its CPU and memory: \
                 name it with --pid, or let the comparison start its own",
            ),
            Self::HubNotFresh => f.write_str(
                "the same hub served every round: it uses the memory of earlier clients again, so \
                 memory a client reads too low",
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
            Self::Interrupted { round, rounds } => write!(
                f,
                "interrupted in round {round} of {rounds}: the figures are of the measurements that were \
                 finished"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::sample;

    #[test]
    fn a_calm_run_raises_no_doubts() {
        let report = sample();
        assert_eq!(Warning::of(&report.cells, &report.summary), []);
    }

    #[test]
    fn a_doubt_is_told_once_where_it_is_worst() {
        let mut report = sample();
        report.cells[0].steady.stolen = 0.05;
        report.cells[4].burst.stolen = 0.31;
        let doubts = Warning::of(&report.cells, &report.summary);
        let [doubt] = &doubts[..] else { panic!("{doubts:?}") };
        let told = "sse, burst (and 1 more): 31 % of the CPU time was taken by others on this \
                    machine's host";
        assert_eq!(doubt.to_string(), told);
    }

    #[test]
    fn each_limit_raises_its_own_doubt() {
        let raised = |change: fn(&mut Cell)| {
            let mut report = sample();
            change(&mut report.cells[0]);
            let doubts = Warning::of(&report.cells, &report.summary);
            assert_eq!(doubts.len(), 1, "{doubts:?}");
            doubts[0].to_string()
        };
        assert!(raised(|c| c.steady.load_busy = 0.9).contains("the load side was 90 % busy"));
        assert!(raised(|c| c.saturation.load_busy = 1.0).contains("the server could do more"));
        assert!(raised(|c| c.burst.others = Some(0.4)).contains("other processes"));
        assert!(raised(|c| c.burst.throttled = 12).contains("used up in 12 periods"));
        let late = |c: &mut Cell| c.steady.late.as_mut().unwrap().p90 = 4_200.0;
        assert!(raised(late).contains("4.2 ms late"));
    }
}
