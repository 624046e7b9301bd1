//! Samples and figures that cross a limit.

use super::{Doubt, Place, Warning, rounds};
use crate::latency::Latency;
use crate::protocol::Command;
use crate::sample::Sample;
use crate::summary::Summary;

/// If the load is busy for more than this part of its core's time, it may be the bottleneck.
const BUSY: f64 = 0.85;
/// If more than this part of the time is stolen, other machines influence the figures.
pub(crate) const STOLEN: f64 = 0.02;
/// If the distance between the quartiles is more than this part of the median, the rounds disagree.
const WIDE: f64 = 0.15;
/// If publishers are later than this and than a tenth of the latency, they distort the latency.
const LATE_US: f64 = 200.0;
/// Other processes may use this part of the time of all cores. The kernel's ticks are not more precise.
pub(crate) const CROWDED: f64 = 0.10;

/// A sample or a figure with a reason to doubt it.
pub(super) struct Finding {
    pub(super) kind: Doubt,
    pub(super) place: Place,
    /// The place as text for the reader.
    pub(super) at: String,
    /// The round, if the run has several and the finding is about one.
    pub(super) round: Option<usize>,
    /// The severity. It is comparable only within a kind.
    pub(super) value: f64,
    pub(super) text: String,
}

impl Finding {
    /// A warning about the most severe of these, which are of one kind, with the places of all.
    pub(super) fn merged(findings: &[Self]) -> Option<Warning> {
        let worst = findings.iter().max_by(|a, b| a.value.total_cmp(&b.value))?;
        let mut places: Vec<Place> = Vec::new();
        for Self { place, .. } in findings {
            if !places.contains(place) {
                places.push(place.clone());
            }
        }
        let further = match places.len() - 1 {
            0 => String::new(),
            more => format!(" (and {more} more)"),
        };
        let rounds = rounds::named(findings.iter().filter(|it| it.place == worst.place));
        let rounds = rounds.map_or(String::new(), |rounds| format!(", {rounds}"));
        let text = format!("{}{rounds}{further}: {}", worst.at, worst.text);
        Some(Warning { kind: worst.kind, text, places })
    }
}

pub(super) fn of_sample(sample: &Sample, has_rounds: bool) -> Vec<Finding> {
    let Sample { contender, stage, load, stolen, throttled, .. } = sample;
    let has_latency = matches!(sample.command, Some(Command::Publish { .. }));
    let is_saturation = matches!(sample.command, Some(Command::Saturate { .. }));
    let connects = matches!(sample.command, Some(Command::Connect { at_once: 2.., .. }));
    let load_busy = sample.load_busy.unwrap_or(0.0);
    let others = sample.others.unwrap_or(0.0);
    let round = has_rounds.then_some(sample.round);
    let mut findings = Vec::new();
    let mut find = |kind, value, text| {
        let (place, at) = (Place::of(contender, stage), format!("{contender}, {stage}"));
        findings.push(Finding { kind, place, at, round, value, text });
    };
    if has_latency && load_busy > BUSY {
        let text = "so latencies are partly its own: use a lower --rate or fewer --clients";
        let text = format!("the load was {} busy, {text}", percent(load_busy));
        find(Doubt::LoadBusy, load_busy, text);
    }
    if (is_saturation || connects) && load_busy > BUSY {
        let (does, each) = if connects { ("accept", "client") } else { ("deliver", "delivery") };
        let text = format!(
            "the load was {} busy, so the server can {does} more per second. The CPU time per {each} is valid",
            percent(load_busy)
        );
        find(Doubt::SaturationLoadBusy, load_busy, text);
    }
    let busiest = sample.server_busy.zip(sample.load_busy).map(|(server, load)| server.max(load));
    if let Some(busiest) =
        busiest.filter(|busiest| is_saturation && *busiest < BUSY && others <= CROWDED)
    {
        let text = "so the number of notifications in flight was the limit";
        let text = format!("server and load were {} busy at most, {text}", percent(busiest));
        find(Doubt::NotSaturated, -busiest, text);
    }
    let is_disturbed = sample.disturbance() >= 1.0;
    if is_disturbed && *stolen > STOLEN {
        let text = format!("the host gave {} of the CPU time to other machines", percent(*stolen));
        find(Doubt::Stolen, *stolen, text);
    }
    if is_disturbed && others > CROWDED {
        let text = "of the CPU time: repeat the run on an idle machine";
        find(Doubt::Crowded, others, format!("other processes took {} {text}", percent(others)));
    }
    if *throttled > 0 {
        let text = "so the figures show the quota: raise it, or lower the rate";
        let text = format!("the CPU quota was used up in {throttled} periods, {text}");
        find(Doubt::Throttled, *throttled as f64, text);
    }
    let late = load.late.as_ref().zip(load.latency.as_ref()).filter(|_| has_latency);
    let late = late.filter(|(late, latency)| late.p90 > LATE_US.max(latency.p90 / 10.0));
    if let Some((Latency { p90: late, .. }, _)) = late {
        let text =
            "late or more. The latencies count from the scheduled time and include this delay";
        let text = format!("one publish in ten began {:.1} ms {text}", late / 1e3);
        find(Doubt::PublisherLate, *late, text);
    }
    findings
}

pub(super) fn wide_spreads(summary: &Summary) -> impl Iterator<Item = Finding> {
    summary.rows.iter().filter(|row| row.warns_if_wide).flat_map(|row| {
        let values = summary.transports.iter().zip(&row.values);
        let known = values.filter_map(|(transport, spread)| Some((transport, (*spread)?)));
        let wide = known.filter(|(_, spread)| spread.relative_iqr > WIDE);
        wide.map(|(transport, spread)| Finding {
            kind: Doubt::WideSpread,
            place: Place::of(transport, &row.key),
            at: format!("{transport}, {}, {}", row.group.to_lowercase(), row.title()),
            round: None,
            value: spread.relative_iqr,
            text: format!(
                "the rounds differ by {} of the median: run it again on a machine at rest, or with \
                 more --rounds",
                percent(spread.relative_iqr)
            ),
        })
    })
}

fn percent(part: f64) -> String {
    format!("{:.0} %", part * 100.0)
}
