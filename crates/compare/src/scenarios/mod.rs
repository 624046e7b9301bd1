//! The list of scenarios, one in each file.
//!
//! A scenario is measured by default if its name is not given: [`fan_out`]. The order is that of the comparison.

mod absence;
mod baseline;
mod broker;
mod browser;
mod compression;
mod connecting;
mod encoding;
mod fan_out;
mod half_open;
mod http;
mod idle;
mod knee;
mod mounts;
mod networks;
mod payloads;
mod peers;
mod proxies;
mod resume;
mod rolling_restart;
mod shared_connection;
mod stalled;
mod tls;
mod topics;
mod wire;

use crate::scenario::{Scenario, Shape};
use crate::summary::Summary;
use crate::workload::Workload;

/// All scenarios. The first one is the default.
pub(crate) static SCENARIOS: &[&Scenario] = &[
    &fan_out::SCENARIO,
    &knee::SCENARIO,
    &payloads::SCENARIO,
    &encoding::SCENARIO,
    &topics::SCENARIO,
    &idle::SCENARIO,
    &connecting::SCENARIO,
    &resume::SCENARIO,
    &absence::SCENARIO,
    &rolling_restart::SCENARIO,
    &stalled::SCENARIO,
    &networks::SCENARIO,
    &shared_connection::SCENARIO,
    &half_open::SCENARIO,
    &wire::SCENARIO,
    &tls::SCENARIO,
    &http::SCENARIO,
    &compression::SCENARIO,
    &proxies::SCENARIO,
    &peers::SCENARIO,
    &broker::SCENARIO,
    &browser::SCENARIO,
    &mounts::SCENARIO,
    &baseline::SCENARIO,
    &baseline::OVER_TLS,
];

/// A scenario with the settings that most have. It is only for the fields that a scenario does not set.
const DEFAULT: Scenario = Scenario {
    name: "",
    question: "",
    method: "",
    limits: "",
    contenders: &["transports"],
    baseline: false,
    compression: None,
    workload: Workload::DEFAULT,
    sequences: &[],
    tables: &[],
    plots: &[],
    answer: |_| None,
};

/// The server's CPU time per delivery, steady and at saturation.
const CPU_BARS: Shape = Shape::Bars(&[("steady.cpu", "steady"), ("saturation.cpu", "saturation")]);

/// A figure of a contender as text with its unit, such as `9.9 µs`.
fn figure(summary: &Summary, title: &str, key: &str) -> Option<String> {
    let row = summary.row(key)?;
    Some(row.unit.with_sign(&summary.value(title, key)?))
}

/// The ratio of two medians as text, such as `1.4`.
fn ratio(summary: &Summary, of: (&str, &str), to: (&str, &str)) -> Option<String> {
    let (of, to) = (summary.value(of.0, of.1)?.median, summary.value(to.0, to.1)?.median);
    (to != 0.0).then(|| match of / to {
        ratio if ratio < 10.0 => format!("{ratio:.1}"),
        ratio => format!("{ratio:.0}"),
    })
}
