//! Finds clients that have stopped reading a stream.
//!
//! A server asks a body for its next frame once it has room for it. While the client reads nothing it does not ask, so a
//! body cannot notice by itself that its client has stalled. One task looks at all bodies of a mount.
//!
//! hyper has room for some 400 KB besides the socket's own buffers. A quiet stream that its client does not read fills them
//! slowly: [`WriteDeadline`](super::WriteDeadline) finds such a client sooner.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

/// How often the task looks.
const LOOK: Duration = Duration::from_secs(1);

/// What may stall.
pub(super) trait Watched: Send + Sync {
    /// Ends the stream if its client has taken nothing for the write deadline.
    fn end_if_stalled(&self, now: Instant);
}

/// The streams of a mount. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Stalls(Arc<Mutex<Registry>>);

#[derive(Debug, Default)]
struct Registry {
    streams: Vec<Weak<dyn Watched>>,
    /// Runs while there are streams. It has ended as well if its runtime has.
    task: Option<JoinHandle<()>>,
}

impl Stalls {
    /// Watches a stream until it is dropped.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub(super) fn watch(&self, stream: Weak<dyn Watched>) {
        let mut registry = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        registry.streams.push(stream);
        if registry.task.as_ref().is_none_or(JoinHandle::is_finished) {
            registry.task = Some(tokio::spawn(look(Arc::downgrade(&self.0))));
        }
    }
}

/// Looks at the streams until there is none.
async fn look(registry: Weak<Mutex<Registry>>) {
    loop {
        sleep(LOOK).await;
        let Some(registry) = registry.upgrade() else { return };
        // What ends a stream is the application's as well, and is not called with the registry locked.
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
