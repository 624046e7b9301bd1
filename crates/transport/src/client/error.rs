//! Why a connection could not be made, or broke.

use std::time::Duration;

use http::StatusCode;
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
    /// What broke, with each of its causes.
    pub fn broken(error: &dyn std::error::Error) -> Self {
        Self::Broken(with_causes(error))
    }

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

    /// After how long to try again, where the hub says so.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
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
