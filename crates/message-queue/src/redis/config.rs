//! The configuration of a Redis stream.

use std::time::Duration;

use tidings_core::BrokerError;

use crate::Keep;
use crate::address::{Address, BrokerKind, Server, Tls};
use crate::fault::rejected;

/// The configuration of a Redis stream: its server, its name and the deadlines of requests.
///
/// ```
/// use tidings_message_queue::redis::RedisConfig;
/// let config = RedisConfig::from_url("redis://127.0.0.1:6379/2?stream=news")?;
/// assert_eq!((config.database, config.stream.as_str()), (2, "news"));
/// # Ok::<(), tidings_core::BrokerError>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RedisConfig {
    /// The server.
    pub server: Server,
    /// The number of the database. 0 by default.
    pub database: u32,
    /// The files for an encrypted connection.
    pub tls: Tls,
    /// The name of the stream. `tidings` by default. The stream is created if it does not exist.
    pub stream: String,
    /// How much of the stream is kept. Each hub removes the oldest entries by its own limits whenever it publishes,
    /// so all hubs should have the same.
    pub keep: Keep,
    /// The largest payload, in bytes. 8 MiB by default. The limit of Redis itself is 512 MiB.
    pub max_payload: usize,
    /// How long a publish is retried before it fails with [`BrokerError::Away`]. 4 s by default.
    pub retry_for: Duration,
    /// How long any other request may take. 4 s by default.
    pub request_deadline: Duration,
}

impl RedisConfig {
    /// Returns the configuration that a URL describes, with defaults for everything else. See
    /// [`connect`](crate::connect) for the form of the URL.
    ///
    /// # Errors
    /// Fails with [`BrokerError::Rejected`] if the URL is invalid or names several hosts.
    pub fn from_url(url: &str) -> Result<Self, BrokerError> {
        let address = Address::parse(url, BrokerKind::Redis)?;
        let Address { mut servers, stream, database, tls, .. } = address;
        let (Some(server), true) = (servers.pop(), servers.is_empty()) else {
            return Err(rejected(
                "Redis",
                "its URL names several hosts: name the one Redis that holds the stream",
            ));
        };
        Ok(Self {
            server,
            database,
            tls,
            stream,
            keep: Keep::default(),
            max_payload: 8 << 20,
            retry_for: Duration::from_secs(4),
            request_deadline: Duration::from_secs(4),
        })
    }
}
