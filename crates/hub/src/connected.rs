//! One open connection, counted for as long as it lives, wherever it goes.

use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;

use crate::metrics::Metrics;

/// A connection's place among those the hub may have.
pub(crate) struct Connected {
    /// What came behind the request that is being answered: the next ones.
    pub(crate) early: Bytes,
    metrics: Metrics,
    _permit: OwnedSemaphorePermit,
}

impl Connected {
    pub(crate) fn new(metrics: Metrics, permit: OwnedSemaphorePermit) -> Self {
        metrics.connections.inc();
        Self { early: Bytes::new(), metrics, _permit: permit }
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.metrics.connections.dec();
    }
}
