//! Findings of several rounds about the same figure.

use super::findings::Finding;
use super::{Doubt, Place};

/// The rounds of these findings in words, such as `rounds 1 and 3`. `None` if no finding has a round.
pub(super) fn named<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> Option<String> {
    let mut rounds: Vec<usize> = findings.into_iter().filter_map(|finding| finding.round).collect();
    rounds.sort_unstable();
    rounds.dedup();
    let (last, first) = rounds.split_last()?;
    if first.is_empty() {
        return Some(format!("round {last}"));
    }
    let first: Vec<String> = first.iter().map(usize::to_string).collect();
    Some(format!("rounds {} and {last}", first.join(", ")))
}

/// Merges the findings about the limit of a throughput if the limit was not the same in all rounds. Two warnings about
/// the figure would contradict each other.
pub(super) fn merge_limits(mut findings: Vec<Finding>) -> Vec<Finding> {
    let is_limit =
        |finding: &Finding| matches!(finding.kind, Doubt::NotSaturated | Doubt::SaturationLoadBusy);
    let places: Vec<Place> = findings
        .iter()
        .filter(|finding| finding.kind == Doubt::NotSaturated)
        .map(|finding| finding.place.clone())
        .collect();
    for place in places {
        let (limits, others): (Vec<_>, Vec<_>) =
            findings.into_iter().partition(|finding| is_limit(finding) && finding.place == place);
        findings = others;
        match merged(&limits) {
            Some(merged) => findings.push(merged),
            None => findings.extend(limits),
        }
    }
    findings
}

/// One finding for these, or `None` if they are all of one kind.
fn merged(limits: &[Finding]) -> Option<Finding> {
    let part = |kind| {
        let mine = || limits.iter().filter(move |finding| finding.kind == kind);
        let worst = mine().max_by(|a, b| a.value.total_cmp(&b.value))?;
        Some((worst, format!("In {}, {}", named(mine())?, worst.text)))
    };
    let (_, open) = part(Doubt::NotSaturated)?;
    let (worst, busy) = part(Doubt::SaturationLoadBusy)?;
    Some(Finding {
        kind: Doubt::LimitsDiffer,
        place: worst.place.clone(),
        at: worst.at.clone(),
        round: None,
        value: worst.value,
        text: format!("the rounds had different limits. {open}. {busy}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::{contenders, sample};
    use crate::warnings::Warning;

    #[test]
    fn rounds_with_different_limits_cause_one_warning_that_names_the_rounds() {
        let mut report = sample();
        let mut rounds = report
            .samples
            .iter_mut()
            .filter(|it| it.contender == "SSE" && it.stage == "saturation");
        rounds.next().unwrap().load_busy = Some(0.86);
        rounds.for_each(|round| round.server_busy = Some(0.81));
        let warnings = Warning::of(&report.samples, &report.summary, &contenders());
        let [warning] = &warnings[..] else { panic!("{warnings:?}") };
        let text = "SSE, saturation: the rounds had different limits. In rounds 2 and 3, server and load were 81 % \
                    busy at most, so the number of notifications in flight was the limit. In round 1, the load was \
                    86 % busy, so the server can deliver more per second. The CPU time per delivery is valid";
        assert_eq!(warning.text, text);
        assert!(warning.concerns("SSE", "saturation.rate"));
        assert!(!warning.concerns("SSE", "saturation.cpu"));
    }

    #[test]
    fn rounds_are_listed_once_and_in_order() {
        let finding = |round| Finding {
            kind: Doubt::Stolen,
            place: Place::of("SSE", "burst"),
            at: String::new(),
            round,
            value: 0.0,
            text: String::new(),
        };
        let listed = |rounds: &[usize]| {
            let findings: Vec<_> = rounds.iter().map(|round| finding(Some(*round))).collect();
            named(&findings)
        };
        assert_eq!(listed(&[2, 2]).as_deref(), Some("round 2"));
        assert_eq!(listed(&[3, 1]).as_deref(), Some("rounds 1 and 3"));
        assert_eq!(listed(&[4, 1, 2, 4]).as_deref(), Some("rounds 1, 2 and 4"));
        assert_eq!(named(&[finding(None)]), None);
    }
}
