//! Filters that are made to be expensive.

use super::row::{Row, row};

pub(super) fn rows() -> Vec<Row> {
    vec![
        row("a filter of very many tokens is rejected", "eclipse-mosquitto/mosquitto#1412")
            .send(get(&format!("{}a", "*.".repeat(80))))
            .answers(&[400])
            .stays_open(),
        row("a filter with a wildcard has few tokens", "eclipse-mosquitto/mosquitto#412")
            .send(get(&format!("{}%3E", "a.".repeat(16))))
            .answers(&[400])
            .stays_open(),
        row("a filter has few wildcards", "eclipse-mosquitto/mosquitto#412")
            .send(get("*.*.*.*.*"))
            .answers(&[400])
            .stays_open(),
        row("64 filters that match nothing are served", "nats-io/nats-server#4888")
            .send(get(&(0..64).map(|n| format!("*.x{n}.*.a")).collect::<Vec<_>>().join(",")))
            .answers(&[200])
            .stays_open(),
        row("a topic may have any number of tokens", "eclipse-mosquitto/mosquitto#1441")
            .send(post(&format!("{}a", "a.".repeat(127))))
            .answers(&[200])
            .stays_open()
            .holds(|seen| assert_eq!(seen.published, 1)),
    ]
}

fn get(filters: &str) -> String {
    format!("GET /topics/{filters}?wait=0 HTTP/1.1\r\nHost: hub\r\n\r\n")
}

fn post(topic: &str) -> String {
    format!("POST /topics/{topic} HTTP/1.1\r\nHost: hub\r\nContent-Length: 2\r\n\r\nhi")
}
