//! Why a connection could not be made, or broke.

use std::time::{Duration, SystemTime};

use http::response::Parts;
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use thiserror::Error;
use url::Url;

use super::{options::without_secrets, shown};

/// The longest `Retry-After` that is waited for.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// Why a connection could not be made, or broke.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The address is not one to connect to.
    #[error("{url}: {problem}")]
    BadUrl {
        /// What was given.
        url: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// No connection.
    #[error("no connection to {address}")]
    Connect {
        /// Host and port.
        address: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// No TLS over a connection that stands.
    #[error("no TLS with {address}")]
    Tls {
        /// Host and port, and the address that the name stands for.
        address: String,
        /// What rustls says, such as that the certificate is not valid.
        source: std::io::Error,
    },
    /// The server is silent.
    #[error("the server is silent: waited {after:?} for {waited_for}")]
    TimedOut {
        /// What should have come.
        waited_for: &'static str,
        /// The limit that is over.
        after: Duration,
    },
    /// The hub answered, and refused.
    #[error("the hub answered {status}: {message}")]
    Refused {
        /// The status.
        status: StatusCode,
        /// The hub's code of the error. `None` if the answer has none, and then it may be another
        /// server's, such as a proxy's.
        code: Option<String>,
        /// The hub's own words, or the body.
        message: String,
        /// After how long to try again, where the hub says so.
        retry_after: Option<Duration>,
    },
    /// What arrived is not what the transport's standard says.
    #[error("the hub sent what is no {transport}: {problem}")]
    Protocol {
        /// The transport.
        transport: &'static str,
        /// What was wrong.
        problem: String,
    },
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(String),
}

impl ClientError {
    /// Returns `true` if a client should not try again, because the same request would get the same
    /// answer. The table in `docs/protocol.md` ("What ends a client, and what it retries") gives the
    /// reason for each status.
    pub fn is_final(&self) -> bool {
        match self {
            Self::BadUrl { .. } => true,
            Self::Refused { status, .. } => match status.as_u16() {
                204 | 300..400 | 501 | 505 => true,
                408 | 425 | 429 => false,
                other => (400..500).contains(&other),
            },
            Self::Connect { .. } | Self::Tls { .. } | Self::TimedOut { .. } => false,
            Self::Protocol { .. } | Self::Broken(_) => false,
        }
    }

    /// Returns `true` for a `404` that does not come from a hub. A load balancer answers so while its
    /// only server restarts, so it is not final for a client that was connected before.
    pub(super) fn is_missing_server(&self) -> bool {
        matches!(self, Self::Refused { status: StatusCode::NOT_FOUND, code: None, .. })
    }

    /// The rejection that this answer is. `sent` are the headers that were sent to `url`, whose values a
    /// server may repeat.
    pub(super) fn refused(head: &Parts, body: &[u8], sent: &HeaderMap, url: &Url) -> Self {
        let elsewhere = || {
            let address = head.headers.get(header::LOCATION)?.to_str().ok()?;
            let address =
                url.join(address).map_or_else(|_| "no valid URL".to_owned(), |to| shown(&to));
            Some(format!("it is elsewhere, connect to {address}"))
        };
        let (code, message) = words(body);
        let message = message.or_else(elsewhere).map(|text| without_secrets(&text, sent, url));
        Self::Refused {
            status: head.status,
            code,
            message: message.unwrap_or_else(|| "it gave no reason".to_owned()),
            retry_after: retry_after(&head.headers),
        }
    }

    /// After how long to try again, where the hub says so.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// Reads code and message of the hub's `{"error":{"code","message"}}`. The message of any other body is
/// the title of a page, or the first line.
fn words(body: &[u8]) -> (Option<String>, Option<String>) {
    #[derive(Deserialize)]
    struct Refused {
        error: Told,
    }
    #[derive(Deserialize)]
    struct Told {
        code: String,
        message: String,
    }
    if let Ok(Refused { error }) = serde_json::from_slice(body) {
        return (Some(error.code), Some(error.message));
    }
    let text = String::from_utf8_lossy(body);
    let title = text.split_once("<title>").and_then(|(_, rest)| rest.split_once("</title>"));
    let line =
        title.map_or_else(|| text.trim().lines().next().unwrap_or_default(), |it| it.0.trim());
    let text: String = line.chars().take(512).collect();
    (None, (!text.is_empty()).then_some(text))
}

/// Reads `Retry-After`, which is seconds or a date (RFC 9110, section 10.2.3). A date is held against the
/// answer's own `Date` if it has one, so that a wrong clock on this machine does not matter.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name)?.to_str().ok();
    let date = |name| httpdate::parse_http_date(text(name)?).ok();
    let wait = match text(header::RETRY_AFTER)?.trim().parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let now = date(header::DATE).unwrap_or_else(SystemTime::now);
            date(header::RETRY_AFTER)?.duration_since(now).unwrap_or_default()
        }
    };
    Some(wait.min(LONGEST_RETRY_AFTER))
}

/// An error and its causes on one line.
pub(super) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::client::Goodbye;

    fn refused(status: u16, header: (&str, &str), body: &str) -> ClientError {
        let response = http::Response::builder().status(status).header(header.0, header.1);
        let head = response.body(()).unwrap().into_parts().0;
        let url = "http://h/a".parse().unwrap();
        ClientError::refused(&head, body.as_bytes(), &HeaderMap::new(), &url)
    }

    #[test]
    fn a_rejection_is_told_with_code_and_message_or_with_the_body() {
        for (status, header, body, words) in [
            (403, ("x", ""), r#"{"error":{"code":"c","message":"log in"}}"#, "log in"),
            (404, ("x", ""), " <p>no such\r\npage", "<p>no such"),
            (403, ("x", ""), "<html>\n<head><title>403 Forbidden</title></head>", "403 Forbidden"),
            (302, ("location", "/b"), "", "connect to http://h/b"),
            (204, ("x", ""), "", "it gave no reason"),
        ] {
            let error = refused(status, header, body);
            assert!(error.to_string().ends_with(words), "{error}");
            assert!(error.is_final(), "{error}");
        }
    }

    #[test]
    fn retry_after_is_read_in_seconds_and_as_a_date() {
        let after = |value| refused(503, ("retry-after", value), "").retry_after();
        assert_eq!(after("5"), Some(Duration::from_secs(5)));
        assert_eq!(after("99999999999"), Some(LONGEST_RETRY_AFTER));
        assert_eq!(after("Fri, 31 Dec 1999 23:59:59 GMT"), Some(Duration::ZERO));
        assert_eq!(after("-1"), None);
        assert_eq!(after("soon"), None);

        let mut headers = HeaderMap::new();
        headers.insert(header::DATE, "Fri, 31 Dec 1999 23:59:29 GMT".parse().unwrap());
        headers.insert(header::RETRY_AFTER, "Fri, 31 Dec 1999 23:59:59 GMT".parse().unwrap());
        assert_eq!(retry_after(&headers), Some(Duration::from_secs(30)));
    }

    /// The rows of one table of the section about what ends a client: the cells of each.
    fn rows(caption: &str) -> Vec<Vec<String>> {
        let page = include_str!("../../../../docs/protocol.md");
        let section = page.split("## What ends a client, and what it retries").nth(1).unwrap();
        let table = section.split(&format!("**{caption}**")).nth(1).unwrap();
        let rows = table.lines().skip_while(|line| !line.starts_with('|')).skip(2);
        let rows = rows.take_while(|line| line.starts_with('|'));
        let cells =
            |row: &str| row.trim_matches('|').split('|').map(|c| c.trim().to_owned()).collect();
        rows.map(cells).collect()
    }

    fn ends(cell: &str) -> bool {
        match cell {
            "ends" => true,
            "retries" => false,
            other => panic!("a client ends or retries, and does not {other:?}"),
        }
    }

    fn words_of(cell: &str) -> impl Iterator<Item = &str> {
        cell.split(' ').map(|word| word.trim_matches('`'))
    }

    #[test]
    fn the_table_of_statuses_is_followed() {
        let rows = rows("Answers");
        assert!(rows.len() > 5, "{rows:?}");
        for status in (200..600).filter(|status| *status != 200) {
            // A row that names the status counts before one that names its class.
            let class = format!("{}xx", status / 100);
            let named =
                |name: &str| rows.iter().find(|row| words_of(&row[0]).any(|word| word == name));
            let row = named(&status.to_string()).or_else(|| named(&class)).unwrap();
            assert_eq!(refused(status, ("x", ""), "").is_final(), ends(&row[1]), "{status}");
        }
    }

    #[test]
    fn the_table_of_failures_without_an_answer_is_followed() {
        let io = || std::io::Error::other("");
        let failures = [
            vec![ClientError::BadUrl { url: String::new(), problem: "" }],
            vec![
                ClientError::Connect { address: String::new(), source: io() },
                ClientError::Tls { address: String::new(), source: io() },
                ClientError::Broken(String::new()),
                ClientError::TimedOut { waited_for: "", after: Duration::ZERO },
            ],
            vec![ClientError::Protocol { transport: "", problem: String::new() }],
        ];
        let rows = rows("No answer");
        assert_eq!(rows.len(), failures.len());
        for (row, failures) in rows.iter().zip(failures) {
            for failure in failures {
                assert_eq!(failure.is_final(), ends(&row[1]), "{}: {failure}", row[0]);
            }
        }
    }

    #[test]
    fn the_table_of_goodbyes_is_followed() {
        let rows = rows("Goodbyes");
        let (any_other, named) = rows.split_last().unwrap();
        assert!(named.len() > 5, "{rows:?}");
        let mut reasons = 0;
        for row in named {
            for reason in words_of(&row[0]) {
                let goodbye: Goodbye = serde_json::from_value(json!({ "reason": reason })).unwrap();
                assert_eq!(goodbye.code.map(|code| code.to_string()).as_deref(), Some(&*row[1]));
                assert_eq!(!goodbye.is_worth_reconnecting(), ends(&row[2]), "{reason}");
                reasons += 1;
            }
        }
        assert_eq!(reasons, tidings_core::Reason::ALL.len(), "the table has every reason");
        for code in [None, Some(1012), Some(4000)] {
            let unknown = Goodbye { code, reason: String::new() };
            assert_eq!(!unknown.is_worth_reconnecting(), ends(&any_other[2]));
        }
    }
}
