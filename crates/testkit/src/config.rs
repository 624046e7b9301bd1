//! The settings of a local server.

use std::path::PathBuf;
use std::time::Duration;

/// The settings of a local server. The default suits a test.
///
/// ```
/// use tidings_testkit::LocalConfig;
/// let config = LocalConfig { program: Some("/opt/nats/nats-server".into()), ..LocalConfig::default() };
/// assert!(config.settings.is_empty());
/// ```
#[derive(Clone, Debug)]
pub struct LocalConfig {
    /// The path of the program. `None`, the default, is `nats-server` or `redis-server` in the search path.
    pub program: Option<PathBuf>,
    /// How long it may take until it is ready. 20 s by default.
    pub ready_within: Duration,
    /// Further settings: lines of the configuration file of NATS, or arguments of Redis. Empty by default.
    pub settings: Vec<String>,
    /// Whether Redis flushes each write to the disk before it responds, so that it loses nothing if it is killed.
    /// `true` by default. With `false` it flushes every second. It has no effect on NATS, which hands each write to
    /// the system, so that nothing is lost if only the server is killed.
    pub flush_each_write: bool,
}

impl Default for LocalConfig {
    fn default() -> Self {
        Self {
            program: None,
            ready_within: Duration::from_secs(20),
            settings: Vec::new(),
            flush_each_write: true,
        }
    }
}
