//! What all workers of a server share.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::watch;

use crate::config::Config;
use crate::connection_limit::ConnectionLimit;
use crate::cors::OpenHeads;
use crate::metrics::Metrics;
use crate::readiness::Readiness;

/// Shared by all workers. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) config: Arc<Config>,
    /// Where the server listens.
    pub(crate) address: SocketAddr,
    pub(crate) metrics: Metrics,
    pub(crate) readiness: Readiness,
    pub(crate) open_heads: OpenHeads,
    pub(crate) connection_limit: ConnectionLimit,
    pub(crate) is_stopping: watch::Receiver<bool>,
}
