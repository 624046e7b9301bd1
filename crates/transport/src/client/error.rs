//! Why a connection could not be made, or broke.

use std::time::Duration;

use http::response::Parts;
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use thiserror::Error;

/// Why a connection could not be made, or broke.
#[derive(Debug, Error)]
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
    /// The hub answered, and refused.
    #[error("the hub answered {status}: {message}")]
    Refused {
        /// The status.
        status: StatusCode,
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
    /// Whether to ask again would only get the same answer: the address is none, or the hub refused this
    /// very request (RFC 9110, section 15.5). `408` and `429` say to come back, and `204` tells an event
    /// stream to stop (HTML standard, section 9.2.3).
    pub fn is_final(&self) -> bool {
        match self {
            Self::BadUrl { .. } => true,
            Self::Refused { status, .. } => {
                let later = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS];
                status.as_u16() < 500 && !later.contains(status)
            }
            Self::Connect { .. } | Self::Protocol { .. } | Self::Broken(_) => false,
        }
    }

    /// The refusal that this answer is.
    pub(super) fn refused(head: &Parts, body: &[u8]) -> Self {
        let elsewhere = || {
            let address = head.headers.get(header::LOCATION)?.to_str().ok()?;
            Some(format!("it is elsewhere, connect to {address}"))
        };
        let message = words(body).or_else(elsewhere);
        Self::Refused {
            status: head.status,
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

/// The hub's `{"error":{"message"}}`, or the beginning of whatever text came in its place.
fn words(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Refused {
        error: Told,
    }
    #[derive(Deserialize)]
    struct Told {
        message: String,
    }
    if let Ok(refused) = serde_json::from_slice::<Refused>(body) {
        return Some(refused.error.message);
    }
    let text = String::from_utf8_lossy(body);
    let text: String = text.trim().chars().take(512).collect();
    (!text.is_empty()).then_some(text)
}

/// `Retry-After` in seconds (RFC 9110, section 10.2.3). A date is left alone: it says less than a client's
/// own backoff wherever the two clocks differ.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    seconds.trim().parse::<u32>().ok().map(|seconds| Duration::from_secs(seconds.into()))
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
    use super::*;

    fn refused(status: u16, header: (&str, &str), body: &str) -> ClientError {
        let response = http::Response::builder().status(status).header(header.0, header.1);
        let head = response.body(()).unwrap().into_parts().0;
        ClientError::refused(&head, body.as_bytes())
    }

    #[test]
    fn a_refusal_is_told_as_well_as_can_be() {
        for (status, header, body, words) in [
            (403, ("x", ""), r#"{"error":{"code":"c","message":"log in"}}"#, "log in"),
            (404, ("x", ""), " <p>no such\r\n", "<p>no such"),
            (302, ("location", "/b"), "", "connect to /b"),
            (204, ("x", ""), "", "it gave no reason"),
        ] {
            let error = refused(status, header, body);
            assert!(error.to_string().ends_with(words), "{error}");
            assert!(error.is_final(), "{error}");
        }
    }

    #[test]
    fn when_to_come_back_is_read_in_seconds() {
        let after = |value| refused(503, ("retry-after", value), "").retry_after();
        assert_eq!(after("5"), Some(Duration::from_secs(5)));
        assert_eq!(after("Fri, 31 Dec 1999 23:59:59 GMT"), None);
        assert_eq!(after("-1"), None);
    }
}
