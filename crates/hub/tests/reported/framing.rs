//! Where one request ends and the next one begins.

use super::row::{Row, row};

const HIDDEN: &str = "POST /topics/hidden HTTP/1.1\r\nHost: hub\r\nContent-Length: 2\r\n\r\nhi";

pub(super) fn rows() -> Vec<Row> {
    vec![
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
    ]
}
