//! The configuration of compression.

use std::time::Duration;

use tidings_core::{Filters, Topic};

/// The configuration of a [`Compressor`](super::Compressor).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CompressionConfig {
    /// After how many notifications a stream is reset while clients wait for a reset. Default 100. It is reset earlier
    /// if the clients that wait have been sent as many notifications as there are clients in sync, because a reset
    /// costs each client in sync about as many bytes as one plain notification.
    pub reset_after: u32,
    /// After which time a stream is reset while clients wait for a reset. Default 10 s.
    pub reset_interval: Duration,
    /// The most streams that are compressed at a time. Each needs a context of about 260 KiB, and up to 128 KiB for its
    /// newest notifications. The notifications of other streams are sent plain. Default 64.
    pub contexts: usize,
    /// Topics whose notifications are never compressed. Default: none. Use it if the payloads of a topic have secrets
    /// next to bytes that an attacker can choose, because the length of a compressed text depends on both.
    pub exclude: Option<Filters>,
}

impl Default for CompressionConfig {
    fn default() -> Self {
        Self {
            reset_after: 100,
            reset_interval: Duration::from_secs(10),
            contexts: 64,
            exclude: None,
        }
    }
}

impl CompressionConfig {
    /// Changes after how many notifications a stream is reset while clients wait.
    pub fn reset_after(self, notifications: u32) -> Self {
        Self { reset_after: notifications, ..self }
    }

    /// Changes after which time a stream is reset while clients wait.
    pub fn reset_interval(self, interval: Duration) -> Self {
        Self { reset_interval: interval, ..self }
    }

    /// Changes the most streams that are compressed at a time.
    pub fn contexts(self, contexts: usize) -> Self {
        Self { contexts, ..self }
    }

    /// Sets the topics whose notifications are never compressed.
    pub fn exclude(self, topics: Filters) -> Self {
        Self { exclude: Some(topics), ..self }
    }

    pub(super) fn excludes(&self, topic: &Topic) -> bool {
        self.exclude.as_ref().is_some_and(|filters| filters.matches(topic))
    }
}
