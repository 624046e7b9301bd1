//! JetStream's own words: questions and answers as JSON.
//!
//! They are asked here and not through a library's types, because a stream that is updated must get back
//! every setting it had, also those of a server that is newer than the library.

use serde::Deserialize;
use serde_json::Value;

/// The stream is not there.
pub(super) const STREAM_NOT_FOUND: u64 = 10059;
/// A stream of that name is there, with other settings.
pub(super) const STREAM_NAME_IN_USE: u64 = 10058;
/// More replicas than there are servers: one that is not of a cluster has no others.
pub(super) const TOO_MANY_REPLICAS: u64 = 10074;
/// There is no message with that number.
pub(super) const NO_MESSAGE_FOUND: u64 = 10037;

/// An answer that says no.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct ApiError {
    /// As in HTTP: 4xx is the question's fault, 5xx the server's.
    pub(super) code: u16,
    #[serde(default)]
    pub(super) err_code: u64,
    #[serde(default)]
    pub(super) description: String,
}

/// Any answer: it has an error, or what was asked for.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Answer<T> {
    No { error: ApiError },
    Yes(T),
}

/// What a stream is.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct StreamInfo {
    pub(super) created: String,
    pub(super) config: StreamConfig,
    pub(super) state: StreamState,
}

/// The settings that matter here.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct StreamConfig {
    #[serde(default)]
    pub(super) description: String,
    #[serde(default)]
    pub(super) num_replicas: usize,
    #[serde(default)]
    pub(super) subjects: Vec<String>,
    pub(super) retention: String,
    #[serde(default)]
    pub(super) max_msgs_per_subject: i64,
    #[serde(default)]
    pub(super) max_msg_size: i64,
    #[serde(default)]
    pub(super) no_ack: bool,
    #[serde(default)]
    pub(super) sealed: bool,
    #[serde(default)]
    pub(super) mirror: Option<Value>,
    #[serde(default)]
    pub(super) sources: Option<Value>,
    #[serde(default)]
    pub(super) subject_transform: Option<Value>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct StreamState {
    pub(super) first_seq: u64,
    pub(super) last_seq: u64,
}

#[derive(Debug, Deserialize)]
pub(super) struct ConsumerInfo {
    pub(super) name: String,
    #[serde(default)]
    pub(super) num_pending: u64,
}

#[derive(Debug, Deserialize)]
pub(super) struct RawMessage {
    pub(super) message: RawBody,
}

#[derive(Debug, Deserialize)]
pub(super) struct RawBody {
    pub(super) seq: u64,
    pub(super) time: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct PubAck {
    pub(super) seq: u64,
    #[serde(default)]
    pub(super) duplicate: bool,
}

impl StreamState {
    /// Everything up to here is gone.
    pub(super) fn floor(&self) -> u64 {
        self.first_seq.saturating_sub(1)
    }
}
