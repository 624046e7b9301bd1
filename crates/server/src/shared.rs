//! What the parts of a running hub have in common.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::connected::Connections;
use crate::cors::OpenHeads;
use crate::lane::{Lane, Neighbours};
use crate::metrics::Metrics;
use crate::readiness::Readiness;

/// What all workers of a hub share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) config: Arc<Config>,
    /// Where the hub listens.
    pub(crate) address: SocketAddr,
    pub(crate) metrics: Metrics,
    pub(crate) readiness: Readiness,
    pub(crate) open_heads: OpenHeads,
    pub(crate) connections: Connections,
    pub(crate) neighbours: Neighbours,
    pub(crate) is_stopping: watch::Receiver<bool>,
}

/// What the connections of one worker share.
pub(crate) struct Context {
    pub(crate) shared: Shared,
    /// `None` on the general path.
    pub(crate) lane: Option<Lane>,
    pub(crate) tasks: TaskTracker,
}
