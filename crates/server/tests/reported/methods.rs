//! Methods and versions that few clients use, and headers of every response.

use futures::FutureExt;

use super::row::{Row, row};
use crate::support::Raw;

pub(super) fn rows() -> Vec<Row> {
    let mut rows = vec![
        row("HEAD of a topic has the response of GET, without a body", "RFC 9110, section 9.3.2")
            .send("HEAD /topics/t HTTP/1.1\r\nHost: hub\r\n\r\n")
            .answers(&[200])
            .stays_open()
            .holds(|seen| {
                assert_eq!(seen.answers[0].header("content-type"), Some("application/json"));
                assert_eq!(seen.answers[0].header("content-length"), None);
            }),
        row("HEAD of a topic is not held", "curl -I, uptime probes")
            .send("HEAD /topics/t?after=x-1&wait=60 HTTP/1.1\r\nHost: hub\r\n")
            .send("Accept: text/event-stream\r\n\r\n")
            .answers(&[200])
            .stays_open()
            .holds(|seen| {
                assert_eq!(seen.answers[0].header("content-type"), Some("text/event-stream"));
            }),
        row("HEAD has the same error as GET", "RFC 9110, section 9.3.2")
            .send("HEAD /topics/a..b HTTP/1.1\r\nHost: hub\r\n\r\n")
            .answers(&[400])
            .stays_open(),
        row("a bare > in a path is understood", "curl 'http://HOST/topics/>'")
            .send("POST /topics/a.b HTTP/1.1\r\nHost: hub\r\nContent-Length: 2\r\n\r\nhi")
            .send("GET /topics/>?after=earliest&wait=0 HTTP/1.1\r\nHost: hub\r\n\r\n")
            .send(
                "GET /topics/a.>?after=earliest&wait=0 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
            )
            .answers(&[200, 200, 200])
            .stays_open()
            .holds(|seen| {
                for polled in &seen.answers[1..] {
                    assert_eq!(polled.json()["notifications"][0]["data"], "hi");
                }
            }),
        row("a character that is not one of a URL is named", "curl 'http://HOST/topics/<a>'")
            .send("GET /topics/<a> HTTP/1.1\r\nHost: hub\r\n\r\n")
            .answers(&[400])
            .holds(|seen| assert!(seen.text.contains("%3C"), "{}", seen.text)),
        row(
            "a stream for HTTP/1.0 has no chunks and ends with its connection",
            "RFC 9112, section 6.1",
        )
        .scenario(|hub| {
            async {
                let mut raw = Raw::connect(hub.address).await;
                raw.send("GET /topics/t HTTP/1.0\r\nAccept: text/event-stream\r\n\r\n").await;
                let head = raw.head().await;
                assert_eq!(head.status, 200);
                assert_eq!(head.header("transfer-encoding"), None);
                assert_eq!(head.header("connection"), Some("close"));
                raw.until(b"id: ").await;
            }
            .boxed_local()
        }),
    ];
    let requests = [
        ("a poll", "GET /topics/t?wait=0", 200),
        ("a poll with a position", "GET /topics/t?wait=0&after=earliest", 200),
        ("a check", "GET /healthz", 200),
        ("a fault", "GET /topics/a..b", 400),
        ("a HEAD", "HEAD /healthz", 200),
    ];
    for (what, line, status) in requests {
        let persistent = format!("{line} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        rows.push(
            row(
                format!("{what} by HTTP/1.0 keeps the connection if it is asked to"),
                "hyperium/hyper#1614",
            )
            .send(persistent.repeat(2))
            .answers(&[status, status])
            .stays_open()
            .holds(|seen| {
                for answer in &seen.answers {
                    assert_eq!(answer.header("connection"), Some("keep-alive"));
                }
            }),
        );
        rows.push(
            row(
                format!("{what} by HTTP/1.0 ends the connection otherwise"),
                "RFC 9112, section 9.3",
            )
            .send(format!("{line} HTTP/1.0\r\n\r\n"))
            .answers(&[status])
            .closes()
            .holds(|seen| assert_eq!(seen.answers[0].header("connection"), Some("close"))),
        );
    }
    for line in [
        "GET /topics/t",
        "GET /topics/t?after=earliest&wait=0",
        "GET /transports",
        "GET /nowhere",
        "GET /topics/a..b",
        "POST /topics/t",
    ] {
        rows.push(
            row(format!("the JSON of {line} ends with the end of a line"), "curl on a terminal")
                .send(format!("{line} HTTP/1.1\r\nHost: hub\r\n\r\n"))
                .stays_open()
                .holds(|seen| {
                    let [answer] = &seen.answers[..] else { panic!("{}", seen.text) };
                    assert!(answer.text().ends_with("}\n"), "{answer:?}");
                    answer.json();
                }),
        );
    }
    rows
}
