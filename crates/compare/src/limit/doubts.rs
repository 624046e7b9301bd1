//! Reasons to doubt the table that the samples themselves raise.

use super::plan::LimitPlan;
use super::sample::Sample;
use crate::warnings::{BUSY, CROWDED, STOLEN, Warning, Worst};

/// Above this part of a fan-out's CPU time that came when reading had begun, its wall time is not that of all the
/// work: the sockets were full.
const BEHIND: f64 = 0.1;

pub(crate) fn of(plan: &LimitPlan, samples: &[Sample]) -> Vec<Warning> {
    let worst = |limit: f64, of: fn(&Sample) -> Option<f64>| worst(samples, limit, of);
    // Only where latency is told does a busy load matter: CPU time holds.
    let timed_busy = |sample: &Sample| sample.load_busy.filter(|_| sample.load.p99_ns.is_some());
    let doubts = [
        worst(BUSY, timed_busy).map(Warning::LoadBusy),
        worst(STOLEN, |sample| Some(sample.stolen)).map(Warning::Stolen),
        worst(CROWDED, |sample| sample.others).map(Warning::Crowded),
        worst(BEHIND, |sample| sample.behind_fan_out).map(Warning::FanOutBehind),
    ];
    let quick = plan.quick.then_some(Warning::SmallNumbers);
    quick.into_iter().chain(doubts.into_iter().flatten()).collect()
}

fn worst(samples: &[Sample], limit: f64, of: fn(&Sample) -> Option<f64>) -> Option<Worst> {
    let doubtful = |sample: &'_ Sample| of(sample).filter(|value| *value > limit);
    let found: Vec<(&str, f64)> = samples
        .iter()
        .filter_map(|sample| Some((sample.run.as_str(), doubtful(sample)?)))
        .collect();
    let &(run, value) = found.iter().max_by(|a, b| a.1.total_cmp(&b.1))?;
    let mut others: Vec<&str> = found.iter().map(|(run, _)| *run).filter(|r| *r != run).collect();
    others.sort_unstable();
    others.dedup();
    let (server, load) = run.split_once(" under ").unwrap_or((run, ""));
    Some(Worst {
        transport: server.to_owned(),
        regime: load.to_owned(),
        value,
        further: others.len(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
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
    fn each_limit_raises_its_own_doubt() {
        let raised = |change: fn(&mut Sample)| {
            let mut sample = sample("hub under steady", 1);
            change(&mut sample);
            let doubts = of(&LimitPlan::default(), &[sample]);
            assert_eq!(doubts.len(), 1, "{doubts:?}");
            doubts[0].to_string()
        };
        assert!(raised(|s| s.load_busy = Some(0.9)).contains("the load side was 90 % busy"));
        assert!(raised(|s| s.others = Some(0.4)).contains("other processes"));
        assert!(raised(|s| s.behind_fan_out = Some(0.2)).contains("20 %"));
    }
}
