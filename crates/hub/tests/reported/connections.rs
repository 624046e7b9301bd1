//! How connections end.

use std::time::Duration;

use futures::FutureExt;

use super::row::{Row, row};
use crate::support::Raw;

pub(super) fn rows() -> Vec<Row> {
    vec![
        row("a connection that is asked to end does", "RFC 9112, section 9.6")
            .send("GET /healthz HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n")
            .answers(&[200])
            .closes()
            .holds(|seen| assert_eq!(seen.answers[0].header("connection"), Some("close"))),
        row("a head that stops half way is not waited for", "CVE-2007-6750, Slowloris")
            .config(|config| config.head_deadline = Duration::from_millis(100))
            .scenario(|hub| {
                async {
                    let mut raw = Raw::connect(hub.address).await;
                    raw.send("GET /topics/t HTT").await;
                    assert!(raw.rest().await.len() < 4096, "the connection ends");
                }
                .boxed_local()
            }),
    ]
}
