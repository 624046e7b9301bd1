//! Reasons to doubt a figure.

mod findings;
mod rounds;

use serde::{Deserialize, Serialize};

pub(crate) use self::findings::{CROWDED, STOLEN};
use self::findings::{Finding, of_sample, wide_spreads};
use crate::contender::Contender;
use crate::environment::slow_clock;
use crate::pin::Cores;
use crate::plan::Plan;
use crate::sample::Sample;
use crate::summary::Summary;

/// A reason to doubt figures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Warning {
    /// Its kind.
    pub kind: Doubt,
    /// A sentence for the reader of the report.
    pub text: String,
    /// The stages or rows that it concerns, if it does not concern the whole run.
    pub places: Vec<Place>,
}

/// A contender, and one of its stages or rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Place {
    /// The contender.
    pub transport: String,
    /// The stage, such as `steady`, or the key of a row, such as `steady.p99`.
    pub at: String,
}

/// The kind of a warning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Doubt {
    /// The load was busy.
    LoadBusy,
    /// The load was busy at saturation, or while many clients connected. One side must be the bottleneck then.
    SaturationLoadBusy,
    /// Neither side was busy at saturation.
    NotSaturated,
    /// At saturation, the load was busy in some rounds, and neither load nor server in others.
    LimitsDiffer,
    /// The hypervisor gave CPU time to other machines.
    Stolen,
    /// Other processes used the machine.
    Crowded,
    /// The CPU quota was used up.
    Throttled,
    /// Publishes were late.
    PublisherLate,
    /// The rounds disagree about a figure.
    WideSpread,
    /// Notifications were lost, duplicated or reordered.
    NotClean,
    /// Our server does not use io_uring, for which the targets are.
    NoIoUring,
    /// Each median is a single sample.
    OneRound,
    /// CPU time and memory of the server are not known.
    ServerUnknown,
    /// The server has served other clients before and reuses their memory.
    ServerNotFresh,
    /// Servers and load share the same cores.
    SharedCores,
    /// The clock is slow to read.
    SlowClock,
    /// The program is a debug build.
    DebugBuild,
    /// The baseline was measured, but none of the measured rows has a target.
    NoTargets,
    /// The run was ended before all rounds were measured.
    Interrupted,
}

impl Warning {
    /// A warning about the whole run.
    pub(crate) fn new(kind: Doubt, text: impl Into<String>) -> Self {
        Self { kind, text: text.into(), places: Vec::new() }
    }

    /// The warning of a run that was ended in this round.
    pub(crate) fn interrupted(round: usize, rounds: usize) -> Self {
        let text = format!(
            "interrupted in round {round} of {rounds}: the figures are of the measurements that were \
             finished"
        );
        Self::new(Doubt::Interrupted, text)
    }

    pub(crate) fn is_interruption(&self) -> bool {
        self.kind == Doubt::Interrupted
    }

    /// `true` if the warning concerns only some figures, which are marked with its number.
    pub(crate) fn is_marked(&self) -> bool {
        !self.places.is_empty() || matches!(self.kind, Doubt::ServerNotFresh | Doubt::SharedCores)
    }

    /// `true` if the warning concerns this figure of this contender. It is `false` for every figure if the warning
    /// concerns the whole run, such as that about a debug build.
    pub(crate) fn concerns(&self, transport: &str, key: &str) -> bool {
        let (stage, figure) = key.split_once('.').unwrap_or((key, ""));
        let is_latency = matches!(figure, "p50" | "p90" | "p99" | "max" | "answer");
        let is_timed = is_latency || matches!(figure, "rate" | "cpu" | "broker");
        let is_at = |at: &str| {
            self.places.iter().any(|place| place.transport == transport && place.at == at)
        };
        match self.kind {
            Doubt::LoadBusy | Doubt::PublisherLate => is_latency && is_at(stage),
            Doubt::SaturationLoadBusy | Doubt::NotSaturated | Doubt::LimitsDiffer => {
                figure == "rate" && is_at(stage)
            }
            Doubt::Stolen | Doubt::Crowded | Doubt::Throttled => is_timed && is_at(stage),
            Doubt::WideSpread => is_at(key),
            Doubt::NotClean => is_at(stage),
            Doubt::ServerNotFresh => figure == "memory",
            Doubt::SharedCores => is_latency || figure == "rate",
            _ => false,
        }
    }

    /// The warnings that do not depend on the figures.
    pub(crate) fn of_circumstances(plan: &Plan, cores: &Cores) -> Vec<Self> {
        let mut raised = Vec::new();
        let mut raise = |kind, text| raised.push(Self::new(kind, text));
        if cfg!(debug_assertions) {
            let text = "this is a debug build: every figure is several times too high";
            raise(Doubt::DebugBuild, text.to_owned());
        }
        if plan.workload.rounds == 1 {
            let text = "one round only: every median is a single sample (n = 1)";
            raise(Doubt::OneRound, text.to_owned());
        }
        if let Some(clock) = slow_clock() {
            let text = format!("the kernel's clock is {clock}, which is slow to read");
            raise(Doubt::SlowClock, text);
        }
        match &plan.running {
            Some(running) if running.pid.is_none() => {
                let text = "the CPU time and memory of the server are unknown: name its process with \
                            --pid, or omit --url so that compare starts its own servers";
                raise(Doubt::ServerUnknown, text.to_owned());
            }
            Some(_) => {
                let text = "the same server served all rounds and reuses the memory of earlier \
                            clients, so the memory per client is too low";
                raise(Doubt::ServerNotFresh, text.to_owned());
            }
            None if cores.server.is_none() => {
                let text = "servers and load shared the same cores: the CPU time per delivery is \
                            valid, latency and throughput are worse than with separate cores";
                raise(Doubt::SharedCores, text.to_owned());
            }
            None => {}
        }
        raised
    }

    /// The warnings that the figures cause.
    pub(crate) fn of(
        samples: &[Sample],
        summary: &Summary,
        contenders: &[&Contender],
    ) -> Vec<Self> {
        let has_rounds = samples.iter().any(|sample| sample.round > 1);
        let of_sample = |sample| of_sample(sample, has_rounds);
        let used = samples.iter().filter(|sample| !sample.is_left_out(samples));
        let mut findings = rounds::merge_limits(used.flat_map(of_sample).collect());
        findings.extend(wide_spreads(summary));
        findings.sort_by_key(|finding| finding.kind);
        let transports = summary.transports.iter();
        transports
            .filter_map(|transport| not_clean(transport, samples))
            .chain(no_io_uring(samples, contenders))
            .chain(findings.chunk_by(|a, b| a.kind == b.kind).filter_map(Finding::merged))
            .collect()
    }
}

fn not_clean(transport: &str, samples: &[Sample]) -> Option<Warning> {
    let mine = || samples.iter().filter(|sample| sample.contender == transport);
    if mine().all(Sample::is_clean) {
        return None;
    }
    let sum = |of: fn(&Sample) -> u64| mine().map(of).sum::<u64>();
    let (lost, twice) = (sum(|it| it.load.lost), sum(|it| it.load.duplicated));
    let reordered = sum(|it| it.load.reordered);
    let ending = mine().find_map(|sample| sample.load.first_ending.clone());
    let ending = ending
        .map_or(String::new(), |it| format!(", and the first lost connection ended because {it}"));
    let text =
        format!("{transport}: {lost} lost, {twice} duplicated, {reordered} reordered{ending}");
    let places = vec![Place::of(transport, "integrity")];
    Some(Warning { kind: Doubt::NotClean, text, places })
}

/// A warning if the baseline was measured and our server does not use io_uring although it may.
fn no_io_uring(samples: &[Sample], contenders: &[&Contender]) -> Option<Warning> {
    let has_targets = contenders.iter().any(|one| one.is_baseline());
    let has_none = |one: &&Contender| {
        let mut its = samples.iter().filter(|sample| sample.contender == one.title);
        one.may_use_io_uring() && its.any(|sample| sample.io_uring == Some(false))
    };
    (has_targets && contenders.iter().any(has_none)).then(|| {
        let text = "our server could not use io_uring, so all its figures are those of plain writes, \
                    and some targets are for io_uring";
        Warning::new(Doubt::NoIoUring, text)
    })
}

impl Place {
    fn of(transport: &str, at: &str) -> Self {
        Self { transport: transport.to_owned(), at: at.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Command;
    use crate::report::tests::{contenders, sample};
    use crate::scenario::Scenario;

    fn of(samples: &[Sample], summary: &Summary) -> Vec<Warning> {
        Warning::of(samples, summary, &contenders())
    }

    #[test]
    fn an_undisturbed_run_has_no_warnings() {
        let report = sample();
        assert_eq!(of(&report.samples, &report.summary), []);
    }

    #[test]
    fn a_doubt_is_reported_once_at_its_most_severe_place() {
        let mut report = sample();
        for (contender, stage, stolen) in [("WebSocket", "steady", 0.05), ("SSE", "burst", 0.31)] {
            let is_it = |it: &&mut Sample| it.contender == contender && it.stage == stage;
            report.samples.iter_mut().filter(is_it).for_each(|sample| sample.stolen = stolen);
        }
        let doubts = of(&report.samples, &report.summary);
        let [doubt] = &doubts[..] else { panic!("{doubts:?}") };
        let text = "SSE, burst, rounds 1, 2 and 3 (and 1 more): the host gave 31 % of the CPU time to other machines";
        assert_eq!(doubt.text, text);
    }

    #[test]
    fn a_disturbed_round_is_left_out_if_another_was_not_disturbed() {
        let mut report = sample();
        let is_it = |it: &Sample| it.contender == "SSE" && it.stage == "steady";
        let disturbed = report.samples.iter_mut().find(|it| is_it(it)).unwrap();
        disturbed.stolen = 0.3;
        disturbed.load.lost = 1;
        let plan = Plan::of("tidings".into(), Scenario::named("fan-out").unwrap());
        let summary = Summary::of(&report.samples, &contenders(), &plan);
        assert_eq!(summary.value("SSE", "steady.p99").unwrap().n, 2);
        assert_eq!(summary.value("SSE", "integrity.lost").unwrap().max, 1.0, "it is still a loss");
        let doubts = of(&report.samples, &summary);
        assert!(doubts.iter().all(|it| it.kind != Doubt::Stolen), "{doubts:?}");
        let all = report.samples.iter_mut().filter(|it| is_it(it));
        all.for_each(|sample| sample.stolen = 0.3);
        let summary = Summary::of(&report.samples, &contenders(), &plan);
        assert_eq!(summary.value("SSE", "steady.p99").unwrap().n, 3);
    }

    #[test]
    fn each_limit_causes_its_own_warning() {
        let raised = |stage: &str, change: fn(&mut Sample)| {
            let mut report = sample();
            let is_it = |it: &&mut Sample| it.contender == "WebSocket" && it.stage == stage;
            report.samples.iter_mut().filter(is_it).for_each(change);
            let doubts = of(&report.samples, &report.summary);
            assert_eq!(doubts.len(), 1, "{doubts:?}");
            doubts[0].text.clone()
        };
        assert!(raised("steady", |s| s.load_busy = Some(0.9)).contains("the load was 90 % busy"));
        let busy = raised("saturation", |s| s.load_busy = Some(1.0));
        assert!(busy.contains("can deliver more"), "{busy}");
        let connecting = raised("connect", |s| {
            s.command = Some(Command::Connect { at_once: 16, resumes: false });
            s.load_busy = Some(1.0);
        });
        assert!(connecting.contains("can accept more"), "{connecting}");
        let idle = raised("saturation", |s| s.server_busy = Some(0.5));
        assert!(idle.contains("50 % busy at most"), "{idle}");
        assert!(raised("burst", |s| s.others = Some(0.4)).contains("other processes"));
        let crowded = |s: &mut Sample| (s.server_busy, s.others) = (Some(0.5), Some(0.4));
        assert!(raised("saturation", crowded).contains("other processes"));
        assert!(raised("burst", |s| s.throttled = 12).contains("used up in 12 periods"));
        let late = |s: &mut Sample| s.load.late.as_mut().unwrap().p90 = 4_200.0;
        assert!(raised("steady", late).contains("4.2 ms late"));
        assert!(raised("steady", |s| s.load.lost = 3).contains("9 lost"));
    }

    #[test]
    fn a_server_that_fell_back_to_plain_writes_is_reported_if_the_baseline_is_there() {
        let samples = [Sample {
            contender: "WebSocket".to_owned(),
            io_uring: Some(false),
            ..Sample::default()
        }];
        let names =
            |names: &[&str]| no_io_uring(&samples, &crate::contender::chosen(names).unwrap());
        assert!(names(&["websocket", "baseline"]).is_some_and(|it| it.kind == Doubt::NoIoUring));
        assert_eq!(names(&["websocket"]), None);
    }
}
