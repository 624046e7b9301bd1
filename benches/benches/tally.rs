//! Waits until the last receiver has a notification.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// Counts the receivers of one notification after another. When the last receiver has it, the clock can stop, because
/// no work is left for the next round. Cloning is shallow, and all clones share the count.
#[derive(Clone, Debug)]
pub(crate) struct Tally(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    receivers: usize,
    received: AtomicUsize,
    all: Notify,
}

impl Tally {
    pub(crate) fn new(receivers: usize) -> Self {
        Self(Arc::new(Shared { receivers, received: AtomicUsize::new(0), all: Notify::new() }))
    }

    /// Counts one more receiver of the last notification.
    pub(crate) fn received(&self) {
        let before = self.0.received.fetch_add(1, Ordering::Relaxed);
        if (before + 1).is_multiple_of(self.0.receivers) {
            self.0.all.notify_one();
        }
    }

    /// Waits until all receivers have the notification. Cancel safe.
    pub(crate) async fn all(&self) {
        self.0.all.notified().await;
    }
}
