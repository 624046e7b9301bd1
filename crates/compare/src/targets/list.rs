//! The list of targets. A new target is one line of [`TARGETS`].

use crate::workload::Payload;

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contender::CONTENDERS;
    use crate::rows::Figure;
    use crate::scenario::Scenario;

    #[test]
    fn targets_are_about_rows_and_contenders_that_exist() {
        let figures: Vec<Figure> = Scenario::all().flat_map(Scenario::figures).collect();
        let is_contender = |name| CONTENDERS.iter().any(|one| one.name == name);
        let is_row = |key| figures.iter().any(|row| row.key == key);
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
