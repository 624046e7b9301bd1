//! Where one request ends and the next one begins, and which requests are rejected for their form.

use futures::FutureExt;

use super::row::{Row, Seen, row};
use crate::support::{Raw, Running};

const HIDDEN: &str = "POST /topics/hidden HTTP/1.1\r\nHost: hub\r\nContent-Length: 2\r\n\r\nhi";

pub(super) fn rows() -> Vec<Row> {
    let mut rows = vec![
        row("two requests in one segment are two requests", "RFC 9112, section 9.3.2")
            .send("GET /healthz HTTP/1.1\r\nHost: hub\r\n\r\n")
            .send(HIDDEN)
            .answers(&[200, 200])
            .stays_open()
            .holds(|seen| assert_eq!(seen.published, 1)),
        row("a body may come in several segments", "RFC 9112, section 6")
            .send("POST /topics/t HTTP/1.1\r\nHost: hub\r\nContent-Length: 5\r\n\r\n")
            .later("he")
            .later("llo")
            .answers(&[200])
            .stays_open()
            .holds(|seen| assert_eq!(seen.published, 1)),
        row("an incomplete body ends the connection", "walkor/workerman#582")
            .config(|config| config.body_deadline = std::time::Duration::from_millis(100))
            .send("GET /healthz HTTP/1.1\r\nHost: hub\r\nContent-Length: 9000\r\n\r\n")
            .later(HIDDEN)
            .answers(&[408])
            .closes()
            .holds(nothing_is_published),
        row("a body that is too large ends the connection", "walkor/workerman#582")
            .send("GET /healthz HTTP/1.1\r\nHost: hub\r\nContent-Length: 90000000\r\n\r\n")
            .later(HIDDEN)
            .answers(&[413])
            .closes()
            .holds(nothing_is_published),
        row("the body of a rejected publish is not the next request", "hyperium/hyper#309")
            .send("POST /topics/t HTTP/1.1\r\nHost: hub\r\nOrigin: http://evil.example\r\n")
            .send(format!("Content-Length: {}\r\n\r\n", HIDDEN.len()))
            .later(HIDDEN)
            .answers(&[403])
            .closes()
            .holds(nothing_is_published),
        row("a request for a stream may have a body", "hyperium/hyper#309")
            .scenario(|hub| with_body(hub, "Accept: text/event-stream\r\n", "data: news").boxed_local()),
        row("a held poll may have a body", "hyperium/hyper#309")
            .scenario(|hub| with_body(hub, "", "\"data\":\"news\"").boxed_local()),
        row("a handshake with a body is rejected", "RFC 6455, section 4.1")
            .send("GET /topics/t HTTP/1.1\r\nHost: hub\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n")
            .send("Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n")
            .send(format!("Content-Length: {}\r\n\r\n", HIDDEN.len()))
            .later(HIDDEN)
            .answers(&[400])
            .holds(nothing_is_published),
        row("a large upload is rejected before it is sent", "RFC 9110, section 10.1.1")
            .send("POST /topics/t HTTP/1.1\r\nHost: hub\r\nExpect: 100-continue\r\n")
            .send("Content-Length: 90000000\r\n\r\n")
            .answers(&[413])
            .closes()
            .holds(|seen| assert!(!seen.text.contains("100 Continue"), "{}", seen.text)),
        row("a client that expects 100 receives it", "RFC 9110, section 10.1.1")
            .send("POST /topics/t HTTP/1.1\r\nHost: hub\r\nExpect: 100-continue\r\n")
            .send("Content-Length: 2\r\n\r\n")
            .later("hi")
            .answers(&[200])
            .stays_open()
            .holds(|seen| assert!(seen.text.starts_with("HTTP/1.1 100 Continue"), "{}", seen.text)),
        row("a trailer does not decide the framing", "benoitc/gunicorn, requests/invalid")
            .send("POST /topics/t HTTP/1.1\r\nHost: hub\r\nTransfer-Encoding: chunked\r\n\r\n")
            .send("2\r\nhi\r\n0\r\nContent-Length: 99\r\n\r\n")
            .answers(&[400])
            .holds(nothing_is_published),
    ];
    rows.extend(bodies());
    rows.extend(malformed());
    rows
}

fn nothing_is_published(seen: &Seen) {
    assert_eq!(seen.published, 0, "{}", seen.text);
}

/// Requests with a body that they do not use. The body is read to its end and is not the next request.
fn bodies() -> impl Iterator<Item = Row> {
    let requests = [
        ("GET /topics/t?after=earliest&wait=0", "", 200),
        ("GET /topics/t", "", 200),
        ("GET /healthz", "", 200),
        ("GET /", "", 200),
        ("GET /metrics", "", 200),
        ("GET /nowhere", "", 404),
        ("GET /topics/a..b", "", 400),
        ("HEAD /topics/t", "", 200),
        ("HEAD /healthz", "", 200),
        ("DELETE /topics/t", "", 405),
        ("PUT /healthz", "", 405),
        ("OPTIONS /topics/t", "", 405),
        ("OPTIONS *", "", 404),
        ("GET /topics/t?wait=0&after=earliest", "Connection: keep-alive\r\n", 200),
    ];
    requests.into_iter().flat_map(|(line, headers, status)| {
        let length = HIDDEN.len();
        let framings = [
            (format!("Content-Length: {length}\r\n"), HIDDEN.to_owned()),
            (
                "Transfer-Encoding: chunked\r\n".to_owned(),
                format!("{length:x}\r\n{HIDDEN}\r\n0\r\n\r\n"),
            ),
        ];
        framings.into_iter().flat_map(move |(framing, body)| {
            let head = format!("{line} HTTP/1.1\r\nHost: hub\r\n{headers}{framing}\r\n");
            let name =
                format!("the body of {line} with {} is not the next request", framing.trim_end());
            let row = || {
                row(name.clone(), "hyperium/hyper#309, walkor/workerman#582")
                    .answers(&[status])
                    .stays_open()
                    .holds(nothing_is_published)
            };
            [row().send(&head).send(&body), row().send(&head).later(&body)]
        })
    })
}

/// Requests that are rejected for their form. The body of the response contains the reason, and the connection ends.
fn malformed() -> impl Iterator<Item = Row> {
    let post = |lines: &str| format!("POST /topics/t HTTP/1.1\r\nHost: hub\r\n{lines}\r\n");
    let get = |lines: &str| format!("GET /healthz HTTP/1.1\r\n{lines}\r\n");
    let line = |line: &str| format!("{line}\r\nHost: hub\r\n\r\n");
    let chunks = |chunks: &str| post("Transfer-Encoding: chunked\r\n") + chunks;
    const GUNICORN: &str = "benoitc/gunicorn, requests/invalid";
    [
        ("no Host", "RFC 9112, section 3.2", get(""), 400),
        ("a Host with nothing in it", "RFC 9112, section 3.2", get("Host: \r\n"), 400),
        ("a Host with a blank", "RFC 9112, section 3.2", get("Host: a b\r\n"), 400),
        ("a Host with user information", "RFC 9112, section 3.2", get("Host: a@b\r\n"), 400),
        ("two Hosts", GUNICORN, get("Host: a\r\nHost: b\r\n"), 400),
        ("an unknown coding", "RFC 9112, section 6.1", post("Transfer-Encoding: gzip\r\n"), 501),
        (
            "a coding before chunked",
            "RFC 9112, section 6.1",
            post("Transfer-Encoding: gzip, chunked\r\n"),
            501,
        ),
        ("a coding after chunked", GUNICORN, post("Transfer-Encoding: chunked, identity\r\n"), 501),
        (
            "chunked twice",
            GUNICORN,
            post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
            400,
        ),
        (
            "a length and a coding",
            GUNICORN,
            post("Content-Length: 3\r\nTransfer-Encoding: chunked\r\n"),
            400,
        ),
        ("two equal lengths", GUNICORN, post("Content-Length: 0\r\nContent-Length: 0\r\n"), 400),
        ("a list of lengths", GUNICORN, post("Content-Length: 5, 5\r\n"), 400),
        ("a length with a sign", GUNICORN, post("Content-Length: +1\r\n"), 400),
        ("a length below zero", GUNICORN, post("Content-Length: -1\r\n"), 400),
        ("a length with an underscore", GUNICORN, post("Content-Length: 0_1\r\n"), 400),
        ("a length with a blank", GUNICORN, post("Content-Length: 0 1\r\n"), 400),
        ("a length that is a word", GUNICORN, post("Content-Length: bla-bla-bla\r\n"), 400),
        ("a blank before a colon", GUNICORN, post("Content-Length : 3\r\n"), 400),
        ("two media types", GUNICORN, post("Content-Type: a/b\r\nContent-Type: c/d\r\n"), 400),
        ("a folded line", GUNICORN, post("Long: one\r\n two\r\n"), 400),
        ("a bell in a value", GUNICORN, post("X: plain\u{7}injected\r\n"), 400),
        ("a DEL in a value", GUNICORN, post("X: plain\u{7f}injected\r\n"), 400),
        (
            "a line end in a value",
            GUNICORN,
            post("X: a\nContent-Length: 26\r\nGET / HTTP/1.1\nHost: x\r\n"),
            400,
        ),
        ("a name that is not ASCII", GUNICORN, post("Content-Lengthß: 3\r\n"), 400),
        ("a method that is not ASCII", GUNICORN, line("GETß /healthz HTTP/1.1"), 400),
        ("a method with a colon", GUNICORN, line("GET: /healthz HTTP/1.1"), 400),
        ("a method with a NUL", GUNICORN, line("GET\0 /healthz HTTP/1.1"), 400),
        ("no target", GUNICORN, line("GET HTTP/1.1"), 400),
        ("a relative target", GUNICORN, line("GET foo/bar HTTP/1.1"), 400),
        ("an asterisk with GET", GUNICORN, line("GET * HTTP/1.1"), 400),
        ("an authority with GET", GUNICORN, line("GET example.com:443 HTTP/1.1"), 400),
        ("a URL that is broken", GUNICORN, line("PUT s://]ufd/: HTTP/1.1"), 400),
        (
            "a character that is not one of a URL",
            "RFC 3986, section 2",
            line("GET /a<b HTTP/1.1"),
            400,
        ),
        ("another protocol", GUNICORN, line("GET /healthz FTP/1.1"), 400),
        ("a later version", GUNICORN, line("GET /healthz HTTP/2.0"), 505),
        (
            "TLS",
            "curl https:// to a port without TLS",
            "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}".into(),
            400,
        ),
        (
            "a coding with HTTP/1.0",
            GUNICORN,
            "POST /topics/t HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n".into(),
            400,
        ),
        (
            "a head that is too large",
            GUNICORN,
            get(&format!("Host: h\r\nX: {}\r\n", "x".repeat(40 << 10))),
            431,
        ),
        (
            "too many lines",
            GUNICORN,
            get(&("Host: h\r\n".to_owned() + &"X: 1\r\n".repeat(101))),
            431,
        ),
        (
            "a target that is too long",
            GUNICORN,
            line(&format!("GET /{} HTTP/1.1", "x".repeat(40 << 10))),
            414,
        ),
        ("a size of a chunk with a sign", GUNICORN, chunks("+5\r\nhello\r\n0\r\n\r\n"), 400),
        ("a size of a chunk below zero", GUNICORN, chunks("-5\r\nhello\r\n0\r\n\r\n"), 400),
        (
            "a size of a chunk with an underscore",
            GUNICORN,
            chunks("5\r\nhello\r\n6_0\r\n world\r\n0\r\n\r\n"),
            400,
        ),
        ("a blank before the size of a chunk", GUNICORN, chunks("5\r\nhello\r\n 0\r\n\r\n"), 400),
        ("no size of a chunk", GUNICORN, chunks("\r\nhello\r\n0\r\n\r\n"), 400),
        ("only an extension of a chunk", GUNICORN, chunks(" ;foo=bar\r\nhello\r\n0\r\n\r\n"), 400),
        (
            "a bare CR in an extension of a chunk",
            GUNICORN,
            chunks("5;ext=val\rue\r\nhello\r\n0\r\n\r\n"),
            400,
        ),
        (
            "a bare LF after the size of a chunk",
            GUNICORN,
            chunks("5\n;\r\nhello\r\n0\r\n\r\n"),
            400,
        ),
    ]
    .into_iter()
    .map(|(name, report, request, status)| {
        row(name, report).send(request + HIDDEN).answers(&[status]).closes().holds(|seen| {
            nothing_is_published(seen);
            let (_, code) = seen.answers[0].rejection();
            assert!(!code.is_empty());
        })
    })
}

/// A client that stays connected and sends the body of its request in a later segment.
async fn with_body(hub: &Running, headers: &str, news: &str) {
    let after = hub.hub.log().head();
    let mut raw = Raw::connect(hub.address).await;
    let length = HIDDEN.len();
    raw.send(format!(
        "GET /topics/t?after={after}&wait=20 HTTP/1.1\r\nHost: hub\r\n{headers}Content-Length: {length}\r\n\r\n"
    ))
    .await;
    Raw::get(hub.address, "/healthz").await;
    raw.send(HIDDEN).await;
    crate::support::eventually("it has a seat", async || hub.hub.pool().len() == 1).await;
    hub.publish("t", "news").await;
    raw.until(news.as_bytes()).await;
    assert_eq!(hub.hub.log().head().seq, 1, "only the news");
}
