//! Connects to the broker that a URL names.

use std::sync::Arc;

use tidings_core::BrokerError;
use tidings_core::broker::Broker;

use crate::Keep;
use crate::address::BrokerKind;
use crate::fault::rejected;
use crate::nats::{Nats, NatsConfig};
use crate::redis::{Redis, RedisConfig};

/// The settings that both brokers have. The default suits a broker of one server.
///
/// ```
/// use tidings_message_queue::BrokerConfig;
/// let config = BrokerConfig::default().replicas(3);
/// assert_eq!(config.keep, tidings_message_queue::Keep::default());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BrokerConfig {
    /// How much of the stream is kept.
    pub keep: Keep,
    /// The number of servers of a NATS cluster on which a new stream is stored. 1 by default. It has no effect on
    /// Redis, where the operator sets up replicas.
    pub replicas: usize,
}

impl Default for BrokerConfig {
    fn default() -> Self {
        Self { keep: Keep::default(), replicas: 1 }
    }
}

impl BrokerConfig {
    /// Sets how much of the stream is kept.
    pub fn keep(self, keep: Keep) -> Self {
        Self { keep, ..self }
    }

    /// Sets the number of servers of a NATS cluster on which a new stream is stored.
    pub fn replicas(self, replicas: usize) -> Self {
        Self { replicas, ..self }
    }
}

const SCHEMES: &str = "its URL must begin with nats://, tls://, redis:// or rediss://";

/// Checks that [`connect`] can parse a URL. Does not connect.
///
/// # Errors
/// Fails if the URL is invalid. The error describes what is wrong, and never contains the user or the password.
pub fn check(url: &str) -> Result<(), String> {
    let checked = match BrokerKind::of(url) {
        Some(BrokerKind::Nats) => NatsConfig::from_url(url).map(drop),
        Some(BrokerKind::Redis) => RedisConfig::from_url(url).map(drop),
        None => return Err(SCHEMES.to_owned()),
    };
    checked.map_err(|error| match error {
        BrokerError::Rejected { problem, .. } | BrokerError::Away { problem, .. } => problem,
    })
}

/// Connects to the broker that a URL names:
///
/// - `nats://[USER:PASSWORD@|TOKEN@]HOST[:PORT][,HOST[:PORT]…][?stream=NAME]`, encrypted with `tls://`.
///   `?creds=FILE` names a credentials file;
/// - `redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE][?stream=NAME]`, encrypted with `rediss://`.
///
/// User and password are percent-encoded. `?ca=FILE` names the certificate authorities to trust instead of the
/// system's, `?cert=FILE&key=FILE` the client's certificate.
///
/// The argument is a string because the `url` crate does not parse a URL with several hosts.
///
/// # Errors
/// Fails with [`BrokerError::Rejected`] if the URL is invalid or the broker rejects the connection, and with
/// [`BrokerError::Away`] if the broker does not respond. Neither contains the user or the password.
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
        None => Err(rejected("the broker", SCHEMES)),
    }
}
