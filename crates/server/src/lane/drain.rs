//! Spreads the goodbyes over [`Config::drain`](crate::Config::drain) after the hub is closed.

use std::task::{Context, Poll};
use std::time::Duration;

use tidings_core::Reason;
use tokio::time::{Interval, interval};

/// The goodbyes of a lane whose hub is closed.
pub(super) struct Drain {
    pub(super) reason: Reason,
    /// The keys of the connections whose goodbyes are not sent yet.
    left: Vec<usize>,
    step: usize,
    ticks: Interval,
}

/// The least time between two steps.
const STEP: Duration = Duration::from_millis(50);

/// The number of goodbyes in one step, if there is time for enough steps. This many clients do not overload a server if
/// they reconnect together.
const AT_ONCE: usize = 10;

impl Drain {
    /// Spreads the goodbyes to the connections `left` over this time. Needs a tokio runtime.
    pub(super) fn new(reason: Reason, left: Vec<usize>, over: Duration) -> Self {
        let most = over.as_millis() / STEP.as_millis();
        let steps = left.len().div_ceil(AT_ONCE).min(most as usize).max(1);
        let between = (over / steps as u32).max(Duration::from_millis(1));
        Self { reason, step: left.len().div_ceil(steps), left, ticks: interval(between) }
    }

    /// The connections that are sent a goodbye next. Pending until the next step is due, and after the last step.
    pub(super) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Vec<usize>> {
        if self.left.is_empty() {
            return Poll::Pending;
        }
        self.ticks
            .poll_tick(context)
            .map(|_| self.left.split_off(self.left.len().saturating_sub(self.step)))
    }
}
