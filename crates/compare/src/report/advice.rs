//! What to choose under which condition, and claims that are often made, each with the scenarios that are the reason.

use super::{Report, value_of};
use crate::stats::Spread;
use crate::units::Unit;

/// A line of the table of decisions.
pub(super) struct Decision {
    /// The reader's condition. Completes "You have …".
    pub(super) condition: &'static str,
    /// What to choose then.
    pub(super) choice: &'static str,
    pub(super) reason: &'static str,
    /// The names of the scenarios whose figures are the reason.
    pub(super) scenarios: &'static [&'static str],
}

const fn decision(
    condition: &'static str,
    choice: &'static str,
    reason: &'static str,
    scenarios: &'static [&'static str],
) -> Decision {
    Decision { condition, choice, reason, scenarios }
}

/// All decisions, the most frequent conditions first.
pub(super) static DECISIONS: &[Decision] = &[
    decision(
        "a browser that only listens",
        "SSE",
        "EventSource reconnects and resumes automatically, by plain HTTP, and a delivery costs the server no more than by \
         WebSocket",
        &["fan-out", "resume"],
    ),
    decision(
        "a browser that also sends",
        "WebSocket",
        "one connection for both directions",
        &["fan-out"],
    ),
    decision(
        "more than six streams or polls in one browser",
        "WebSocket, or SSE over HTTP/2 and TLS",
        "a browser opens six HTTP/1.1 connections to a host, for all tabs together. A delivery over HTTP/2 costs the server more",
        &["browser", "http"],
    ),
    decision(
        "phones, and networks that lose packets",
        "SSE or WebSocket, with the ids of notifications",
        "a lost packet delays all that follow on its connection, and a poll takes another round trip after each answer. A \
         client that comes back continues after its last id",
        &["networks", "absence"],
    ),
    decision(
        "nginx or HAProxy in front of the server",
        "SSE",
        "it works with the defaults of both, and WebSocket needs two header lines in nginx",
        &["proxies"],
    ),
    decision(
        "proxies or firewalls that break or buffer streams",
        "long-polling",
        "each poll gets a complete response",
        &["fan-out"],
    ),
    decision(
        "many clients that are quiet most of the time",
        "SSE or WebSocket over HTTP/1.1",
        "a quiet client costs the server much more memory over HTTP/2",
        &["idle"],
    ),
    decision(
        "a bill for traffic, and JSON to many clients",
        "SSE or WebSocket with compression",
        "traffic is most of the bill, and each notification is compressed once for all clients",
        &["compression", "wire"],
    ),
    decision(
        "a different notification for each client",
        "SSE or WebSocket",
        "the publish is most of the cost, whatever the transport is",
        &["topics"],
    ),
    decision(
        "several notifications at the same time",
        "any transport",
        "a client gets several in one send or one answer, so even long-polling is cheap",
        &["knee"],
    ),
    decision(
        "services that share work, acknowledge it, or need it for days",
        "a message queue, read directly",
        "it has consumer groups, acknowledgements and storage",
        &["fan-out", "broker"],
    ),
    decision(
        "several servers, or a history that must outlive one",
        "servers over a broker",
        "a publish is answered later, and a delivery costs only a little more",
        &["broker"],
    ),
];

/// A claim that is often made about transports.
pub(super) struct Claim {
    pub(super) text: &'static str,
    /// What the figures of these scenarios say. `None` if one is missing.
    verdict: fn(&[&Report]) -> Option<String>,
}

impl Claim {
    /// What the figures say about it. `None` if they were not measured.
    pub(super) fn verdict(&self, reports: &[&Report]) -> Option<String> {
        (self.verdict)(reports)
    }
}

/// The claims of the tutorial from which the project began.
pub(super) static CLAIMS: &[Claim] = &[
    Claim { text: "SSE is lighter than WebSocket.", verdict: sse_is_lighter },
    Claim { text: "Long-polling is inefficient.", verdict: long_polling_is_inefficient },
];

fn sse_is_lighter(reports: &[&Report]) -> Option<String> {
    let figure = |title, key| value_of(reports, "fan-out", title, key);
    let (sse, websocket) = (figure("SSE", "steady.cpu")?, figure("WebSocket", "steady.cpu")?);
    // A tenth is less than what another machine would change.
    let is_below = |a: &Spread, b: &Spread| a.max < b.min && a.median < 0.9 * b.median;
    let verdict = if is_below(&sse, &websocket) {
        "The figures confirm it"
    } else if is_below(&websocket, &sse) {
        "The figures contradict it"
    } else {
        "The CPU time does not confirm it, because each delivery is one send by both"
    };
    Some(format!(
        "{verdict}. A steady delivery takes {} of CPU time by SSE and {} by WebSocket, and a quiet client {} and {} of \
         memory. In bytes, SSE takes {} and WebSocket with the subprotocol tidings.v1 {}.",
        Unit::Micros.with_sign(&sse),
        Unit::Micros.with_sign(&websocket),
        Unit::Bytes.with_sign(&figure("SSE", "connect.memory")?),
        Unit::Bytes.with_sign(&figure("WebSocket", "connect.memory")?),
        Unit::Bytes.with_sign(&figure("SSE", "steady.received")?),
        Unit::Bytes.with_sign(&figure("WebSocket", "steady.received")?),
    ))
}

fn long_polling_is_inefficient(reports: &[&Report]) -> Option<String> {
    let figure = |title, key| value_of(reports, "fan-out", title, key);
    let times = |key| Some(figure("long-polling", key)?.median / figure("SSE", key)?.median);
    Some(format!(
        "Only if notifications come one at a time: then a delivery takes {:.1} times the CPU time of one by SSE and {:.1} \
         times the bytes. In bursts of ten it takes {:.1} times the CPU time, and one answer carries all ten.",
        times("steady.cpu")?,
        times("steady.received")?,
        times("burst.cpu")?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::sample;
    use crate::scenario::Scenario;

    #[test]
    fn each_decision_is_backed_by_a_scenario_that_exists() {
        for decision in DECISIONS {
            assert!(!decision.scenarios.is_empty(), "{}", decision.condition);
            for name in decision.scenarios {
                assert!(Scenario::named(name).is_ok(), "{name}");
            }
        }
    }

    #[test]
    fn the_verdicts_follow_from_the_figures() {
        let report = sample();
        let verdicts = || CLAIMS.iter().filter_map(|claim| claim.verdict(&[&report]));
        let verdicts: Vec<String> = verdicts().collect();
        assert!(verdicts[0].starts_with("The CPU time does not"), "{verdicts:?}");
        assert!(verdicts[1].contains("a delivery takes 3.1 times the CPU time"), "{verdicts:?}");
        assert_eq!(CLAIMS[0].verdict(&[]), None);
    }
}
