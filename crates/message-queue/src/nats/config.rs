//! Which stream of which NATS, and how it is used.

use std::path::PathBuf;
use std::time::Duration;

use tidings_core::BrokerError;

use crate::Keep;
use crate::address::{Address, BrokerKind, Server, Tls};

/// Which stream of which NATS, and how it is used.
///
/// ```
/// use tidings_message_queue::nats::NatsConfig;
/// let config = NatsConfig::from_url("nats://one:4222,two:4222?stream=news")?;
/// assert_eq!((config.servers.len(), config.stream.as_str()), (2, "news"));
/// # Ok::<(), tidings_core::BrokerError>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NatsConfig {
    /// The servers of one cluster; any of them will do.
    pub servers: Vec<Server>,
    /// A file with the JWT and the seed of a user, as `nsc` writes it. `None` by default.
    pub credentials: Option<PathBuf>,
    /// The files for an encrypted connection.
    pub tls: Tls,
    /// The stream. `tidings` by default; made where it is absent.
    pub stream: String,
    /// How much a new stream keeps.
    pub keep: Keep,
    /// On how many servers a new stream is stored: 1 by default; 3 outlives the loss of one.
    pub replicas: usize,
    /// How long a publish is tried again before the broker counts as away. 4 s by default.
    pub publish_deadline: Duration,
    /// How long any other question may take. 4 s by default.
    pub request_deadline: Duration,
    /// How often a tail looks whether the stream is still the same one. Every 5 s by default.
    pub look_every: Duration,
}

impl NatsConfig {
    /// The configuration of a URL as [`connect`](crate::connect) reads it, with the defaults for the rest.
    ///
    /// # Errors
    /// [`BrokerError::Refused`] if the URL is not of that form.
    pub fn from_url(url: &str) -> Result<Self, BrokerError> {
        let address = Address::parse(url, BrokerKind::Nats)?;
        let Address { servers, stream, credentials, tls, .. } = address;
        Ok(Self {
            servers,
            credentials,
            tls,
            stream,
            keep: Keep::default(),
            replicas: 1,
            publish_deadline: Duration::from_secs(4),
            request_deadline: Duration::from_secs(4),
            look_every: Duration::from_secs(5),
        })
    }
}
