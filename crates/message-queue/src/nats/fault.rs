//! Why a request to the server failed.

use async_nats::Message;
use serde::de::DeserializeOwned;
use tidings_core::BrokerError;

use super::api::{Answer, ApiError};
use crate::fault::{away, rejected};

/// Why a request failed.
#[derive(Debug)]
pub(super) enum Fault {
    /// No response: the server is not connected, or it took too long.
    NoResponse(String),
    /// The server does not permit it. Another attempt would fail as well.
    Rejected(String),
    /// The server responded with an error.
    Api(ApiError),
}

impl Fault {
    pub(super) fn named(self, broker: &str) -> BrokerError {
        match self {
            Self::NoResponse(problem) => away(broker, problem),
            Self::Rejected(problem) => rejected(broker, problem),
            Self::Api(error) if error.is_passing() => away(broker, error.to_string()),
            Self::Api(error) => rejected(broker, error.to_string()),
        }
    }
}

/// Parses the JSON response to an API request.
pub(super) fn answer<T: DeserializeOwned>(message: &Message) -> Result<T, Fault> {
    match serde_json::from_slice(&message.payload) {
        Ok(Answer::Yes(answer)) => Ok(answer),
        Ok(Answer::No { error }) => Err(Fault::Api(error)),
        Err(error) => {
            Err(Fault::NoResponse(format!("cannot parse the response of the server: {error}")))
        }
    }
}
