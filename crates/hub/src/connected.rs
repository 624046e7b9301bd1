//! One open connection, counted for as long as it lives, wherever it goes.

use tokio::sync::OwnedSemaphorePermit;

use crate::metrics::Metrics;

/// A connection's place among those the hub may have.
pub(crate) struct Connected {
    metrics: Metrics,
    _permit: OwnedSemaphorePermit,
}

impl Connected {
    pub(crate) fn new(metrics: Metrics, permit: OwnedSemaphorePermit) -> Self {
        metrics.connections.inc();
        Self { metrics, _permit: permit }
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.metrics.connections.dec();
    }
}
