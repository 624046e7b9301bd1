//! The errors of clients.

use std::time::{Duration, SystemTime};

use http::response::Parts;
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use thiserror::Error;
use url::Url;

use super::{CertificateProblem, options::without_secrets, shown};

/// The longest `Retry-After` that is used. A longer one is reduced to this.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// The reason why a client could not connect, or why its connection or its request failed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The URL cannot be connected to.
    #[error("{url}: {problem}")]
    BadUrl {
        /// The URL, without secrets.
        url: String,
        /// The problem.
        problem: &'static str,
    },
    /// The name could not be resolved, or the TCP connection could not be opened.
    #[error("no connection to {address}")]
    Connect {
        /// The host and the port.
        address: String,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// The certificate of the server is not accepted.
    #[error("the certificate of {address} is not accepted: {problem}: {}", .problem.remedy())]
    Certificate {
        /// The host and the port, and the IP address if the host is a name.
        address: String,
        /// The reason.
        problem: CertificateProblem,
    },
    /// The TLS handshake failed for any other reason.
    #[error("no TLS with {address}")]
    Tls {
        /// The host and the port, and the IP address if the host is a name.
        address: String,
        /// The error of rustls.
        source: std::io::Error,
    },
    /// The server sent nothing within a time limit.
    #[error("the server is silent: waited {after:?} for {waited_for}")]
    TimedOut {
        /// What the client waited for.
        waited_for: &'static str,
        /// How long it waited.
        after: Duration,
    },
    /// The server rejected the request.
    #[error("the server responded with {status}: {message}")]
    Rejected {
        /// The status of the response.
        status: StatusCode,
        /// The server's code of the error. `None` for a response without one, which may come from another server, such
        /// as a proxy.
        code: Option<String>,
        /// The server's message, otherwise the title or the first line of the body.
        message: String,
        /// The time to wait before the next attempt. `None` for a response without `Retry-After`.
        retry_after: Option<Duration>,
    },
    /// The server sent bytes that violate the protocol.
    #[error("invalid {transport} from the server: {problem}")]
    Protocol {
        /// What was expected, such as `event stream`.
        transport: &'static str,
        /// The problem.
        problem: String,
    },
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(String),
}

impl ClientError {
    /// Returns `true` if a client should not try again, because the same request would have the same result. The table
    /// in `docs/protocol.md` ("What ends a client, and what it retries") gives the reason for each status.
    pub fn is_final(&self) -> bool {
        match self {
            Self::BadUrl { .. } | Self::Certificate { .. } => true,
            Self::Rejected { status, .. } => match status.as_u16() {
                204 | 300..400 | 501 | 505 => true,
                408 | 425 | 429 => false,
                other => (400..500).contains(&other),
            },
            Self::Connect { .. } | Self::Tls { .. } | Self::TimedOut { .. } => false,
            Self::Protocol { .. } | Self::Broken(_) => false,
        }
    }

    /// A `404` that does not come from tidings. A load balancer sends one while its only server restarts, so it is not
    /// final for a client that was connected before.
    pub(super) fn is_missing_server(&self) -> bool {
        matches!(self, Self::Rejected { status: StatusCode::NOT_FOUND, code: None, .. })
    }

    /// The time of a certificate is over or has not begun. A renewal or a correct clock heals that, so it is not final for
    /// a client that was connected before.
    pub(super) fn is_about_time(&self) -> bool {
        use CertificateProblem::{Expired, NotYetValid};
        let Self::Certificate { problem, .. } = self else { return false };
        matches!(problem, Expired { .. } | NotYetValid { .. })
    }

    /// The error for a response with this head and body. `sent` are the headers of the request to `url`. If the message
    /// repeats their credentials, these are replaced.
    pub(super) fn rejected(head: &Parts, body: &[u8], sent: &HeaderMap, url: &Url) -> Self {
        let redirect = || {
            let location = head.headers.get(header::LOCATION)?.to_str().ok()?;
            let location =
                url.join(location).map_or_else(|_| "an invalid URL".to_owned(), |to| shown(&to));
            Some(format!("redirects are not followed, connect to {location}"))
        };
        let (code, message) = code_and_message(body);
        let message = message.or_else(redirect).map(|text| without_secrets(&text, sent, url));
        Self::Rejected {
            status: head.status,
            code,
            message: message.unwrap_or_else(|| "no reason given".to_owned()),
            retry_after: retry_after(&head.headers),
        }
    }

    /// Returns the time to wait before the next attempt, or `None` if the server did not send one.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Rejected { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// The code and the message of the server's `{"error":{"code","message"}}`. For any other body, the code is `None`, and
/// the message is the title of the page or the first line, cut to 512 characters.
fn code_and_message(body: &[u8]) -> (Option<String>, Option<String>) {
    #[derive(Deserialize)]
    struct Rejection {
        error: Content,
    }
    #[derive(Deserialize)]
    struct Content {
        code: String,
        message: String,
    }
    if let Ok(Rejection { error }) = serde_json::from_slice(body) {
        return (Some(error.code), Some(error.message));
    }
    let text = String::from_utf8_lossy(body);
    let title = text.split_once("<title>").and_then(|(_, rest)| rest.split_once("</title>"));
    let line =
        title.map_or_else(|| text.trim().lines().next().unwrap_or_default(), |it| it.0.trim());
    let text: String = line.chars().take(512).collect();
    (None, (!text.is_empty()).then_some(text))
}

/// Returns the time in `Retry-After`, which is a number of seconds or a date (RFC 9110, section 10.2.3), or `None` if
/// it is missing or malformed. At most one hour.
///
/// A date is compared with the `Date` of the response if it has one, so that a wrong clock on this machine does not
/// matter.
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

    fn rejected(status: u16, header: (&str, &str), body: &str) -> ClientError {
        let response = http::Response::builder().status(status).header(header.0, header.1);
        let head = response.body(()).unwrap().into_parts().0;
        let url = "http://h/a".parse().unwrap();
        ClientError::rejected(&head, body.as_bytes(), &HeaderMap::new(), &url)
    }

    #[test]
    fn the_message_of_a_rejection_is_the_servers_or_from_the_body_or_the_location() {
        for (status, header, body, words) in [
            (403, ("x", ""), r#"{"error":{"code":"c","message":"log in"}}"#, "log in"),
            (404, ("x", ""), " <p>no such\r\npage", "<p>no such"),
            (403, ("x", ""), "<html>\n<head><title>403 Forbidden</title></head>", "403 Forbidden"),
            (302, ("location", "/b"), "", "connect to http://h/b"),
            (204, ("x", ""), "", "no reason given"),
        ] {
            let error = rejected(status, header, body);
            assert!(error.to_string().ends_with(words), "{error}");
            assert!(error.is_final(), "{error}");
        }
    }

    #[test]
    fn retry_after_is_read_in_seconds_and_as_a_date() {
        let after = |value| rejected(503, ("retry-after", value), "").retry_after();
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

    /// The cells of each row of one table in the section about what ends a client.
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
            other => panic!("expected `ends` or `retries`, not {other:?}"),
        }
    }

    fn words_of(cell: &str) -> impl Iterator<Item = &str> {
        cell.split(' ').map(|word| word.trim_matches('`'))
    }

    #[test]
    fn is_final_agrees_with_the_table_of_statuses() {
        let rows = rows("Responses");
        assert!(rows.len() > 5, "{rows:?}");
        for status in (200..600).filter(|status| *status != 200) {
            // A row that names the status takes precedence over one that names its class.
            let class = format!("{}xx", status / 100);
            let named =
                |name: &str| rows.iter().find(|row| words_of(&row[0]).any(|word| word == name));
            let row = named(&status.to_string()).or_else(|| named(&class)).unwrap();
            assert_eq!(rejected(status, ("x", ""), "").is_final(), ends(&row[1]), "{status}");
        }
    }

    #[test]
    fn is_final_agrees_with_the_table_of_failures_without_a_response() {
        let io = || std::io::Error::other("");
        let failures = [
            vec![ClientError::BadUrl { url: String::new(), problem: "" }],
            vec![ClientError::Certificate {
                address: String::new(),
                problem: CertificateProblem::UnknownIssuer,
            }],
            vec![
                ClientError::Connect { address: String::new(), source: io() },
                ClientError::Tls { address: String::new(), source: io() },
                ClientError::Broken(String::new()),
                ClientError::TimedOut { waited_for: "", after: Duration::ZERO },
            ],
            vec![ClientError::Protocol { transport: "", problem: String::new() }],
        ];
        let rows = rows("No response");
        assert_eq!(rows.len(), failures.len());
        for (row, failures) in rows.iter().zip(failures) {
            for failure in failures {
                assert_eq!(failure.is_final(), ends(&row[1]), "{}: {failure}", row[0]);
            }
        }
    }

    #[test]
    fn is_worth_reconnecting_agrees_with_the_table_of_goodbyes() {
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
        assert_eq!(reasons, tidings_core::Reason::ALL.len(), "the table lacks a reason");
        for code in [None, Some(1012), Some(4000)] {
            let unknown = Goodbye { code, reason: String::new() };
            assert_eq!(!unknown.is_worth_reconnecting(), ends(&any_other[2]));
        }
    }
}
