//! Which stream of which Redis, and how it is used.

use std::time::Duration;

use tidings_core::BrokerError;
use url::Url;

use crate::Keep;
use crate::address::Address;
use crate::fault::refused;

/// Which stream of which Redis, and how it is used.
///
/// ```
/// use tidings_message_queue::redis::RedisConfig;
/// let config = RedisConfig::from_url("redis://127.0.0.1:6379/2?stream=news")?;
/// assert_eq!((config.server.path(), config.stream.as_str()), ("/2", "news"));
/// # Ok::<(), tidings_core::BrokerError>(())
/// ```
#[derive(Clone, Debug)]
pub struct RedisConfig {
    /// The server. A user, a password and a database number may be in the URL.
    pub server: Url,
    /// The stream. `tidings` by default; made where it is absent.
    pub stream: String,
    /// How much the stream keeps. Each node removes by this whenever it publishes, so all of them should say
    /// the same.
    pub keep: Keep,
    /// The largest payload, in bytes. 8 MiB by default; Redis itself would take 512.
    pub max_payload: usize,
    /// How long a publish is tried again before the engine counts as away. 4 s by default.
    pub publish_deadline: Duration,
    /// How long any other question may take. 4 s by default.
    pub request_deadline: Duration,
}

impl RedisConfig {
    /// From `redis://HOST:PORT[/DATABASE][?stream=NAME]`, and else the defaults.
    ///
    /// # Errors
    /// [`BrokerError::Refused`] where the URL is none of this form.
    pub fn from_url(url: &str) -> Result<Self, BrokerError> {
        let Address { mut servers, stream } = Address::parse(url, "redis")?;
        let (Some(server), true) = (servers.pop(), servers.is_empty()) else {
            return Err(refused(
                "redis",
                "its URL names several hosts: one Redis holds the stream",
            ));
        };
        Ok(Self {
            server,
            stream,
            keep: Keep::default(),
            max_payload: 8 << 20,
            publish_deadline: Duration::from_secs(4),
            request_deadline: Duration::from_secs(4),
        })
    }
}
