//! A sample report for tests, and tests of every form of a report.

use std::path::Path;

use super::*;
use crate::contender::{Contender, chosen};
use crate::folder::Folder;
use crate::latency::Latency;
use crate::plan::Plan;
use crate::protocol::Command;
use crate::scenario::Scenario;
use crate::stats::Spread;
use crate::summary::Row;
use crate::units::Unit;
use crate::{Outcome, Version};

/// The contenders of [`sample`].
pub(crate) fn contenders() -> Vec<&'static Contender> {
    let names = ["websocket", "baseline-websocket", "sse", "long-polling"];
    chosen(&names).unwrap()
}

/// A report with four contenders and three rounds of invented figures.
pub(crate) fn sample() -> Report {
    let mut samples = Vec::new();
    for round in 1..=3 {
        for (at, contender) in contenders().into_iter().enumerate() {
            let factor = [1.0, 0.98, 1.04, 3.2][at] * (1.0 + round as f64 / 50.0);
            for stage in ["connect", "steady", "burst", "saturation"] {
                samples.push(one(contender.title, stage, round, factor));
            }
        }
    }
    let plan = Plan::of("tidings".into(), Scenario::named("fan-out").unwrap());
    let plan = Plan { baseline: true, ..plan };
    let summary = Summary::of(&samples, &contenders(), &plan);
    let targets = TargetRow::all(&samples, &contenders(), &plan);
    let environment = Environment {
        command: "tidings compare --html report.html".into(),
        version: "0.1.0".into(),
        commit: "0123456789ab".into(),
        kernel: "Linux 6.1.0 x86_64".into(),
        cpu: "A CPU".into(),
        cores: 2,
        divided: true,
        servers: vec![
            Version { server: "tidings".into(), version: Some("0.1.0".into()) },
            Version { server: "pigeon-server".into(), version: None },
        ],
        date: "Thu, 01 Jan 2026 00:00:00 GMT".into(),
        seconds: 71.0,
        ..Environment::default()
    };
    let warnings = Warning::of(&samples, &summary, &contenders());
    let text = "requests again and again".to_owned();
    let remarks = vec![Remark { transport: "long-polling".to_owned(), text }];
    let problem = "there are no pigeons: buy some".to_owned();
    let missing = vec![Missing { transport: "pigeon".to_owned(), problem, is_failure: false }];
    let plan = plan.workload;
    let (schema, scenario) = (Report::SCHEMA, "fan-out".to_owned());
    Report {
        schema,
        scenario,
        environment,
        plan,
        summary,
        targets,
        remarks,
        missing,
        warnings,
        repeated: 0,
        samples,
    }
}

/// A report of a scenario with these figures of contenders and nothing else.
pub(crate) fn with_figures(scenario: &str, figures: &[(&str, &str, f64)]) -> Report {
    let row = |(transport, key, value): &(&str, &str, f64)| Row {
        key: (*key).to_owned(),
        group: String::new(),
        label: String::new(),
        unit: Unit::Number,
        warns_if_wide: false,
        values: vec![
            (*transport == figures[0].0).then_some(*value).and_then(|it| Spread::of([it])),
        ],
    };
    let transports = vec![figures[0].0.to_owned()];
    let rows = figures.iter().map(row).collect();
    let summary = Summary { transports, rows, curves: Vec::new() };
    Report { scenario: scenario.to_owned(), summary, ..sample() }
}

fn one(contender: &str, stage: &str, round: usize, factor: f64) -> Sample {
    let is_timed = matches!(stage, "steady" | "burst");
    let delivers = stage != "connect";
    Sample {
        contender: contender.to_owned(),
        stage: stage.to_owned(),
        command: Some(match stage {
            "connect" => Command::Connect { at_once: 64, resumes: false },
            "saturation" => Command::Saturate { seconds: 2.5 },
            _ => Command::Publish { rate: 40.0, burst: 1, seconds: 2.5, hidden: false },
        }),
        round,
        clients: 1_000,
        load: Outcome {
            published: if delivers { 100 } else { 0 },
            deliveries: if delivers { 100_000 } else { 0 },
            requests: 1_000,
            received_bytes: (13_100_000.0 * factor) as u64,
            seconds: 2.5,
            latency: is_timed.then(|| latency(3_000.0 * factor)),
            late: is_timed.then(|| latency(60.0)),
            answered: is_timed.then(|| latency(900.0)),
            ..Outcome::default()
        },
        server_cpu_ns: Some((610_000_000.0 * factor) as u64),
        pss_before: Some(4 << 20),
        pss_after: Some((4 << 20) + (1.6e6 * factor) as u64),
        load_busy: Some(0.4),
        server_busy: Some(0.98),
        others: Some(0.01),
        io_uring: Some(true),
        ..Sample::default()
    }
}

fn latency(p50: f64) -> Latency {
    let quantiles = [0.0, 0.25, 0.5, 0.9, 0.99, 0.999, 0.9999, 1.0];
    let at = |q: f64| p50 * (0.3 + 1.4 * q + q.powi(200));
    Latency {
        p50: at(0.5),
        p90: at(0.9),
        p99: at(0.99),
        p999: at(0.999),
        max: at(1.0),
        curve: quantiles.map(|q| (q, at(q))).to_vec(),
    }
}

#[test]
fn a_report_is_the_same_after_a_round_trip_through_json() {
    let report = sample();
    let json = report.json();
    assert!(serde_json::from_str::<Report>(&json).unwrap() == report, "{json}");
}

#[test]
fn a_run_continues_only_if_the_plan_the_commit_and_the_machine_are_the_same() {
    let report = sample();
    let plan = |scenario| Plan::of("tidings".into(), Scenario::named(scenario).unwrap());
    let environment = &report.environment;
    assert!(report.is_of(&plan("fan-out"), environment));
    assert!(!report.is_of(&plan("baseline"), environment));
    let mut other = plan("fan-out");
    other.workload.clients += 1;
    assert!(!report.is_of(&other, environment));
    let moved = Environment { cpu: "another".into(), ..environment.clone() };
    assert!(!report.is_of(&plan("fan-out"), &moved));
    let mut changed = report.clone();
    changed.environment.commit += "-dirty";
    assert!(!changed.is_of(&plan("fan-out"), &changed.environment), "two changes look the same");
}

#[test]
fn a_report_with_a_loss_or_a_failure_is_not_clean() {
    let mut report = sample();
    assert!(report.is_clean());
    report.missing[0].is_failure = true;
    assert!(!report.is_clean());
    report.missing.clear();
    report.samples[4].load.lost = 1;
    assert_eq!(report.samples[4].contender, "baseline WebSocket");
    assert!(report.is_clean(), "the baseline may lose clients");
    report.samples[0].load.lost = 1;
    assert!(!report.is_clean());
}

/// If it fails, the same `compare --output` measures the disturbed cells again.
#[test]
fn no_published_figure_is_that_of_a_disturbed_machine() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/comparison");
    for report in Folder::open(&folder).unwrap().reports().unwrap() {
        for sample in &report.samples {
            let Sample { contender, stage, .. } = sample;
            assert!(
                sample.disturbance() < 1.0 || sample.is_left_out(&report.samples),
                "{}: {contender} in {stage} was disturbed in each round",
                report.scenario
            );
        }
    }
}
