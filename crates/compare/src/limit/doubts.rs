//! Reasons to doubt the table that the samples themselves raise.

use super::figure::Figure;
use super::plan::LimitPlan;
use super::rows::Row;
use super::run::Run;
use super::sample::Sample;
use crate::warnings::{BUSY, CROWDED, Place, STOLEN, Warning, Worst};

/// Above this part of a fan-out's CPU time that came when reading had begun, its wall time is not that of all the
/// work: the sockets were full.
const BEHIND: f64 = 0.1;

pub(crate) fn of(plan: &LimitPlan, samples: &[Sample]) -> Vec<Warning> {
    let worst = |limit: f64, of: &dyn Fn(&Sample) -> Option<f64>| worst(samples, limit, of);
    // Only where latency is judged does a busy load matter: CPU time holds.
    let timed = runs(plan, |row, _| row.figure == Figure::P99);
    let wants_ring = runs(plan, |_, run| run.server.wants_io_uring());
    let has_none =
        |sample: &Sample| sample.io_uring == Some(false) && wants_ring.contains(&sample.run);
    let circumstances = [
        plan.quick.then_some(Warning::SmallNumbers),
        samples.iter().any(has_none).then_some(Warning::NoIoUring),
    ];
    let doubts = [
        worst(BUSY, &|sample| sample.load_busy.filter(|_| timed.contains(&sample.run)))
            .map(Warning::LoadBusy),
        worst(STOLEN, &|sample| Some(sample.stolen)).map(Warning::Stolen),
        worst(CROWDED, &|sample| sample.others).map(Warning::Crowded),
        worst(0.0, &|sample| Some(sample.throttled as f64)).map(Warning::Throttled),
        worst(BEHIND, &|sample| sample.behind_fan_out).map(Warning::FanOutBehind),
    ];
    circumstances.into_iter().chain(doubts).flatten().collect()
}

/// The names of the runs of which that holds.
fn runs(plan: &LimitPlan, holds: fn(&Row, &Run) -> bool) -> Vec<String> {
    let rows = plan.chosen().into_iter();
    let runs = rows.flat_map(|row| row.runs().filter(move |run| holds(row, run)));
    runs.map(|run| plan.sized(run).to_string()).collect()
}

fn worst(samples: &[Sample], limit: f64, of: &dyn Fn(&Sample) -> Option<f64>) -> Option<Worst> {
    let doubtful = |sample: &'_ Sample| of(sample).filter(|value| *value > limit);
    let found: Vec<(&str, f64)> = samples
        .iter()
        .filter_map(|sample| Some((sample.run.as_str(), doubtful(sample)?)))
        .collect();
    let &(run, value) = found.iter().max_by(|a, b| a.1.total_cmp(&b.1))?;
    let mut others: Vec<&str> = found.iter().map(|(run, _)| *run).filter(|r| *r != run).collect();
    others.sort_unstable();
    others.dedup();
    let parts = |run: &'_ str| {
        let (server, load) = run.split_once(" under ").unwrap_or((run, ""));
        Place::of(server, load)
    };
    let places = [run].into_iter().chain(others.iter().copied()).map(parts).collect();
    let Place { transport, at: regime } = parts(run);
    Some(Worst { transport, regime, value, further: others.len(), places })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limit::rows::ROWS;
    use crate::limit::sample::tests::sample;

    #[test]
    fn a_calm_run_raises_no_doubts() {
        assert_eq!(of(&LimitPlan::default(), &[sample("hub under steady", 1)]), []);
    }

    #[test]
    fn a_doubt_is_told_once_where_it_is_worst() {
        let samples = [0.05, 0.3, 0.04].map(|stolen| Sample {
            stolen,
            ..sample(if stolen == 0.04 { "limit under idle" } else { "hub under steady" }, 1)
        });
        let doubts = of(&LimitPlan::default(), &samples);
        let [doubt] = &doubts[..] else { panic!("{doubts:?}") };
        let told = "hub, steady (and 1 more): 30 % of the CPU time was taken by others on this \
                    machine's host";
        assert_eq!(doubt.to_string(), told);
    }

    #[test]
    fn a_busy_load_matters_where_latency_is_judged() {
        let busy = |run: String| Sample { load_busy: Some(1.0), ..sample(&run, 1) };
        let run = |id: &str| ROWS.iter().find(|row| row.id == id).unwrap().run.to_string();
        let plan = LimitPlan::default();
        assert_eq!(of(&plan, &[busy(run("websocket.saturated"))]), []);
        assert!(matches!(of(&plan, &[busy(run("websocket.p99"))])[..], [Warning::LoadBusy(_)]));
    }

    #[test]
    fn a_hub_that_fell_back_to_plain_writes_is_told_and_one_that_was_asked_to_is_not() {
        let without = |id: &str| {
            let run = ROWS.iter().find(|row| row.id == id).unwrap().run.to_string();
            of(&LimitPlan::default(), &[Sample { io_uring: Some(false), ..sample(&run, 1) }])
        };
        assert_eq!(without("websocket.steady"), [Warning::NoIoUring]);
        assert_eq!(without("websocket.steady.plain"), []);
    }

    #[test]
    fn each_limit_raises_its_own_doubt() {
        let raised = |change: fn(&mut Sample)| {
            let mut sample = sample("hub under steady", 1);
            change(&mut sample);
            let doubts = of(&LimitPlan::default(), &[sample]);
            assert_eq!(doubts.len(), 1, "{doubts:?}");
            doubts[0].to_string()
        };
        assert!(raised(|s| s.others = Some(0.4)).contains("other processes"));
        assert!(raised(|s| s.behind_fan_out = Some(0.2)).contains("20 %"));
    }
}
