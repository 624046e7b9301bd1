//! Limits how often the same problem is logged.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Limits how often something is logged: the first time at once, and then at most once a minute.
///
/// ```
/// let limit = tidings_core::driver::LogLimit::default();
/// assert_eq!(limit.admit(), Some(0));
/// assert_eq!(limit.admit(), None);
/// ```
#[derive(Debug, Default)]
pub struct LogLimit(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    last: Option<Instant>,
    left_out: u64,
}

const EVERY: Duration = Duration::from_secs(60);

impl LogLimit {
    /// Returns `Some` if this occurrence should be logged, with the number of occurrences since the last one that was.
    pub fn admit(&self) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if state.last.is_some_and(|last| now.duration_since(last) < EVERY) {
            state.left_out += 1;
            return None;
        }
        state.last = Some(now);
        Some(std::mem::take(&mut state.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn after_a_minute_the_next_one_is_logged_with_the_number_left_out() {
        let limit = LogLimit::default();
        assert_eq!(limit.admit(), Some(0));
        assert_eq!((limit.admit(), limit.admit()), (None, None));
        tokio::time::advance(EVERY).await;
        assert_eq!((limit.admit(), limit.admit()), (Some(2), None));
    }
}
