//! Detects clients that have stopped reading a stream.
//!
//! An HTTP server polls a body for its next frame only when it has room for it. While the client reads nothing, the
//! body is not polled, so it cannot detect the stall itself. One task checks all bodies of a mount.
//!
//! hyper buffers about 400 KB besides the socket's own buffers. A stream with little traffic fills them slowly.
//! [`WriteDeadline`](super::WriteDeadline) detects the stalled client of such a stream sooner.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

/// How often the task checks the streams.
const LOOK: Duration = Duration::from_secs(1);

/// A stream whose client may stall.
pub(super) trait Watched: Send + Sync {
    /// Ends the stream if its client has read nothing for the write deadline.
    fn end_if_stalled(&self, now: Instant);
}

/// The streams of a mount. Cloning is cheap.
#[derive(Clone, Debug, Default)]
pub(super) struct Stalls(Arc<Mutex<Registry>>);

#[derive(Debug, Default)]
struct Registry {
    streams: Vec<Weak<dyn Watched>>,
    /// Runs while there are streams. It is finished also after its runtime was shut down.
    task: Option<JoinHandle<()>>,
}

impl Stalls {
    /// Watches a stream until it is dropped.
    ///
    /// # Panics
    /// Panics outside of a tokio runtime.
    pub(super) fn watch(&self, stream: Weak<dyn Watched>) {
        let mut registry = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        registry.streams.push(stream);
        if registry.task.as_ref().is_none_or(JoinHandle::is_finished) {
            registry.task = Some(tokio::spawn(look(Arc::downgrade(&self.0))));
        }
    }
}

/// Checks the streams until none is left.
async fn look(registry: Weak<Mutex<Registry>>) {
    loop {
        sleep(LOOK).await;
        let Some(registry) = registry.upgrade() else { return };
        // The end of a stream calls the application's observer, so the registry is not locked then.
        let streams: Vec<_> = {
            let mut registry = registry.lock().unwrap_or_else(PoisonError::into_inner);
            registry.streams.retain(|stream| stream.strong_count() > 0);
            if registry.streams.is_empty() {
                registry.task = None;
                return;
            }
            registry.streams.iter().filter_map(Weak::upgrade).collect()
        };
        let now = Instant::now();
        streams.iter().for_each(|stream| stream.end_if_stalled(now));
    }
}
