//! Tells when the last receiver has it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

/// Counts the receivers of one notification after the other, and tells when the last of them has it: then
/// the clock may stop, and no work is left over for the next round. Cheap to clone; all clones count
/// together.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let tally = tidings_benches::Tally::new(2);
/// tally.received();
/// tally.received();
/// tally.all().await;
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Tally(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    receivers: usize,
    received: AtomicUsize,
    all: Notify,
}

impl Tally {
    /// For so many receivers.
    pub fn new(receivers: usize) -> Self {
        Self(Arc::new(Shared { receivers, received: AtomicUsize::new(0), all: Notify::new() }))
    }

    /// One more has received what was sent last.
    pub fn received(&self) {
        let before = self.0.received.fetch_add(1, Ordering::Relaxed);
        if (before + 1).is_multiple_of(self.0.receivers) {
            self.0.all.notify_one();
        }
    }

    /// Waits until all have. Cancel safe.
    pub async fn all(&self) {
        self.0.all.notified().await;
    }
}
