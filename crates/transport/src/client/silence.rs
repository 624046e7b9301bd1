//! How long an open stream may be silent.

use std::time::Duration;

use tokio::time::timeout;

use super::ClientError;

/// The hub's default heartbeat, which is assumed until a stream announces its own.
const HEARTBEAT: Duration = Duration::from_secs(25);
/// No announced heartbeat is longer than this, which is the longest that the hub can be set to.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// The longest time for which an open stream may be silent: one and a half heartbeats and two seconds.
#[derive(Clone, Copy, Debug)]
pub struct Silence(Duration);

impl Default for Silence {
    fn default() -> Self {
        Self::of(HEARTBEAT)
    }
}

impl Silence {
    /// The silence that a stream with this heartbeat interval may have.
    pub fn of(heartbeat: Duration) -> Self {
        let heartbeat = heartbeat.min(LONGEST);
        Self(heartbeat + heartbeat / 2 + Duration::from_secs(2))
    }

    /// A silence of exactly this time.
    pub fn exactly(limit: Duration) -> Self {
        Self(limit)
    }

    /// Waits for what arrives next. Cancel safe if the future is.
    ///
    /// # Errors
    /// [`ClientError::TimedOut`] if nothing arrives in time.
    pub async fn bound<T>(&self, next: impl Future<Output = T>) -> Result<T, ClientError> {
        let silent =
            |_| ClientError::TimedOut { waited_for: "anything, even a heartbeat", after: self.0 };
        timeout(self.0, next).await.map_err(silent)
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_stream_may_be_silent_for_one_and_a_half_heartbeats_and_two_seconds() {
        for (silence, seconds) in [
            (Silence::default(), 39.5),
            (Silence::of(Duration::from_secs(4)), 8.0),
            (Silence::exactly(Duration::from_secs(1)), 1.0),
            (Silence::of(Duration::MAX), 36.0 * 3600.0 + 2.0),
        ] {
            let began = Instant::now();
            let error = silence.bound(pending::<()>()).await.unwrap_err();
            assert!(matches!(error, ClientError::TimedOut { .. }), "{error}");
            assert_eq!(began.elapsed(), Duration::from_secs_f64(seconds));
        }
    }
}
