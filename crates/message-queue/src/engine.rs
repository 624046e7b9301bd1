//! The engine that a URL names.

use std::sync::Arc;

use tidings_core::{Broker, BrokerError};

use crate::Keep;
use crate::fault::refused;
use crate::nats::{Nats, NatsConfig};
use crate::redis::{Redis, RedisConfig};

/// What both engines are told alike. The default suits one server.
///
/// ```
/// use tidings_message_queue::EngineConfig;
/// let config = EngineConfig { replicas: 3, ..EngineConfig::default() };
/// assert_eq!(config.keep, tidings_message_queue::Keep::default());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EngineConfig {
    /// How much the stream keeps.
    pub keep: Keep,
    /// On how many servers of a NATS cluster a new stream is stored. 1 by default. Redis has its replicas
    /// from its operator and does not look at this.
    pub replicas: usize,
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self { keep: Keep::default(), replicas: 1 }
    }
}

/// Whether a URL is one that [`connect`] can read. Asks nobody.
///
/// # Errors
/// What is wrong with it.
pub fn check(url: &str) -> Result<(), String> {
    let checked = match url.split_once("://").map(|(scheme, _)| scheme) {
        Some("nats") => NatsConfig::from_url(url).map(drop),
        Some("redis") => RedisConfig::from_url(url).map(drop),
        _ => return Err("it must begin with nats:// or redis://".to_owned()),
    };
    checked.map_err(|error| match error {
        BrokerError::Refused { problem, .. } | BrokerError::Away { problem, .. } => problem,
    })
}

/// Connects to `nats://HOST:PORT[,HOST:PORT…][?stream=NAME]` or `redis://HOST:PORT[/DATABASE][?stream=NAME]`.
///
/// A text and not a `Url`, for a URL of several hosts is none to the `url` crate.
///
/// # Errors
/// [`BrokerError::Refused`] where the URL names neither, or the engine says no; [`BrokerError::Away`] where it
/// does not answer.
pub async fn connect(url: &str, config: EngineConfig) -> Result<Arc<dyn Broker>, BrokerError> {
    let EngineConfig { keep, replicas } = config;
    match url.split_once("://").map(|(scheme, _)| scheme) {
        Some("nats") => {
            let config = NatsConfig { keep, replicas, ..NatsConfig::from_url(url)? };
            Ok(Arc::new(Nats::connect(config).await?))
        }
        Some("redis") => {
            let config = RedisConfig { keep, ..RedisConfig::from_url(url)? };
            Ok(Arc::new(Redis::connect(config).await?))
        }
        _ => Err(refused("the engine", "its URL must begin with nats:// or redis://")),
    }
}
