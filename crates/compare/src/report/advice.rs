//! What to choose under which condition, and claims that are often made, each with the figures that are the reason.

use super::{Report, value_of};
use crate::stats::Spread;
use crate::units::{Unit, uncapitalized};

/// A line of the table of decisions.
pub(super) struct Decision {
    /// The reader's condition. Completes "You have …".
    pub(super) condition: &'static str,
    /// What to choose then.
    pub(super) choice: &'static str,
    pub(super) reason: &'static str,
    /// The figures that are the reason.
    evidence: &'static [Evidence],
}

/// A figure of several contenders.
struct Evidence {
    scenario: &'static str,
    key: &'static str,
    /// The titles of the contenders.
    contenders: &'static [&'static str],
}

const fn decision(
    condition: &'static str,
    choice: &'static str,
    reason: &'static str,
    evidence: &'static [Evidence],
) -> Decision {
    Decision { condition, choice, reason, evidence }
}

const fn figure(
    scenario: &'static str,
    key: &'static str,
    contenders: &'static [&'static str],
) -> Evidence {
    Evidence { scenario, key, contenders }
}

impl Decision {
    /// The names of the scenarios whose figures are the reason, each with the figures as text. Empty if none of them was
    /// measured.
    pub(super) fn evidence(&self, reports: &[&Report]) -> Vec<(&'static str, String)> {
        let evidence = self.evidence.iter();
        evidence.filter_map(|it| Some((it.scenario, it.text(reports)?))).collect()
    }
}

impl Evidence {
    /// Such as "steady, server CPU per delivery. SSE: 9.0 µs; WebSocket: 9.9 µs". `None` if a figure was not measured.
    fn text(&self, reports: &[&Report]) -> Option<String> {
        let report = reports.iter().find(|report| report.scenario == self.scenario)?;
        let row = report.summary.row(self.key)?;
        let figure = |title: &&str| {
            let value = report.summary.value(title, self.key)?;
            Some(format!("{title}: {}", row.unit.with_sign(&value)))
        };
        let figures: Option<Vec<String>> = self.contenders.iter().map(figure).collect();
        Some(format!("{}, {}. {}", uncapitalized(&row.group), row.label, figures?.join("; ")))
    }
}

/// All decisions, the most frequent conditions first.
pub(super) static DECISIONS: &[Decision] = &[
    decision(
        "a browser that only listens",
        "SSE",
        "EventSource reconnects and resumes automatically, by plain HTTP. A delivery is one send, as by WebSocket",
        &[
            figure("fan-out", "steady.cpu", &["SSE", "WebSocket"]),
            figure("tls", "steady-tls.cpu", &["SSE", "WebSocket"]),
        ],
    ),
    decision(
        "a browser that also sends",
        "WebSocket",
        "one connection for both directions",
        &[figure("fan-out", "steady.cpu", &["WebSocket", "SSE", "long-polling"])],
    ),
    decision(
        "more than six streams or polls in one browser",
        "WebSocket, or SSE over HTTP/2 and TLS",
        "a browser opens six HTTP/1.1 connections to a host, for all tabs together",
        &[
            figure(
                "browser",
                "open-12.connected",
                &["browser, WebSocket", "browser, EventSource", "browser, EventSource, HTTP/2"],
            ),
            figure("http", "steady.cpu", &["SSE", "SSE, HTTP/2"]),
        ],
    ),
    decision(
        "phones while the app is open, and networks that lose packets",
        "SSE or WebSocket, with the ids of notifications",
        "a poll takes another round trip after each answer. A client that comes back continues after its last id",
        &[
            figure("networks", "4g.p99", &["SSE", "WebSocket", "long-polling", "WebTransport"]),
            figure("networks", "wifi.p99", &["SSE", "WebSocket", "long-polling", "WebTransport"]),
            figure("absence", "storm.caught-up", &["SSE", "WebSocket", "long-polling"]),
        ],
    ),
    decision(
        "several topics on one phone",
        "one stream for all of them",
        "each further connection takes a handshake, heartbeats and memory of the server. If there must be several streams, \
         one HTTP/2 connection carries them",
        &[
            figure("connecting", "handshake-tls.cpu", &["SSE"]),
            figure("idle", "quiet-tls.memory", &["SSE", "SSE, HTTP/2"]),
            figure("shared-connection", "streams.p99", &["SSE", "SSE, HTTP/2"]),
        ],
    ),
    decision(
        "nginx or HAProxy in front of the server",
        "SSE or WebSocket",
        "SSE works with the defaults of both, in nginx because the server asks it not to buffer. WebSocket works with \
         the defaults of HAProxy, and needs three lines in the configuration of nginx",
        &[
            figure("proxies", "steady.cpu", &["SSE", "SSE, nginx", "SSE, HAProxy"]),
            figure(
                "proxies",
                "steady.cpu",
                &["WebSocket", "WebSocket, nginx", "WebSocket, HAProxy"],
            ),
            figure("proxies", "connect.memory", &["SSE", "SSE, nginx", "SSE, HAProxy"]),
        ],
    ),
    decision(
        "proxies or firewalls that break or buffer streams",
        "long-polling",
        "each poll gets a complete response",
        &[figure("fan-out", "steady.cpu", &["long-polling", "SSE"])],
    ),
    decision(
        "many clients that are quiet most of the time",
        "SSE or WebSocket over HTTP/1.1",
        "over HTTP/2 and HTTP/3, each connection has tables and buffers",
        &[figure("idle", "quiet-tls.memory", &["SSE", "WebSocket", "SSE, HTTP/2", "WebTransport"])],
    ),
    decision(
        "a bill for traffic, and JSON to many clients at least every few seconds",
        "SSE or WebSocket with compression",
        "traffic is most of the bill, and each notification is compressed once for all clients",
        &[
            figure("wire", "steady-tls.egress", &["SSE", "SSE, compressed"]),
            figure("compression", "steady.cpu", &["SSE", "SSE, compressed"]),
        ],
    ),
    decision(
        "a different notification for each client",
        "SSE or WebSocket",
        "the publish is most of the cost, whatever the transport is",
        &[figure("topics", "topics.cpu", &["SSE", "WebSocket", "long-polling"])],
    ),
    decision(
        "several notifications at the same time",
        "any transport",
        "a client gets several in one send or one answer, so that each costs a fraction of a single one",
        &[
            figure("fan-out", "burst.cpu", &["SSE", "WebSocket", "long-polling"]),
            figure("fan-out", "steady.cpu", &["SSE", "WebSocket", "long-polling"]),
        ],
    ),
    decision(
        "releases while clients are connected",
        "two servers over a broker, and clients that keep their last id",
        "a client continues at the other server where it was",
        &[figure(
            "rolling-restart",
            "restart.max",
            &["SSE, 2 servers", "WebSocket, 2 servers", "long-polling, 2 servers"],
        )],
    ),
    decision(
        "several servers, or a history that must outlive one",
        "servers over a broker",
        "the servers share the broker's stream, which outlives them. A publish is answered once the broker has stored it",
        &[
            figure(
                "broker",
                "steady.answer",
                &["no broker, 1 server", "NATS, 1 server", "Redis, 1 server"],
            ),
            figure(
                "broker",
                "steady.cpu",
                &["no broker, 1 server", "NATS, 1 server", "Redis, 1 server"],
            ),
        ],
    ),
    decision(
        "services that share work, acknowledge it, or need it for days",
        "a message queue, read directly",
        "it has consumer groups, acknowledgements and storage. Sending each notification to all clients costs more than by SSE",
        &[figure("fan-out", "steady.cpu", &["NATS", "JetStream", "Redis Streams", "SSE"])],
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
    let over_tls = |title| value_of(reports, "tls", title, "steady-tls.cpu");
    let memory =
        |title| Some(Unit::Bytes.with_sign(&value_of(reports, "idle", title, "quiet.memory")?));
    let cpu = [
        (figure("SSE", "steady.cpu")?, figure("WebSocket", "steady.cpu")?),
        (over_tls("SSE")?, over_tls("WebSocket")?),
    ];
    // A tenth is less than what another machine would change.
    let is_below = |a: &Spread, b: &Spread| a.max < b.min && a.median < 0.9 * b.median;
    let verdict = if cpu.iter().all(|(sse, websocket)| is_below(sse, websocket)) {
        "The figures confirm it"
    } else if cpu.iter().all(|(sse, websocket)| is_below(websocket, sse)) {
        "The figures contradict it"
    } else {
        "The CPU time does not decide it, because each delivery is one send by both"
    };
    let [plain, tls] = cpu.map(|(sse, websocket)| {
        format!(
            "{} by SSE and {} by WebSocket",
            Unit::Micros.with_sign(&sse),
            Unit::Micros.with_sign(&websocket)
        )
    });
    Some(format!(
        "{verdict}. A steady delivery takes {plain}, and {tls} over TLS. A quiet client takes {} of memory by SSE and {} \
         by WebSocket. In bytes, a delivery takes {} by SSE and {} by WebSocket with the subprotocol tidings.v1.",
        memory("SSE")?,
        memory("WebSocket")?,
        Unit::Bytes.with_sign(&figure("SSE", "steady.received")?),
        Unit::Bytes.with_sign(&figure("WebSocket", "steady.received")?),
    ))
}

fn long_polling_is_inefficient(reports: &[&Report]) -> Option<String> {
    let figure = |title, key| value_of(reports, "fan-out", title, key);
    let times = |key| Some(figure("long-polling", key)?.median / figure("SSE", key)?.median);
    Some(format!(
        "If notifications come one at a time, a delivery takes {:.1} times the CPU time of one by SSE and {:.1} times the \
         bytes. In bursts of ten, one answer carries several: a delivery takes {:.1} times the CPU time, which is {}, and \
         {:.1} times the bytes.",
        times("steady.cpu")?,
        times("steady.received")?,
        times("burst.cpu")?,
        Unit::Micros.with_sign(&figure("long-polling", "burst.cpu")?),
        times("burst.received")?,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Plan;
    use crate::report::tests::sample;
    use crate::scenario::Scenario;

    #[test]
    fn the_evidence_of_each_decision_is_a_figure_of_contenders_that_its_scenario_has() {
        for evidence in DECISIONS.iter().flat_map(|decision| decision.evidence) {
            let Evidence { scenario, key, contenders } = *evidence;
            let plan = Plan::of("tidings".into(), Scenario::named(scenario).unwrap());
            let stage = key.split('.').next().unwrap();
            assert!(plan.figures().iter().any(|it| it.key == key), "{key} of {scenario}");
            let cells = plan.cells().unwrap();
            for title in contenders {
                let has = cells.iter().any(|(one, sequence)| {
                    one.title == *title && sequence.stages.iter().any(|it| it.name == stage)
                });
                assert!(has, "{title} has {key} of {scenario}");
            }
        }
        assert!(DECISIONS.iter().all(|decision| !decision.evidence.is_empty()));
    }

    #[test]
    fn a_decision_has_its_figures_if_they_were_measured() {
        let report = sample();
        let first = DECISIONS[0].evidence(&[&report]);
        assert_eq!(first.len(), 1, "{first:?}");
        assert_eq!(first[0].0, "fan-out");
        let expected = "steady, server CPU per delivery. SSE: ";
        assert!(first[0].1.starts_with(expected) && first[0].1.ends_with(" µs"), "{first:?}");
        assert_eq!(DECISIONS[0].evidence(&[]), []);
    }

    #[test]
    fn the_verdicts_follow_from_the_figures() {
        let report = sample();
        let mut idle = Report { scenario: "idle".to_owned(), ..sample() };
        let memory = idle.summary.rows.iter_mut().find(|row| row.key == "connect.memory");
        memory.unwrap().key = "quiet.memory".to_owned();
        let mut tls = Report { scenario: "tls".to_owned(), ..sample() };
        let cpu = tls.summary.rows.iter_mut().find(|row| row.key == "steady.cpu");
        cpu.unwrap().key = "steady-tls.cpu".to_owned();
        let reports = [&report, &idle, &tls];
        let verdicts = || CLAIMS.iter().filter_map(|claim| claim.verdict(&reports));
        let verdicts: Vec<String> = verdicts().collect();
        assert!(verdicts[0].starts_with("The CPU time does not"), "{verdicts:?}");
        assert!(verdicts[1].contains("a delivery takes 3.1 times the CPU time"), "{verdicts:?}");
        assert_eq!(CLAIMS[0].verdict(&[]), None);
    }
}
