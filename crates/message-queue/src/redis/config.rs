//! Which stream of which Redis, and how it is used.

use std::time::Duration;

use tidings_core::BrokerError;

use crate::Keep;
use crate::address::{Address, BrokerKind, Server, Tls};
use crate::fault::refused;

/// Which stream of which Redis, and how it is used.
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
    /// The stream. `tidings` by default; made where it is absent.
    pub stream: String,
    /// How much the stream keeps. Each node removes by this whenever it publishes, so all of them should say
    /// the same.
    pub keep: Keep,
    /// The largest payload, in bytes. 8 MiB by default; Redis itself would take 512.
    pub max_payload: usize,
    /// How long a publish is tried again before the broker counts as away. 4 s by default.
    pub publish_deadline: Duration,
    /// How long any other question may take. 4 s by default.
    pub request_deadline: Duration,
}

impl RedisConfig {
    /// The configuration of a URL as [`connect`](crate::connect) reads it, with the defaults for the rest.
    ///
    /// # Errors
    /// [`BrokerError::Refused`] if the URL is not of that form.
    pub fn from_url(url: &str) -> Result<Self, BrokerError> {
        let address = Address::parse(url, BrokerKind::Redis)?;
        let Address { mut servers, stream, database, tls, .. } = address;
        let (Some(server), true) = (servers.pop(), servers.is_empty()) else {
            return Err(refused(
                "Redis",
                "its URL names several hosts: one Redis holds the stream",
            ));
        };
        Ok(Self {
            server,
            database,
            tls,
            stream,
            keep: Keep::default(),
            max_payload: 8 << 20,
            publish_deadline: Duration::from_secs(4),
            request_deadline: Duration::from_secs(4),
        })
    }
}
