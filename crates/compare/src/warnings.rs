//! Reasons to doubt a figure.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::contender::{Contender, Family};
use crate::run::has_our_server;
use crate::sample::Sample;
use crate::stats::Spread;
use crate::summary::Summary;

/// Above this part of its core's time the load is what is measured.
const BUSY: f64 = 0.85;
/// Above this part of stolen time the figures are also those of other machines.
const STOLEN: f64 = 0.02;
/// Above this distance of the quartiles, as a part of the median, a figure is not settled.
const WIDE: f64 = 0.15;
/// Publishers that are later than this, and than a tenth of the latency, blur it.
const LATE_US: f64 = 1_000.0;
/// Other processes may use this part of all cores' time. The kernel's own ticks are as coarse.
const CROWDED: f64 = 0.10;

/// Where a doubt is worst, and how many places it concerns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Worst {
    /// The contender.
    pub transport: String,
    /// The stage.
    pub stage: String,
    /// The value of the worst round.
    pub value: f64,
    /// How many other stages, of this contender or others, it concerns as well.
    pub further: usize,
    /// All of them, this one included.
    pub places: Vec<Place>,
}

/// A contender, and one of its stages or rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The contender.
    pub transport: String,
    /// The stage, such as `steady`, or the key of a row, such as `steady.p99`.
    pub at: String,
}

/// A doubt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Warning {
    /// The load was busy: the part of its core's time that it used.
    LoadBusy(Worst),
    /// The load was busy at saturation, where one side has to be the bottleneck.
    SaturationLoadBusy(Worst),
    /// The hypervisor gave CPU time to other machines: the part of all CPU time.
    Stolen(Worst),
    /// Other processes of this machine were at work: the part of all CPU time.
    Crowded(Worst),
    /// The CPU quota was used up: in how many periods of the scheduler.
    Throttled(Worst),
    /// Publishes were late: microseconds that one in ten was late by.
    PublisherLate(Worst),
    /// The rounds do not agree on a figure.
    WideSpread {
        /// The contender.
        transport: String,
        /// The figure.
        figure: String,
        /// The distance of the quartiles as a part of the median.
        relative_iqr: f64,
        /// How many other figures, of this contender or others, spread too widely as well.
        further: usize,
        /// All of them by their keys, this one included.
        places: Vec<Place>,
    },
    /// Some notifications were not received, or more than once, or out of order.
    NotClean {
        /// The contender.
        transport: String,
        /// Not received.
        lost: u64,
        /// Received more than once.
        duplicated: u64,
        /// Received out of order.
        reordered: u64,
        /// Why the first of the lost connections ended.
        first_ending: Option<String>,
    },
    /// Our server has no io_uring, and targets are about it.
    NoIoUring,
    /// Each median is a single sample.
    OneRound,
    /// CPU time and memory of the server are not known.
    ServerUnknown,
    /// The server has served others before, and uses their memory again.
    ServerNotFresh,
    /// Servers and load take turns on the same cores.
    SharedCores,
    /// The clock is slow to read.
    SlowClock {
        /// The kernel's name of it.
        source: String,
    },
    /// The program is not optimised.
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

    /// Returns `true` if the warning casts a doubt on this figure of this contender. A warning about the whole run, such
    /// as a debug build, concerns no figure more than the others and returns `false` for each.
    pub(crate) fn concerns(&self, transport: &str, key: &str) -> bool {
        let (stage, figure) = key.split_once('.').unwrap_or((key, ""));
        let is_latency = matches!(figure, "p50" | "p90" | "p99" | "p999" | "max" | "answer");
        let is_timed = is_latency || matches!(figure, "rate" | "cpu" | "broker");
        let among = |places: &[Place], at: &str| {
            places.iter().any(|place| place.transport == transport && place.at == at)
        };
        match self {
            Self::LoadBusy(worst) | Self::PublisherLate(worst) => {
                is_latency && among(&worst.places, stage)
            }
            Self::SaturationLoadBusy(worst) => figure == "rate" && among(&worst.places, stage),
            Self::Stolen(worst) | Self::Crowded(worst) | Self::Throttled(worst) => {
                is_timed && among(&worst.places, stage)
            }
            Self::WideSpread { places, .. } => among(places, key),
            Self::NotClean { transport: unclean, .. } => {
                unclean == transport && stage == "integrity"
            }
            Self::ServerNotFresh => figure == "memory",
            Self::SharedCores => is_latency || figure == "rate",
            _ => false,
        }
    }

    /// Returns the doubts that the figures raise.
    pub(crate) fn of(
        samples: &[Sample],
        summary: &Summary,
        contenders: &[&Contender],
    ) -> Vec<Self> {
        let mut doubts: Vec<Self> = summary
            .transports
            .iter()
            .filter_map(|transport| not_clean(transport, samples))
            .collect();
        doubts.extend(no_io_uring(samples, contenders));
        doubts.extend(in_stages(samples));
        doubts.extend(wide_spread(summary));
        doubts
    }
}

fn not_clean(transport: &str, samples: &[Sample]) -> Option<Warning> {
    let mine = || samples.iter().filter(|sample| sample.contender == transport);
    if mine().all(Sample::is_clean) {
        return None;
    }
    Some(Warning::NotClean {
        transport: transport.to_owned(),
        lost: mine().map(|sample| sample.lost).sum(),
        duplicated: mine().map(|sample| sample.duplicated).sum(),
        reordered: mine().map(|sample| sample.reordered).sum(),
        first_ending: mine().find_map(|sample| sample.first_ending.clone()),
    })
}

/// Returns the doubt if the baseline was measured and our server, which may use io_uring, does not.
fn no_io_uring(samples: &[Sample], contenders: &[&Contender]) -> Option<Warning> {
    let has_targets = contenders.iter().any(|one| one.family == Family::Baseline);
    let is_asked = |one: &&&Contender| has_our_server(one) && one.family != Family::Plain;
    let has_none = |one: &Contender| {
        samples.iter().any(|it| it.contender == one.title && it.io_uring == Some(false))
    };
    let found = has_targets && contenders.iter().filter(is_asked).any(|one| has_none(one));
    found.then_some(Warning::NoIoUring)
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

fn in_stages(samples: &[Sample]) -> Vec<Warning> {
    let is_saturation = |sample: &Sample| matches!(sample.stage.as_str(), "saturation" | "many");
    let busy = |sample: &Sample| sample.load_busy.unwrap_or(0.0);
    let late = |sample: &Sample| match (&sample.late, &sample.latency) {
        (Some(late), Some(latency)) if late.p90 > latency.p90 / 10.0 => late.p90,
        _ => 0.0,
    };
    let worst = |limit: f64, of: &dyn Fn(&Sample) -> f64| worst(samples, limit, of);
    let timed_busy = |sample: &Sample| if sample.latency.is_some() { busy(sample) } else { 0.0 };
    let saturated_busy = |sample: &Sample| if is_saturation(sample) { busy(sample) } else { 0.0 };
    [
        worst(BUSY, &timed_busy).map(Warning::LoadBusy),
        worst(BUSY, &saturated_busy).map(Warning::SaturationLoadBusy),
        worst(STOLEN, &|sample| sample.stolen).map(Warning::Stolen),
        worst(CROWDED, &|sample| sample.others.unwrap_or(0.0)).map(Warning::Crowded),
        worst(0.0, &|sample| sample.throttled as f64).map(Warning::Throttled),
        worst(LATE_US, &late).map(Warning::PublisherLate),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Returns the worst sample above the limit, and all stages that have one.
fn worst(samples: &[Sample], limit: f64, of: &dyn Fn(&Sample) -> f64) -> Option<Worst> {
    let above = || samples.iter().filter(|sample| of(sample) > limit);
    let worst = above().max_by(|a, b| of(a).total_cmp(&of(b)))?;
    let mut places: Vec<Place> = Vec::new();
    for place in above().map(|sample| Place::of(&sample.contender, &sample.stage)) {
        if !places.contains(&place) {
            places.push(place);
        }
    }
    let (transport, stage) = (worst.contender.clone(), worst.stage.clone());
    Some(Worst { transport, stage, value: of(worst), further: places.len() - 1, places })
}

impl Place {
    pub(crate) fn of(transport: &str, at: &str) -> Self {
        Self { transport: transport.to_owned(), at: at.to_owned() }
    }
}

impl fmt::Display for Worst {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { transport, stage, further, .. } = self;
        write!(f, "{transport}, {stage}")?;
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
                "{worst}: the load was {} busy, so latencies are partly its own: use a lower --rate or \
                 fewer --clients",
                percent(&worst.value)
            ),
            Self::SaturationLoadBusy(worst) => write!(
                f,
                "{worst}: the load was {} busy, so the server could deliver more a second; the CPU time \
                 of a delivery holds",
                percent(&worst.value)
            ),
            Self::Stolen(worst) => write!(
                f,
                "{worst}: the host gave {} of the CPU time to other machines",
                percent(&worst.value)
            ),
            Self::Crowded(worst) => write!(
                f,
                "{worst}: other processes took {} of the CPU time: run it again on a machine at rest",
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
                "our server had no io_uring here, so all its figures are of plain writes, and some \
                 targets are about io_uring",
            ),
            Self::OneRound => {
                f.write_str("one round only: every median is a single sample (n = 1)")
            }
            Self::ServerUnknown => f.write_str(
                "the server's process is not known, so there are no figures of its CPU and memory: \
                 name it with --pid, or let the comparison start its own",
            ),
            Self::ServerNotFresh => f.write_str(
                "the same server served every round and uses the memory of earlier clients again, so \
                 the memory of a client is too low",
            ),
            Self::SharedCores => f.write_str(
                "servers and load shared the same cores: the CPU time of a delivery holds, latency and \
                 throughput are worse than with a core for each",
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
    use crate::report::tests::{contenders, sample};

    fn of(samples: &[Sample], summary: &Summary) -> Vec<Warning> {
        Warning::of(samples, summary, &contenders())
    }

    #[test]
    fn a_calm_run_raises_no_doubts() {
        let report = sample();
        assert_eq!(of(&report.samples, &report.summary), []);
    }

    #[test]
    fn a_doubt_is_reported_once_where_it_is_worst() {
        let mut report = sample();
        for (contender, stage, stolen) in [("websocket", "steady", 0.05), ("sse", "burst", 0.31)] {
            let is_it = |it: &&mut Sample| it.contender == contender && it.stage == stage;
            report.samples.iter_mut().find(is_it).unwrap().stolen = stolen;
        }
        let doubts = of(&report.samples, &report.summary);
        let [doubt] = &doubts[..] else { panic!("{doubts:?}") };
        let text = "sse, burst (and 1 more): the host gave 31 % of the CPU time to other machines";
        assert_eq!(doubt.to_string(), text);
    }

    #[test]
    fn each_limit_raises_its_own_doubt() {
        let raised = |stage: &str, change: fn(&mut Sample)| {
            let mut report = sample();
            change(report.samples.iter_mut().find(|sample| sample.stage == stage).unwrap());
            let doubts = of(&report.samples, &report.summary);
            assert_eq!(doubts.len(), 1, "{doubts:?}");
            doubts[0].to_string()
        };
        assert!(raised("steady", |s| s.load_busy = Some(0.9)).contains("the load was 90 % busy"));
        let busy = raised("saturation", |s| s.load_busy = Some(1.0));
        assert!(busy.contains("could deliver more"), "{busy}");
        assert!(raised("burst", |s| s.others = Some(0.4)).contains("other processes"));
        assert!(raised("burst", |s| s.throttled = 12).contains("used up in 12 periods"));
        let late = |s: &mut Sample| s.late.as_mut().unwrap().p90 = 4_200.0;
        assert!(raised("steady", late).contains("4.2 ms late"));
        assert!(raised("steady", |s| s.lost = 3).contains("3 lost"));
    }

    #[test]
    fn a_server_that_fell_back_to_plain_writes_is_reported_if_the_baseline_is_there() {
        let samples = [Sample {
            contender: "websocket".to_owned(),
            io_uring: Some(false),
            ..Sample::default()
        }];
        let names = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
            no_io_uring(&samples, &crate::contender::chosen(&names).unwrap())
        };
        assert_eq!(names(&["websocket", "baseline"]), Some(Warning::NoIoUring));
        assert_eq!(names(&["websocket"]), None);
    }
}
