//! What the one timer of a connection runs for.

use std::time::Duration;

use tidings_transport::Shape;

use super::status::Status;

/// What a connection waits for. When it is over, its state decides what becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timeout {
    /// The next request.
    Request,
    /// Room in the socket.
    Write,
    /// A heartbeat, or the end of a poll's hold.
    Quiet,
    /// A client's own messages, before its last frame.
    Echo,
    /// A poll's hold is over, and the broker is still asked for what follows its cursor.
    Replay,
    /// The peer's own close, after this side was closed.
    Linger,
}

/// How long the last frame may wait for the echo: a broker may not deliver it, and a client may read slowly.
pub(super) const ECHO: Duration = Duration::from_secs(5);

/// How often to look at a poll whose hold is over while the broker is asked.
const REPLAY: Duration = Duration::from_millis(20);

/// A poll whose hold is over does not wait for a fetch from the broker that is older than this.
pub(super) const REPLAY_PATIENCE: Duration = Duration::from_secs(5);

/// How long a client has to close its side after a goodbye.
const LINGER: Duration = Duration::from_secs(2);

impl Timeout {
    /// Returns how long it is for a client of this shape.
    pub(super) fn duration(self, shape: Option<Shape>, status: &Status) -> Duration {
        match self {
            Self::Request => status.settings.idle_timeout,
            Self::Write => status.settings.write_deadline,
            Self::Quiet => match shape {
                Some(Shape::Answer { hold }) => hold,
                _ => status.hub.heartbeat().interval,
            },
            Self::Echo => ECHO,
            Self::Replay => REPLAY,
            Self::Linger => LINGER,
        }
    }
}
