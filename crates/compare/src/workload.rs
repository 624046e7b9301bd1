//! The number of clients, and the notifications that are published to them.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::protocol::MAX_SOCKETS;

/// The clients and what is published to them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Workload {
    /// Connected clients, each of which receives every notification. Default: 1,000.
    pub clients: usize,
    /// Notifications per second in the stages steady and burst. If the server or the load cannot keep up, the latency
    /// only shows how long the queue grew. Default: 20.
    pub rate: f64,
    /// Bytes of each payload, at least [`Workload::MIN_PAYLOAD`]. Default: 128.
    pub payload: usize,
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

/// An invalid plan, with the reason.
#[derive(Debug, Error, PartialEq)]
#[error("{0}")]
pub struct PlanError(pub(crate) String);

impl Default for Workload {
    fn default() -> Self {
        Self {
            clients: 1_000,
            rate: 20.0,
            payload: 128,
            rounds: 3,
            steady_seconds: 1.0,
            burst_seconds: 1.0,
            saturation_seconds: 0.3,
            tls: false,
            publishers: 64,
        }
    }
}

impl Workload {
    /// The smallest payload in bytes. It has room for a stamp.
    pub const MIN_PAYLOAD: usize = 48;
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
            ("payload", payload, Self::MIN_PAYLOAD, Self::MAX_PAYLOAD),
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
