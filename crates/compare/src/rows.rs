//! The list of rows, and the list of targets.
//!
//! A new figure is one line of [`FIGURES`], and a new target is one line of [`TARGETS`]. The table, the page and the
//! JSON are made from these lists.

use crate::latency::Latency;
use crate::sample::{Sample, each};
use crate::units::Unit;
use crate::workload::Payload;

/// A figure of one stage.
#[derive(Debug)]
pub(crate) struct Figure {
    pub(crate) key: &'static str,
    pub(crate) group: &'static str,
    pub(crate) label: &'static str,
    pub(crate) unit: Unit,
    /// `true` if a wide spread causes a warning. The tails of distributions always have a wide spread.
    pub(crate) warns_if_wide: bool,
    pub(crate) of: fn(&Sample) -> Option<f64>,
}

/// A target for a figure of a contender.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) row: &'static str,
    /// The contender's name.
    pub(crate) contender: &'static str,
    pub(crate) against: Against,
    pub(crate) at_most: f64,
    /// `true` for a target of runs over TLS, `false` for one of runs without.
    pub(crate) tls: bool,
    /// `None` if the target is for every payload.
    pub(crate) payload: Option<Payload>,
}

/// The divisor of a figure, in the same round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Against {
    /// No divisor. The target is for the figure.
    Nothing,
    /// The same figure of this contender.
    Contender(&'static str),
    /// No divisor. The target is for the difference to the same figure of this contender.
    Difference(&'static str),
    /// This figure of the same contender.
    Row(&'static str),
}

impl Figure {
    /// The stage whose samples have the figure. `None` for the figures of integrity, which cover all stages.
    pub(crate) fn stage(&self) -> Option<&'static str> {
        self.key.split('.').next().filter(|stage| *stage != "integrity")
    }
}

macro_rules! figures {
    ($($key:literal $group:literal $label:literal $unit:ident $warns:literal $of:expr;)*) => {
        /// All figures, in the order of the table.
        pub(crate) static FIGURES: &[Figure] = &[$(Figure {
            key: $key,
            group: $group,
            label: $label,
            unit: Unit::$unit,
            warns_if_wide: $warns,
            of: $of,
        }),*];
    };
}

figures! {
    "connect.rate" "Connect" "connections" PerSecond false |s| s.rate(s.clients as u64);
    "connect.cpu" "Connect" "server CPU per client" Micros true |s| s.cpu_each(s.clients as u64);
    "connect.bytes" "Connect" "bytes per client, both ways" Bytes false
        |s| each((s.load.received_bytes + s.load.sent_bytes) as f64, s.clients as u64);
    "connect.memory" "Connect" "bytes of server memory per client" Bytes true |s| s.memory_each();

    "steady.rate" "Steady" "deliveries" PerSecond true |s| s.rate(s.load.deliveries);
    "steady.cpu" "Steady" "server CPU per delivery" Micros true |s| s.cpu_each(s.load.deliveries);
    "steady.p50" "Steady" "latency p50" Millis true |s| millis(&s.load.latency, |l| l.p50);
    "steady.p90" "Steady" "latency p90" Millis false |s| millis(&s.load.latency, |l| l.p90);
    "steady.p99" "Steady" "latency p99" Millis false |s| millis(&s.load.latency, |l| l.p99);
    "steady.max" "Steady" "latency max" Millis false |s| millis(&s.load.latency, |l| l.max);
    "steady.answer" "Steady" "publish answered p50" Millis false |s| millis(&s.load.answered, |l| l.p50);
    "steady.received" "Steady" "bytes received per delivery" Bytes true
        |s| s.for_a_delivery(s.load.received_bytes);
    "steady.sent" "Steady" "bytes sent per delivery" Bytes true |s| s.for_a_delivery(s.load.sent_bytes);
    "steady.requests" "Steady" "requests per delivery" Number false |s| s.for_a_delivery(s.load.requests);
    "steady.broker" "Steady" "broker CPU per publish" Micros true |s| broker_cpu(s);

    "burst.cpu" "Burst" "server CPU per delivery" Micros true |s| s.cpu_each(s.load.deliveries);
    "burst.p50" "Burst" "latency p50" Millis true |s| millis(&s.load.latency, |l| l.p50);
    "burst.p99" "Burst" "latency p99" Millis false |s| millis(&s.load.latency, |l| l.p99);
    "burst.answer" "Burst" "publish answered p50" Millis false |s| millis(&s.load.answered, |l| l.p50);
    "burst.received" "Burst" "bytes received per delivery" Bytes true
        |s| s.for_a_delivery(s.load.received_bytes);
    "burst.requests" "Burst" "requests per delivery" Number false |s| s.for_a_delivery(s.load.requests);
    "burst.broker" "Burst" "broker CPU per publish" Micros true |s| broker_cpu(s);

    "saturation.rate" "Saturation" "deliveries" PerSecond true |s| s.rate(s.load.deliveries);
    "saturation.cpu" "Saturation" "server CPU per delivery" Micros true |s| s.cpu_each(s.load.deliveries);
    "saturation.load" "Saturation" "load busy" Percent false |s| Some(s.load_busy? * 100.0);
    "saturation.received" "Saturation" "bytes received per delivery" Bytes true
        |s| s.for_a_delivery(s.load.received_bytes);
    "saturation.requests" "Saturation" "requests per delivery" Number false
        |s| s.for_a_delivery(s.load.requests);
    "saturation.broker" "Saturation" "broker CPU per publish" Micros true |s| broker_cpu(s);

    "quiet.memory" "Quiet clients" "bytes of server memory per client" Bytes true
        |s| s.memory_each();
    "heartbeat.cpu" "Quiet clients" "server CPU per client and heartbeat" Micros true
        |s| s.cpu_each(s.clients as u64);
    "topics.cpu" "One topic per client" "server CPU per publish" Micros true
        |s| s.cpu_each(s.load.published);
    "resume.cpu" "Resume from the start of the log" "server CPU per delivery" Micros true
        |s| s.cpu_each(s.load.deliveries);
    "handshake.tcp" "Connect, one at a time" "TCP p50" Millis false |s| millis(&s.load.tcp_time, |l| l.p50);
    "handshake.tls" "Connect, one at a time" "TLS handshake p50" Millis false
        |s| millis(&s.load.tls_time, |l| l.p50);
    "handshake.request" "Connect, one at a time" "request answered p50" Millis false
        |s| millis(&s.load.request_time, |l| l.p50);
    "handshake.cpu" "Connect, one at a time" "server CPU per client" Micros true
        |s| s.cpu_each(s.clients as u64);
    "resumed.tls" "Reconnect by ticket, one at a time" "TLS handshake p50" Millis false
        |s| millis(&s.load.tls_time, |l| l.p50);
    "resumed.request" "Reconnect by ticket, one at a time" "request answered p50" Millis false
        |s| millis(&s.load.request_time, |l| l.p50);
    "resumed.cpu" "Reconnect by ticket, one at a time" "server CPU per client" Micros true
        |s| s.cpu_each(s.clients as u64);
    "reconnect.rate" "Reconnect by ticket" "connections" PerSecond false
        |s| s.rate(s.clients as u64);
    "reconnect.cpu" "Reconnect by ticket" "server CPU per client" Micros true
        |s| s.cpu_each(s.clients as u64);
    "many.cpu" "Saturation of many" "server CPU per delivery" Micros true
        |s| s.cpu_each(s.load.deliveries);

    "of-1.cpu" "Steady, 1 client" "server CPU per delivery" Micros true |s| s.cpu_each(s.load.deliveries);
    "of-1.received" "Steady, 1 client" "bytes received per delivery" Bytes true
        |s| s.for_a_delivery(s.load.received_bytes);
    "of-10.cpu" "Steady, 10 clients" "server CPU per delivery" Micros true
        |s| s.cpu_each(s.load.deliveries);
    "of-10.received" "Steady, 10 clients" "bytes received per delivery" Bytes true
        |s| s.for_a_delivery(s.load.received_bytes);
    "of-1000.cpu" "Steady, 1,000 clients" "server CPU per delivery" Micros true
        |s| s.cpu_each(s.load.deliveries);
    "of-1000.received" "Steady, 1,000 clients" "bytes received per delivery" Bytes true
        |s| s.for_a_delivery(s.load.received_bytes);
    "of-10000.cpu" "Steady, 10,000 clients" "server CPU per delivery" Micros true
        |s| s.cpu_each(s.load.deliveries);
    "of-10000.received" "Steady, 10,000 clients" "bytes received per delivery" Bytes true
        |s| s.for_a_delivery(s.load.received_bytes);

    "integrity.lost" "Integrity" "lost" Number false |s| Some(s.load.lost as f64);
    "integrity.duplicated" "Integrity" "duplicated" Number false |s| Some(s.load.duplicated as f64);
    "integrity.reordered" "Integrity" "reordered" Number false |s| Some(s.load.reordered as f64);
}

const fn target(
    row: &'static str,
    contender: &'static str,
    against: Against,
    at_most: f64,
) -> Target {
    Target { row, contender, against, at_most, tls: false, payload: None }
}

const fn tls_target(
    row: &'static str,
    contender: &'static str,
    against: Against,
    at_most: f64,
) -> Target {
    Target { tls: true, ..target(row, contender, against, at_most) }
}

/// A target for the bytes of orders.
const fn bytes_target(contender: &'static str, against: Against, at_most: f64) -> Target {
    Target {
        payload: Some(Payload::Orders),
        ..target("steady.received", contender, against, at_most)
    }
}

const PLAIN_WEBSOCKET: Against = Against::Contender("websocket");
const PLAIN_SSE: Against = Against::Contender("sse");
const PLAIN_LONG_POLLING: Against = Against::Contender("long-polling");

const WEBSOCKET: Against = Against::Contender("baseline-websocket");
const SSE: Against = Against::Contender("baseline-sse");
const LONG_POLLING: Against = Against::Contender("baseline-long-polling");

/// All targets. The report shows those of compression if contenders are measured without and with it, and the others if
/// the baseline is measured.
pub(crate) static TARGETS: &[Target] = &[
    target("steady.cpu", "websocket-plain", WEBSOCKET, 1.03),
    target("steady.cpu", "websocket", WEBSOCKET, 0.85),
    target("steady.cpu", "sse-plain", SSE, 1.03),
    target("steady.cpu", "sse", SSE, 0.85),
    target("steady.cpu", "long-polling", LONG_POLLING, 1.15),
    target("saturation.cpu", "websocket", WEBSOCKET, 1.25),
    target("saturation.cpu", "sse", SSE, 1.25),
    target("many.cpu", "websocket", Against::Row("saturation.cpu"), 1.25),
    target("resume.cpu", "sse", Against::Nothing, 0.3),
    target("topics.cpu", "websocket", WEBSOCKET, 1.3),
    target("connect.cpu", "websocket", WEBSOCKET, 1.2),
    target("steady.p99", "websocket", WEBSOCKET, 1.15),
    target("steady.p99", "sse", SSE, 1.15),
    target("quiet.memory", "websocket", Against::Nothing, 300.0),
    target("quiet.memory", "sse", Against::Nothing, 300.0),
    target("quiet.memory", "long-polling", Against::Nothing, 300.0),
    target("heartbeat.cpu", "websocket", Against::Nothing, 12.5),
    target("heartbeat.cpu", "sse", Against::Nothing, 12.5),
    tls_target("steady.cpu", "websocket", WEBSOCKET, 1.1),
    tls_target("steady.cpu", "sse", SSE, 1.1),
    tls_target("steady.cpu", "long-polling", LONG_POLLING, 1.15),
    tls_target("saturation.cpu", "websocket", WEBSOCKET, 1.25),
    tls_target("saturation.cpu", "sse", SSE, 1.25),
    tls_target("connect.cpu", "websocket", WEBSOCKET, 1.1),
    tls_target("connect.cpu", "sse", SSE, 1.1),
    // About 4 KiB above the figures without TLS.
    tls_target("quiet.memory", "websocket", Against::Nothing, 4_500.0),
    tls_target("quiet.memory", "sse", Against::Nothing, 4_500.0),
    bytes_target("websocket-compressed", PLAIN_WEBSOCKET, 0.3),
    bytes_target("sse-compressed", PLAIN_SSE, 0.3),
    target("of-1000.cpu", "websocket-compressed", PLAIN_WEBSOCKET, 1.05),
    target("of-1000.cpu", "sse-compressed", PLAIN_SSE, 1.05),
    target("of-1000.cpu", "long-polling-compressed", PLAIN_LONG_POLLING, 1.05),
    target("saturation.cpu", "websocket-compressed", PLAIN_WEBSOCKET, 1.25),
    target("saturation.cpu", "sse-compressed", PLAIN_SSE, 1.25),
    target("saturation.cpu", "long-polling-compressed", PLAIN_LONG_POLLING, 1.25),
    target("steady.p99", "websocket-compressed", PLAIN_WEBSOCKET, 1.1),
    target("steady.p99", "sse-compressed", PLAIN_SSE, 1.1),
    target("steady.p99", "long-polling-compressed", PLAIN_LONG_POLLING, 1.1),
    target("quiet.memory", "websocket-compressed", Against::Difference("websocket"), 16.0),
    target("quiet.memory", "sse-compressed", Against::Difference("sse"), 16.0),
    target("quiet.memory", "long-polling-compressed", Against::Difference("long-polling"), 16.0),
];

fn millis(latency: &Option<Latency>, of: fn(&Latency) -> f64) -> Option<f64> {
    Some(of(latency.as_ref()?) / 1e3)
}

fn broker_cpu(sample: &Sample) -> Option<f64> {
    each(sample.broker_cpu_ns? as f64 / 1e3, sample.load.published)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contender::CONTENDERS;
    use crate::scenario::SCENARIOS;

    #[test]
    fn no_key_is_used_twice() {
        let mut keys: Vec<&str> = FIGURES.iter().map(|row| row.key).collect();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), FIGURES.len());
    }

    #[test]
    fn every_row_is_of_a_stage_and_every_stage_has_a_row() {
        let stages: Vec<&str> = SCENARIOS.iter().flat_map(|s| s.stages).map(|s| s.name).collect();
        assert!(FIGURES.iter().filter_map(Figure::stage).all(|stage| stages.contains(&stage)));
        let has_row = |stage: &&str| FIGURES.iter().any(|row| row.stage() == Some(*stage));
        assert!(stages.iter().all(has_row));
    }

    #[test]
    fn targets_are_about_rows_and_contenders_that_exist() {
        let is_contender = |name| CONTENDERS.iter().any(|one| one.name == name);
        let is_row = |key| FIGURES.iter().any(|row| row.key == key);
        for Target { row, contender, against, .. } in TARGETS {
            let is_sound = match against {
                Against::Nothing => true,
                Against::Contender(name) | Against::Difference(name) => is_contender(*name),
                Against::Row(key) => is_row(*key),
            };
            assert!(is_sound && is_contender(*contender) && is_row(*row), "{row} of {contender}");
        }
    }
}
