//! The observer of a connection on the general path.

use std::sync::atomic::{AtomicBool, Ordering};

use tidings_core::Reason;
use tidings_transport::mount::Observer;

use crate::metrics::Metrics;

/// Counts the deliveries to a client and its end. A cut-off is counted once, even if both the socket and the
/// conversation on it report it.
#[derive(Debug)]
pub(crate) struct ConnectionObserver {
    metrics: Metrics,
    is_cut_off: AtomicBool,
}

impl ConnectionObserver {
    pub(crate) fn new(metrics: Metrics) -> Self {
        Self { metrics, is_cut_off: AtomicBool::new(false) }
    }
}

impl Observer for ConnectionObserver {
    fn delivered(&self, transport: &'static str, notifications: u64) {
        Observer::delivered(&self.metrics, transport, notifications);
    }

    fn disconnected(&self, reason: Reason) {
        self.metrics.disconnected(reason);
    }

    fn cut_off(&self) {
        if !self.is_cut_off.swap(true, Ordering::Relaxed) {
            self.metrics.cut_off();
        }
    }
}
