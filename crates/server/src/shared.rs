//! The state that all workers of a server share.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tidings_transport::mount::Mount;
use tokio::sync::watch;

use crate::config::Config;
use crate::connection_limit::ConnectionLimit;
use crate::cors::OpenHeads;
use crate::metrics::Metrics;

/// Shared by all workers. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) config: Arc<Config>,
    /// Accepts subscribers and publishers.
    pub(crate) mount: Mount,
    /// Where the server listens.
    pub(crate) addresses: Arc<[SocketAddr]>,
    pub(crate) metrics: Metrics,
    /// Whether the server has begun to shut down. It may still serve.
    pub(crate) is_draining: Arc<AtomicBool>,
    pub(crate) open_heads: OpenHeads,
    pub(crate) connection_limit: ConnectionLimit,
    /// Whether the listener is closed, and connections are to end.
    pub(crate) is_stopping: watch::Receiver<bool>,
}

impl Shared {
    /// Returns the listener by which [`Hosts`](tidings_transport::Hosts) decides: one that is not on a loopback address, if
    /// there is one.
    pub(crate) fn listener(&self) -> SocketAddr {
        let is_open = |address: &&SocketAddr| !address.ip().to_canonical().is_loopback();
        let first = || self.addresses.first();
        let unknown = SocketAddr::from(([0, 0, 0, 0], 0));
        self.addresses.iter().find(is_open).or_else(first).copied().unwrap_or(unknown)
    }
}
