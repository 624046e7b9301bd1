//! How much of the stream a broker keeps.

use std::time::Duration;

/// How much of the stream a broker keeps. When the stream exceeds any of these limits, its oldest notifications are
/// removed.
///
/// For NATS, the limits are those of a new stream. An existing stream keeps its own limits. On Redis, each hub applies
/// its limits whenever it publishes.
///
/// ```
/// use std::time::Duration;
/// use tidings_message_queue::Keep;
/// let keep = Keep::default().age(Some(Duration::from_secs(3600)));
/// assert_eq!(keep.messages, None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Keep {
    /// The greatest age. 24 hours by default. `None` means no limit.
    pub age: Option<Duration>,
    /// The greatest number of messages. `None`, the default, means no limit.
    pub messages: Option<u64>,
    /// The greatest number of bytes, including what the broker adds to each message. 1 GiB by default. `None` means no
    /// limit.
    pub bytes: Option<u64>,
}

impl Default for Keep {
    fn default() -> Self {
        Self { age: Some(Duration::from_secs(24 * 3600)), messages: None, bytes: Some(1 << 30) }
    }
}

impl Keep {
    /// Sets the greatest age. `None` means no limit.
    pub fn age(self, age: Option<Duration>) -> Self {
        Self { age, ..self }
    }

    /// Sets the greatest number of messages. `None` means no limit.
    pub fn messages(self, messages: Option<u64>) -> Self {
        Self { messages, ..self }
    }

    /// Sets the greatest number of bytes. `None` means no limit.
    pub fn bytes(self, bytes: Option<u64>) -> Self {
        Self { bytes, ..self }
    }
}
