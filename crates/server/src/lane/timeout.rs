//! The purposes of a connection's timer.

use std::time::Duration;

use super::status::Status;

/// What a connection waits for while its timer runs. When the timer expires, the state of the connection decides what
/// happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timeout {
    /// The next request.
    Request,
    /// The socket to be writable.
    Write,
    /// The next heartbeat, or the end of a poll's hold.
    Quiet,
    /// The client's own messages to be sent to it, before its last frame.
    Echo,
    /// A pending replay from the broker, after the hold of a poll is over.
    Replay,
    /// The close of the peer's side, after this side was closed.
    Linger,
}

/// How long the last frame may wait for the client's own messages. A broker may not deliver them, and the client may
/// read slowly.
pub(super) const ECHO: Duration = Duration::from_secs(5);

/// How often to check a poll whose hold is over while a replay is pending.
const REPLAY: Duration = Duration::from_millis(20);

/// For how long a replay may be pending before a poll whose hold is over is answered without it.
pub(super) const REPLAY_PATIENCE: Duration = Duration::from_secs(5);

/// How long a client has to close its side after a goodbye.
const LINGER: Duration = Duration::from_secs(2);

impl Timeout {
    /// How long to wait. `hold` is that of a poll, `None` for any other connection.
    pub(super) fn duration(self, hold: Option<Duration>, status: &Status) -> Duration {
        match self {
            Self::Request => status.settings.idle_timeout,
            Self::Write => status.settings.write_deadline,
            Self::Quiet => hold.unwrap_or_else(|| status.hub.heartbeat().interval),
            Self::Echo => ECHO,
            Self::Replay => REPLAY,
            Self::Linger => LINGER,
        }
    }
}
