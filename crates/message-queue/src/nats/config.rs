//! Which stream of which NATS, and how it is used.

use std::time::Duration;

use tidings_core::BrokerError;
use url::Url;

use crate::Keep;
use crate::address::Address;

/// Which stream of which NATS, and how it is used.
///
/// ```
/// use tidings_message_queue::nats::NatsConfig;
/// let config = NatsConfig::from_url("nats://one:4222,two:4222?stream=news")?;
/// assert_eq!((config.servers.len(), config.stream.as_str()), (2, "news"));
/// # Ok::<(), tidings_core::BrokerError>(())
/// ```
#[derive(Clone, Debug)]
pub struct NatsConfig {
    /// The servers of one cluster; any of them will do. A user and a password may be in the URL.
    pub servers: Vec<Url>,
    /// The stream. `tidings` by default; made where it is absent.
    pub stream: String,
    /// How much a new stream keeps.
    pub keep: Keep,
    /// On how many servers a new stream is stored: 1 by default; 3 outlives the loss of one.
    pub replicas: usize,
    /// How long a publish is tried again before the engine counts as away. 4 s by default.
    pub publish_deadline: Duration,
    /// How long any other question may take. 4 s by default.
    pub request_deadline: Duration,
    /// How often a tail looks whether the stream is still the same one. Every 5 s by default.
    pub look_every: Duration,
}

impl NatsConfig {
    /// From `nats://HOST:PORT[,HOST:PORT…][?stream=NAME]`, and else the defaults.
    ///
    /// # Errors
    /// [`BrokerError::Refused`] where the URL is none of this form.
    pub fn from_url(url: &str) -> Result<Self, BrokerError> {
        let Address { servers, stream } = Address::parse(url, "nats")?;
        Ok(Self {
            servers,
            stream,
            keep: Keep::default(),
            replicas: 1,
            publish_deadline: Duration::from_secs(4),
            request_deadline: Duration::from_secs(4),
            look_every: Duration::from_secs(5),
        })
    }
}
