//! The broker that a URL names.

use std::sync::Arc;

use tidings_core::BrokerError;
use tidings_core::broker::Broker;

use crate::Keep;
use crate::address::BrokerKind;
use crate::fault::refused;
use crate::nats::{Nats, NatsConfig};
use crate::redis::{Redis, RedisConfig};

/// What both brokers are told alike. The default suits one server.
///
/// ```
/// use tidings_message_queue::BrokerConfig;
/// let config = BrokerConfig::default().replicas(3);
/// assert_eq!(config.keep, tidings_message_queue::Keep::default());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BrokerConfig {
    /// How much the stream keeps.
    pub keep: Keep,
    /// On how many servers of a NATS cluster a new stream is stored. 1 by default. Redis has its replicas
    /// from its operator and does not look at this.
    pub replicas: usize,
}

impl Default for BrokerConfig {
    fn default() -> Self {
        Self { keep: Keep::default(), replicas: 1 }
    }
}

impl BrokerConfig {
    /// Changes how much of the stream is kept.
    pub fn keep(self, keep: Keep) -> Self {
        Self { keep, ..self }
    }

    /// Changes on how many servers of a NATS cluster a new stream is stored.
    pub fn replicas(self, replicas: usize) -> Self {
        Self { replicas, ..self }
    }
}

const SCHEMES: &str = "its URL must begin with nats://, tls://, redis:// or rediss://";

/// Checks that a URL is one that [`connect`] can read. Connects to nothing.
///
/// # Errors
/// What is wrong with it, without the user and password.
pub fn check(url: &str) -> Result<(), String> {
    let checked = match BrokerKind::of(url) {
        Some(BrokerKind::Nats) => NatsConfig::from_url(url).map(drop),
        Some(BrokerKind::Redis) => RedisConfig::from_url(url).map(drop),
        None => return Err(SCHEMES.to_owned()),
    };
    checked.map_err(|error| match error {
        BrokerError::Refused { problem, .. } | BrokerError::Away { problem, .. } => problem,
    })
}

/// Connects to a broker:
///
/// - `nats://[USER:PASSWORD@|TOKEN@]HOST[:PORT][,HOST[:PORT]…][?stream=NAME]`, encrypted with `tls://`, with the
///   credentials of a file with `?creds=FILE`;
/// - `redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE][?stream=NAME]`, encrypted with `rediss://`.
///
/// User and password are percent-encoded. `?ca=FILE` names the certificate authorities to trust instead of the
/// system's, `?cert=FILE&key=FILE` the client's certificate.
///
/// The argument is a text because a URL of several hosts is not one for the `url` crate.
///
/// # Errors
/// [`BrokerError::Refused`] if the URL is wrong or the broker refuses; [`BrokerError::Away`] if it does not
/// answer. Neither has the user and password in it.
pub async fn connect(url: &str, config: BrokerConfig) -> Result<Arc<dyn Broker>, BrokerError> {
    let BrokerConfig { keep, replicas } = config;
    match BrokerKind::of(url) {
        Some(BrokerKind::Nats) => {
            let config = NatsConfig { keep, replicas, ..NatsConfig::from_url(url)? };
            Ok(Arc::new(Nats::connect(config).await?))
        }
        Some(BrokerKind::Redis) => {
            let config = RedisConfig { keep, ..RedisConfig::from_url(url)? };
            Ok(Arc::new(Redis::connect(config).await?))
        }
        None => Err(refused("the broker", SCHEMES)),
    }
}
