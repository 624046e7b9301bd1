//! One connection that hyper serves, for the metrics.

use std::sync::atomic::{AtomicBool, Ordering};

use tidings_core::Reason;
use tidings_transport::mount::Observer;

use crate::metrics::Metrics;

/// Counts what becomes of a connection and its client. That it is cut off is counted once, whether the socket
/// shows it or a conversation that waits for the socket.
#[derive(Debug)]
pub(crate) struct Watched {
    metrics: Metrics,
    is_cut_off: AtomicBool,
}

impl Watched {
    pub(crate) fn new(metrics: Metrics) -> Self {
        Self { metrics, is_cut_off: AtomicBool::new(false) }
    }
}

impl Observer for Watched {
    fn delivered(&self, transport: &'static str, notifications: u64) {
        self.metrics.delivered(transport).inc_by(notifications);
    }

    fn let_go(&self, reason: Reason) {
        self.metrics.let_go(reason);
    }

    fn cut_off(&self) {
        if !self.is_cut_off.swap(true, Ordering::Relaxed) {
            self.metrics.cut_off();
        }
    }
}
