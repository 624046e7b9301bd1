//! How much of the stream a broker keeps.

use std::time::Duration;

/// How much of the stream a broker keeps: what is beyond any one of these goes, the oldest first.
///
/// It is asked for when the stream is made. A stream that is there already keeps what it was told to.
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
    /// The greatest age. 24 hours by default; `None` is without limit.
    pub age: Option<Duration>,
    /// The most messages. `None`, the default, is without limit.
    pub messages: Option<u64>,
    /// The most bytes, with what the broker adds to each message. 1 GiB by default; `None` is without limit.
    pub bytes: Option<u64>,
}

impl Default for Keep {
    fn default() -> Self {
        Self { age: Some(Duration::from_secs(24 * 3600)), messages: None, bytes: Some(1 << 30) }
    }
}

impl Keep {
    /// Changes the greatest age. `None` is without limit.
    pub fn age(self, age: Option<Duration>) -> Self {
        Self { age, ..self }
    }

    /// Changes the most messages. `None` is without limit.
    pub fn messages(self, messages: Option<u64>) -> Self {
        Self { messages, ..self }
    }

    /// Changes the most bytes. `None` is without limit.
    pub fn bytes(self, bytes: Option<u64>) -> Self {
        Self { bytes, ..self }
    }
}
