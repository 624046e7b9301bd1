//! Rejections after which clients reconnect.

use futures::FutureExt;
use tidings_core::{Hub, HubConfig, Limits};
use tidings_server::{Authorizer, Config};
use tidings_transport::Rejection;

use super::row::{Row, Seen, row};
use crate::support::Answer;

const STREAM: &str = "GET /topics/t HTTP/1.1\r\nHost: hub\r\nAccept: text/event-stream\r\n\r\n";
const POLL: &str = "GET /topics/t HTTP/1.1\r\nHost: hub\r\n\r\n";

pub(super) fn rows() -> Vec<Row> {
    vec![
        row("a full server does not end an EventSource", "galaxyproject/galaxy#22629")
            .config(without_seats)
            .send(STREAM)
            .answers(&[200])
            .stays_open()
            .holds(|seen| assert_is_goodbye(&seen.answers[0], "full")),
        row(
            "a full server does not end an EventSource that uses the query",
            "Yaffle/EventSource#88",
        )
        .config(without_seats)
        .send("GET /topics/t?transport=sse HTTP/1.1\r\nHost: hub\r\n\r\n")
        .answers(&[200])
        .holds(|seen| assert_is_goodbye(&seen.answers[0], "full")),
        row("the rejection of a poll contains when to try again", "RFC 9110, section 15.6.4")
            .config(without_seats)
            .send(POLL)
            .answers(&[503])
            .stays_open()
            .holds(assert_is_503),
        row(
            "a limit of the embedding program does not end an EventSource",
            "Yaffle/EventSource#88",
        )
        .config(|config| {
            config.authorizer = Authorizer::from_fn(|_, _| -> Result<(), Rejection> {
                let status = http::StatusCode::TOO_MANY_REQUESTS;
                Err(Rejection::new(status, "slow_down", "one stream for each user"))
            });
        })
        .send(STREAM)
        .answers(&[200])
        .holds(|seen| assert_is_goodbye(&seen.answers[0], "slow_down")),
        row(
            "a server without free connections does not end an EventSource",
            "galaxyproject/galaxy#22629",
        )
        .config(without_connections)
        .send(STREAM)
        .answers(&[200])
        .closes()
        .holds(|seen| assert_is_goodbye(&seen.answers[0], "full")),
        row(
            "a request in several segments is rejected in the same way",
            "galaxyproject/galaxy#22629",
        )
        .config(without_connections)
        .send(&STREAM[..40])
        .later(&STREAM[40..])
        .answers(&[200])
        .closes()
        .holds(|seen| assert_is_goodbye(&seen.answers[0], "full")),
        row(
            "a poll without a free connection receives when to try again",
            "RFC 9110, section 15.6.4",
        )
        .config(without_connections)
        .send(POLL)
        .answers(&[503])
        .closes()
        .holds(assert_is_503),
        row("an invalid EventSource ends", "HTML standard, section 9.2.3")
            .send(STREAM.replace("/t ", "/a..b "))
            .answers(&[400]),
        row("a rejection that is a stream is counted as one", "galaxyproject/galaxy#22629")
            .config(without_seats)
            .send(STREAM)
            .scenario(|hub| {
                async {
                    assert_eq!(hub.metric("tidings_rejected_total").await, 1);
                }
                .boxed_local()
            }),
    ]
}

fn without_seats(config: &mut Config) {
    let limits = Limits::default().total(0);
    config.hub = Hub::new(HubConfig::default().limits(limits));
}

fn without_connections(config: &mut Config) {
    config.max_connections = 0;
}

fn assert_is_goodbye(answer: &Answer, reason: &str) {
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    let text = answer.text();
    let (retry, rest) = text.strip_prefix("retry: ").unwrap().split_once('\n').unwrap();
    assert!((5000..10_000).contains(&retry.parse().unwrap()), "{text}");
    let data = rest.strip_prefix("event: goodbye\ndata: ").unwrap().strip_suffix("\n\n").unwrap();
    let goodbye = &serde_json::from_str::<serde_json::Value>(data).unwrap()["goodbye"];
    assert_eq!(goodbye["reason"], reason);
    assert!(goodbye["message"].as_str().unwrap().len() > 8);
}

fn assert_is_503(seen: &Seen) {
    assert_eq!(seen.answers[0].rejection(), (503, "full".to_owned()));
    assert_eq!(seen.answers[0].header("retry-after"), Some("5"));
}
