//! How a server of one's own is started.

use std::path::PathBuf;
use std::time::Duration;

/// How a server of one's own is started. The default suits a test.
///
/// ```
/// use tidings_testkit::LocalConfig;
/// let config = LocalConfig { program: Some("/opt/nats/nats-server".into()), ..LocalConfig::default() };
/// assert!(config.settings.is_empty());
/// ```
#[derive(Clone, Debug)]
pub struct LocalConfig {
    /// The program. `None`, the default: `nats-server` or `redis-server` of the search path.
    pub program: Option<PathBuf>,
    /// How long it may take until it answers. 20 s by default.
    pub ready_within: Duration,
    /// Further settings: lines of the configuration file for NATS, arguments for Redis. None by default.
    pub settings: Vec<String>,
    /// Whether Redis flushes each write to the disk before it answers, so that one that is killed has lost
    /// nothing. `true` by default; `false` flushes every second. NATS hands each write to the system, which
    /// keeps it when only the server dies, and does not look at this.
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
