//! Access, origins, hosts, positions, and headers that change the meaning of a request.

use futures::FutureExt;
use tidings_server::{Action, Authorizer, Hosts, Origins};
use tidings_transport::Rejection;

use super::row::{Row, Seen, row};
use crate::support::{Raw, Running};

const GET: &str = "GET /topics/t?wait=0 HTTP/1.1\r\nHost: hub\r\n";
const SSE: &str = "GET /topics/t HTTP/1.1\r\nHost: hub\r\nAccept: text/event-stream\r\n";
const POST: &str = "POST /topics/t HTTP/1.1\r\nHost: hub\r\nContent-Length: 2\r\n";
const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

fn request(head: &str, headers: &str, body: &str) -> String {
    format!("{head}{headers}\r\n{body}")
}

pub(super) fn rows() -> Vec<Row> {
    [authorization(), names_and_origins(), positions(), headers()].into_iter().flatten().collect()
}

fn authorization() -> Vec<Row> {
    let leak = |name, report, path: &str| {
        row(name, report)
            .config(|config| config.authorizer = only_ann())
            .send(format!("GET /topics/{path}?after=earliest&wait=0 HTTP/1.1\r\nHost: hub\r\n\r\n"))
            .answers(&[403])
    };
    vec![
        leak(
            "the second of two filters needs permission",
            "wind-c/comqtt#169",
            "users.ann.x,users.bob.secret",
        ),
        leak(
            "a filter after an encoded comma needs permission",
            "chillzhuang/SpringBlade#8",
            "users.ann.x%2Cusers.bob.secret",
        ),
        leak(
            "a wildcard after a public filter needs permission",
            "wind-c/comqtt#169",
            "public.x,users.bob.%3E",
        ),
        leak(
            "a topic that is encoded letter by letter needs permission",
            "greenpau/go-authcrunch#110",
            "%75sers%2Ebob%2Esecret",
        ),
    ]
}

/// Permits the topics of ann and public ones.
fn only_ann() -> Authorizer {
    Authorizer::from_fn(|_, action| {
        let allowed: tidings_core::Filters = "public.>,users.ann.>".parse()?;
        match action {
            Action::Subscribe(filters) if allowed.contains(filters) => Ok(()),
            _ => Err(Rejection::new(http::StatusCode::FORBIDDEN, "forbidden", "it is not yours")),
        }
    })
}

fn names_and_origins() -> Vec<Row> {
    const EVIL: &str = "Host: evil.example:8080\r\nOrigin: http://evil.example:8080\r\n";
    let rebound = |head: &str, body| request(&head.replace("Host: hub\r\n", EVIL), "", body);
    vec![
        row("a page of another name for this address cannot publish", "CVE-2024-28224 (Ollama)")
            .send(rebound(POST, "hi"))
            .answers(&[421])
            .holds(|seen| assert_eq!(seen.published, 0)),
        row("it cannot read either, although its GET has no Origin", "jupyter/notebook#3714")
            .send(rebound(GET, "").replace("Origin", "X-Origin"))
            .answers(&[421])
            .holds(|seen| names(seen, &["evil.example", "--host evil.example"])),
        row("a name that is listed is accepted", "GHSA-vg6x-rcgg-rjx6 (Vite)")
            .config(|config| config.hosts = Hosts::Listed(vec!["evil.example".to_owned()]))
            .send(rebound(GET, ""))
            .answers(&[200]),
        row("health checks may have any host", "mastodon/mastodon#20238")
            .send("GET /healthz HTTP/1.1\r\nHost: health.check.internal\r\n\r\n")
            .answers(&[200]),
        row("the rejection of an origin contains what to do", "vitejs/vite#16557")
            .send(request(POST, "Origin: http://localhost:5173\r\n", "hi"))
            .answers(&[403])
            .holds(|seen| names(seen, &["http://localhost:5173", "\\\"hub\\\"", "--allow-origin"])),
        row("a page of another origin has no seat", "RFC 6455, section 10.2")
            .send(request(SSE, "Origin: https://evil.example\r\n", ""))
            .answers(&[403]),
        row("it has no seat either if it hides its origin", "W3C Fetch Metadata, section 2.4")
            .send(request(SSE, "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors\r\n", ""))
            .answers(&[403]),
        row("a listed origin may open a WebSocket, too", "RFC 6455, section 10.2")
            .config(|config| config.origins = Origins::Listed(vec!["https://shop.example".into()]))
            .scenario(|hub| {
                let headers = "Sec-WebSocket-Version: 13\r\nOrigin: https://shop.example\r\n";
                let request = request(GET, &format!("{UPGRADE}{headers}"), "");
                async move { assert_eq!(status(hub, &request).await, 101) }.boxed_local()
            }),
        row("a preflight permits the requested headers", "getsentry/sentry-javascript#6077")
            .config(|config| config.origins = Origins::Listed(vec!["https://shop.example".into()]))
            .send(
                "OPTIONS /topics/t HTTP/1.1\r\nHost: hub\r\nOrigin: https://shop.example\r\n\
                 Access-Control-Request-Method: POST\r\n\
                 Access-Control-Request-Headers: baggage,sentry-trace,traceparent\r\n\r\n",
            )
            .answers(&[200])
            .holds(|seen| {
                let allowed = seen.answers[0].header("access-control-allow-headers");
                assert_eq!(allowed, Some("baggage,sentry-trace,traceparent"));
            }),
    ]
}

fn positions() -> Vec<Row> {
    vec![
        row("a polyfill puts the position into the query", "Yaffle/EventSource#162").scenario(
            |hub| {
                async {
                    let first = hub.publish("t", "one").await;
                    hub.publish("t", "two").await;
                    let path = format!("/topics/t?after=earliest&lastEventId={first}&wait=0");
                    let answer = Raw::get(hub.address, &path).await.text();
                    assert!(answer.contains("two") && !answer.contains("one"), "{answer}");
                }
                .boxed_local()
            },
        ),
        row("a foreign Last-Event-ID is a gap", "dunglas/mercure#704")
            .send(request(GET, "Last-Event-ID: urn:uuid:1\r\n", ""))
            .answers(&[200])
            .holds(|seen| {
                let gap = &seen.answers[0].json()["gap"];
                assert_eq!((&gap["after"], &gap["reason"]), (&"0-0".into(), &"epoch".into()));
            }),
        row("an invalid position of a program is rejected", "dunglas/mercure#704")
            .send("GET /topics/t?after=urn:uuid:1 HTTP/1.1\r\nHost: hub\r\n\r\n")
            .answers(&[400]),
    ]
}

fn headers() -> Vec<Row> {
    let upgrade = |version| request(GET, &format!("{UPGRADE}{version}"), "");
    vec![
        row("426 names the protocol to upgrade to", "gorilla/websocket#915")
            .send(upgrade("Sec-WebSocket-Version: 8\r\n"))
            .send(upgrade(""))
            .send("GET /topics/t?transport=websocket HTTP/1.1\r\nHost: hub\r\n\r\n")
            .answers(&[426, 426, 426])
            .holds(|seen| {
                for answer in &seen.answers {
                    assert_eq!(answer.header("upgrade"), Some("websocket"), "{answer:?}");
                }
            }),
        row("a coded payload is not stored as if it were plain", "jetty/jetty.project#5285")
            .send(request(POST, "Content-Encoding: gzip\r\n", "hi"))
            .answers(&[415])
            .holds(|seen| {
                assert_eq!(seen.answers[0].header("accept-encoding"), Some("identity"));
                assert_eq!(seen.published, 0);
            }),
        row("a weight of 0 is a rejection", "RFC 9110, section 12.4.2")
            .send(request(GET, "Accept: text/event-stream;q=0\r\n", ""))
            .answers(&[200])
            .stays_open(),
        row("a stream is not stored, and is forwarded as it comes", "RFC 10036").scenario(|hub| {
            async {
                let mut raw = Raw::connect(hub.address).await;
                raw.send(request(SSE, "", "")).await;
                let head = raw.head().await;
                assert_eq!(head.header("cache-control"), Some("no-store, no-transform"));
                assert_eq!(head.header("incremental"), Some("?1"));
            }
            .boxed_local()
        }),
    ]
}

fn names(seen: &Seen, words: &[&str]) {
    let text = seen.answers[0].text();
    for word in words {
        assert!(text.contains(word), "{word} is not in {text}");
    }
}

async fn status(hub: &Running, request: &str) -> u16 {
    let mut raw = Raw::connect(hub.address).await;
    raw.send(request).await;
    raw.head().await.status
}
