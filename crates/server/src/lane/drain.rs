//! Spreads the goodbyes over [`Config::drain`](crate::Config::drain) once the hub is closed.

use std::task::{Context, Poll};
use std::time::Duration;

use tidings_core::Reason;
use tokio::time::{Interval, interval};

/// A lane whose hub is closed.
pub(super) struct Drain {
    pub(super) reason: Reason,
    /// The connections that were not told yet.
    left: Vec<usize>,
    step: usize,
    ticks: Interval,
}

/// The least time between two steps.
const STEP: Duration = Duration::from_millis(50);

/// So many goodbyes go out at once. If so few clients come back together, they do not overload a server.
const AT_ONCE: usize = 10;

impl Drain {
    /// Starts to tell these connections. Needs a tokio runtime.
    pub(super) fn new(reason: Reason, left: Vec<usize>, over: Duration) -> Self {
        let most = over.as_millis() / STEP.as_millis();
        let steps = left.len().div_ceil(AT_ONCE).min(most as usize).max(1);
        let between = (over / steps as u32).max(Duration::from_millis(1));
        Self { reason, step: left.len().div_ceil(steps), left, ticks: interval(between) }
    }

    /// Returns the connections that are told next, or is pending until it is time for more. Always pending once all
    /// were told.
    pub(super) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Vec<usize>> {
        if self.left.is_empty() {
            return Poll::Pending;
        }
        self.ticks
            .poll_tick(context)
            .map(|_| self.left.split_off(self.left.len().saturating_sub(self.step)))
    }
}
