//! The state that all workers of a server share.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tidings_transport::mount::Mount;
use tokio::sync::watch;

use crate::config::Config;
use crate::connection_limit::ConnectionLimit;
use crate::cors::OpenHeads;
use crate::metrics::Metrics;
use crate::quic;
use crate::serve_by::ServeBy;

/// The state that all workers share. Cloning is cheap.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) config: Arc<Config>,
    pub(crate) serve_by: ServeBy,
    /// Checks subscribers and publishers.
    pub(crate) mount: Mount,
    pub(crate) metrics: Metrics,
    /// Whether the server has begun to shut down. It still serves for [`Config::drain_delay`].
    pub(crate) is_draining: Arc<AtomicBool>,
    pub(crate) open_heads: OpenHeads,
    /// The WebTransport that `GET /transports` lists.
    pub(crate) offer: quic::Offer,
    pub(crate) connection_limit: ConnectionLimit,
    /// Whether the listeners are closed, and connections must end.
    pub(crate) is_stopping: watch::Receiver<bool>,
}

impl Shared {
    /// `is_stopping` becomes `true` when the connections must end.
    pub(crate) fn new(
        config: Config,
        serve_by: ServeBy,
        metrics: Metrics,
        connection_limit: ConnectionLimit,
        is_stopping: watch::Receiver<bool>,
    ) -> Self {
        let mount = config.mount().observer(Arc::new(metrics.clone()));
        let mount = match &metrics.compressor {
            Some(compressor) => mount.compressor(compressor.clone()),
            None => mount,
        };
        Self {
            mount,
            connection_limit,
            config: Arc::new(config),
            serve_by,
            metrics,
            is_draining: Arc::default(),
            open_heads: OpenHeads::default(),
            offer: quic::Offer::default(),
            is_stopping,
        }
    }
}
