//! The number of clients, and the notifications that are published to them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::protocol::MAX_SOCKETS;

/// The clients and what is published to them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Workload {
    /// Connected clients, each of which receives every notification. Default: 1,000.
    pub clients: usize,
    /// Notifications per second in the stages steady and burst. If the server or the load cannot keep up, the latency
    /// only shows how long the queue grew. Default: 20.
    pub rate: f64,
    /// The content of each payload. Default: 128 bytes without structure.
    pub payload: Payload,
    /// Interleaved rounds with fresh servers. The medians are over rounds. Default: 3.
    pub rounds: usize,
    /// Seconds for which the stage steady publishes. Default: 1.
    pub steady_seconds: f64,
    /// Seconds for which the stage burst publishes. Default: 1.
    pub burst_seconds: f64,
    /// Seconds of the stage saturation. Default: 0.3.
    pub saturation_seconds: f64,
    /// `true` if clients and publishers connect over TLS, with a new certificate. Default: `false`.
    #[serde(default)]
    pub tls: bool,
    /// Publishing connections, which is also the number of notifications in flight at saturation. Default: 64.
    pub publishers: usize,
}

/// The content of each payload. It follows from the number of the notification, so that all contenders are sent the
/// same. Every payload has a stamp of 16 bytes, by which the load recognises it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Payload {
    /// Price ticks in JSON, about 97 bytes each.
    Ticks,
    /// Updates of orders in JSON, about 227 bytes each, with quotes that a server must escape.
    Orders,
    /// 128 bytes of random text, which can hardly be compressed.
    Random,
    /// This number of bytes, which are all the same after the stamp. At least [`Workload::MIN_PAYLOAD`].
    #[serde(untagged)]
    Plain(usize),
}

impl Payload {
    /// Its average length in bytes.
    pub(crate) fn about(self) -> usize {
        match self {
            Self::Ticks => 97,
            Self::Orders => 227,
            Self::Random => 128,
            Self::Plain(bytes) => bytes,
        }
    }

    /// Its greatest length in bytes.
    pub(crate) fn most(self) -> usize {
        match self {
            Self::Ticks | Self::Orders => self.about() + 40,
            Self::Random | Self::Plain(_) => self.about(),
        }
    }
}

impl fmt::Display for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ticks => f.write_str("ticks"),
            Self::Orders => f.write_str("orders"),
            Self::Random => f.write_str("random"),
            Self::Plain(bytes) => write!(f, "{bytes}"),
        }
    }
}

impl FromStr for Payload {
    type Err = PlanError;

    /// Reads a name, or a number of bytes.
    ///
    /// # Errors
    /// Fails if the text is neither.
    fn from_str(text: &str) -> Result<Self, PlanError> {
        let named = [Self::Ticks, Self::Orders, Self::Random];
        let named = named.into_iter().find(|one| one.to_string() == text);
        named.or_else(|| text.parse().ok().map(Self::Plain)).ok_or_else(|| {
            PlanError(format!(
                "invalid payload {text:?}: expected a number of bytes, ticks, orders or random"
            ))
        })
    }
}

/// An invalid plan, with the reason.
#[derive(Debug, Error, PartialEq)]
#[error("{0}")]
pub struct PlanError(pub(crate) String);

impl Default for Workload {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl Workload {
    pub(crate) const DEFAULT: Self = Self {
        clients: 1_000,
        rate: 20.0,
        payload: Payload::Plain(128),
        rounds: 3,
        steady_seconds: 1.0,
        burst_seconds: 1.0,
        saturation_seconds: 0.3,
        tls: false,
        publishers: 64,
    };
    /// The smallest payload in bytes, which is a stamp and nothing else.
    pub const MIN_PAYLOAD: usize = 16;
    /// The largest payload in bytes, which servers accept by default.
    pub const MAX_PAYLOAD: usize = 1024 * 1024;
    /// The most rounds.
    pub const MAX_ROUNDS: usize = 1_000;
    /// The greatest rate.
    pub const MAX_RATE: f64 = 1e6;

    /// Checks the workload.
    ///
    /// # Errors
    /// Fails if a number is out of range.
    pub(crate) fn check(&self) -> Result<(), PlanError> {
        let Self { clients, publishers, payload, rounds, rate, .. } = *self;
        let sockets = clients.saturating_add(publishers);
        if sockets > MAX_SOCKETS {
            return wrong(format!(
                "{clients} clients and {publishers} publishers need {sockets} sockets, and one load \
                 holds {MAX_SOCKETS}: use fewer clients"
            ));
        }
        for (what, given, least, most) in [
            ("clients", clients, 1, MAX_SOCKETS),
            ("publishers", publishers, 1, MAX_SOCKETS),
            ("rounds", rounds, 1, Self::MAX_ROUNDS),
            ("payload", payload.about(), Self::MIN_PAYLOAD, Self::MAX_PAYLOAD),
        ] {
            if !(least..=most).contains(&given) {
                return wrong(format!("{what} must be from {least} to {most}, not {given}"));
            }
        }
        if !(rate > 0.0 && rate <= Self::MAX_RATE) {
            let most = Self::MAX_RATE;
            return wrong(format!(
                "rate must be above 0 and at most {most} per second, not {rate}"
            ));
        }
        Ok(())
    }
}

pub(crate) fn wrong<T>(problem: String) -> Result<T, PlanError> {
    Err(PlanError(problem))
}

/// Checks names of `kind` on the command line. Each must match one of the known names, as `expected` describes.
///
/// # Errors
/// Fails with the known names at the first name that matches none of them.
pub(crate) fn check_names<'a>(
    kind: &str,
    names: impl IntoIterator<Item = &'a str>,
    expected: &str,
    known: &[&str],
    is_match: impl Fn(&str, &str) -> bool,
) -> Result<(), PlanError> {
    let is_known = |name: &&str| known.iter().any(|one| is_match(one, name));
    match names.into_iter().find(|name| !is_known(name)) {
        None => Ok(()),
        Some(name) => {
            wrong(format!("unknown {kind} {name:?}: expected {expected} {}", known.join(", ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_a_name_or_a_number_on_the_command_line_and_in_json() {
        for (text, payload) in [
            ("ticks", Payload::Ticks),
            ("orders", Payload::Orders),
            ("random", Payload::Random),
            ("300", Payload::Plain(300)),
        ] {
            assert_eq!(text.parse(), Ok(payload));
            let json = if matches!(payload, Payload::Plain(_)) {
                text.to_owned()
            } else {
                format!("{text:?}")
            };
            assert_eq!(serde_json::to_string(&payload).unwrap(), json);
            assert_eq!(serde_json::from_str::<Payload>(&json).unwrap(), payload);
        }
        let error = "pigeons".parse::<Payload>().unwrap_err().to_string();
        assert!(error.contains("ticks, orders or random"), "{error}");
    }
}
