//! How often the same trouble is logged.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Limits how often something is logged: the first time at once, then at most once a minute.
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
    /// Returns how many were left out since the last one if this one is to be logged, otherwise `None`.
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
    async fn a_minute_later_the_next_one_is_logged_with_the_count_of_the_others() {
        let limit = LogLimit::default();
        assert_eq!(limit.admit(), Some(0));
        assert_eq!((limit.admit(), limit.admit()), (None, None));
        tokio::time::advance(EVERY).await;
        assert_eq!((limit.admit(), limit.admit()), (Some(2), None));
    }
}
