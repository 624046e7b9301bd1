//! The configuration of a JetStream stream.

use std::path::PathBuf;
use std::time::Duration;

use tidings_core::BrokerError;

use crate::Keep;
use crate::address::{Address, BrokerKind, Server, Tls};

/// The configuration of a JetStream stream: its servers, its name and the deadlines of requests.
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
    /// The servers of one cluster. The connection is to any of them.
    pub servers: Vec<Server>,
    /// A file with the JWT and the seed of a user, as `nsc` writes it. `None` by default.
    pub credentials: Option<PathBuf>,
    /// The files for an encrypted connection.
    pub tls: Tls,
    /// The name of the stream. `tidings` by default. The stream is created if it does not exist.
    pub stream: String,
    /// How much a new stream keeps.
    pub keep: Keep,
    /// The number of servers on which a new stream is stored. 1 by default. With 3, one server can be lost.
    pub replicas: usize,
    /// How long a publish is retried before it fails with [`BrokerError::Away`]. 4 s by default.
    pub retry_for: Duration,
    /// How long any other request may take. 4 s by default.
    pub request_deadline: Duration,
    /// The interval at which a tail checks whether the stream was replaced. 5 s by default.
    pub look_every: Duration,
}

impl NatsConfig {
    /// Returns the configuration that a URL describes, with defaults for everything else. See
    /// [`connect`](crate::connect) for the form of the URL.
    ///
    /// # Errors
    /// Fails with [`BrokerError::Rejected`] if the URL is invalid.
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
            retry_for: Duration::from_secs(4),
            request_deadline: Duration::from_secs(4),
            look_every: Duration::from_secs(5),
        })
    }
}
