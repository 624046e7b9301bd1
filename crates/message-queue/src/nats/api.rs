//! The JSON of JetStream's API: its responses and its errors.
//!
//! The types of the library are not used, because an update of a stream must send back every setting that the stream
//! has, including settings of a server that is newer than the library.

use std::fmt;

use serde::Deserialize;
use serde_json::Value;

/// The stream does not exist.
pub(super) const STREAM_NOT_FOUND: u64 = 10059;
/// A stream with this name exists, with other settings.
pub(super) const STREAM_NAME_IN_USE: u64 = 10058;
/// There is no message with this number.
pub(super) const NO_MESSAGE_FOUND: u64 = 10037;

/// What an operator can do about an error, by its code. A server error (5xx) that is listed here does not end without
/// the operator, so a request that failed with it is not tried again.
const REMEDIES: [(u64, &str); 10] = [
    (10074, "use --replicas 1, or a cluster of enough servers"),
    (
        10026,
        "raise max_consumers of the stream or the account: each tidings server needs one, and up to 16 more for clients \
             that come back",
    ),
    (
        10077,
        "the stream is full and keeps its oldest messages: set its discard policy to old, or raise its limits",
    ),
    (10047, "lower --keep-bytes, or raise max_file_store of the server"),
    (10028, "raise max_memory_store of the server"),
    (10023, "free disk space, or raise max_file_store of the server"),
    (10002, "raise the limits of the account"),
    (10039, "enable JetStream for the account"),
    (10109, "name another stream with ?stream=NAME"),
    (10054, "raise max_msg_size of the stream"),
];

/// An error response.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct ApiError {
    /// A status as in HTTP: 4xx is an error of the request, 5xx one of the server.
    pub(super) code: u16,
    #[serde(default)]
    pub(super) err_code: u64,
    #[serde(default)]
    pub(super) description: String,
}

impl ApiError {
    /// Returns `true` if the same request may succeed later.
    pub(super) fn is_passing(&self) -> bool {
        self.code >= 500 && self.remedy().is_none()
    }

    fn remedy(&self) -> Option<&'static str> {
        REMEDIES.iter().find(|(code, _)| *code == self.err_code).map(|(_, remedy)| *remedy)
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.description)?;
        self.remedy().map_or(Ok(()), |remedy| write!(f, ": {remedy}"))
    }
}

/// Any response: an error, or the requested value.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Answer<T> {
    No { error: ApiError },
    Yes(T),
}

/// A stream: when it was created, its settings and its state.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct StreamInfo {
    pub(super) created: String,
    pub(super) config: StreamConfig,
    pub(super) state: StreamState,
}

/// The settings that are checked here.
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
    pub(super) max_consumers: i64,
    #[serde(default)]
    pub(super) max_msgs: i64,
    #[serde(default)]
    pub(super) max_bytes: i64,
    /// In nanoseconds.
    #[serde(default)]
    pub(super) max_age: u64,
    /// In nanoseconds.
    #[serde(default)]
    pub(super) duplicate_window: u64,
    #[serde(default)]
    pub(super) discard: String,
    #[serde(default)]
    pub(super) storage: String,
    #[serde(default)]
    pub(super) persist_mode: String,
    #[serde(default)]
    pub(super) allow_msg_counter: bool,
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
    /// The sequence number up to which every message has been removed.
    pub(super) fn floor(&self) -> u64 {
        self.first_seq.saturating_sub(1)
    }
}
