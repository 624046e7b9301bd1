//! Limits how long an open stream may be silent.

use std::time::Duration;

use tokio::time::timeout;

use super::ClientError;

/// The default heartbeat of a server, which is assumed until a stream announces its heartbeat.
const HEARTBEAT: Duration = Duration::from_secs(25);
/// The longest heartbeat that a server can be configured with. A longer one is reduced to this.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// The longest time for which an open stream may be silent. The default is 39.5 s, for a heartbeat of 25 s.
#[derive(Clone, Copy, Debug)]
pub struct Silence(Duration);

impl Default for Silence {
    fn default() -> Self {
        Self::of(HEARTBEAT)
    }
}

impl Silence {
    /// Creates the limit for a stream with this time between heartbeats: one and a half times that, and two seconds.
    pub fn of(heartbeat: Duration) -> Self {
        let heartbeat = heartbeat.min(LONGEST);
        Self(heartbeat + heartbeat / 2 + Duration::from_secs(2))
    }

    /// Creates a limit of exactly this time.
    pub fn exactly(limit: Duration) -> Self {
        Self(limit)
    }

    /// Waits for the next arrival. Cancel safe if `next` is.
    ///
    /// # Errors
    /// Fails with [`ClientError::TimedOut`] if `next` does not resolve within the limit.
    pub async fn bound<T>(&self, next: impl Future<Output = T>) -> Result<T, ClientError> {
        let silent = |_| ClientError::TimedOut { waited_for: "data or a heartbeat", after: self.0 };
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
