//! The interface of a broker, whose stream many hubs share.

use std::fmt;
use std::str::FromStr;

use futures_core::future::BoxFuture;
use futures_core::stream::BoxStream;
use thiserror::Error;

use crate::{Budget, Epoch, Filters, GapReason, Id, Notification};

/// A message queue with a stream of the notifications of any number of hubs, so that all of them publish and deliver
/// the same ones. The stream is one of NATS JetStream or Redis Streams, for example.
///
/// The sequence number of every id is that of the broker, so an id means the same on every hub. A hub keeps the newest
/// part of the stream in its [`Log`](crate::Log), which one [`tail`](Self::tail) feeds. It serves readers of the older
/// part by [`replay`](Self::replay).
///
/// Every future can be dropped at any time. Every future must complete in bounded time: if the broker is unavailable,
/// it returns an error, and the hub retries.
pub trait Broker: fmt::Debug + Send + Sync + 'static {
    /// Stores a notification, and returns its id once the broker has confirmed it. How durable that is depends on the
    /// broker. If the broker keeps the key of an earlier publish, it stores nothing, and the id is that of the
    /// earlier one.
    ///
    /// # Errors
    /// Fails if the broker rejects the request or does not respond. After an error, or if the future is dropped, the
    /// broker may or may not have stored the notification. To publish exactly once, retry with the same key.
    fn publish(
        &self,
        notification: Notification,
        key: Option<IdempotencyKey>,
    ) -> BoxFuture<'static, Result<Id, BrokerError>>;

    /// Follows the stream from `start` on. If the stream was deleted or its sequence numbers went back since `start`,
    /// the tail has a new epoch, which is the same on every hub.
    ///
    /// # Errors
    /// Fails if the broker rejects the request or does not respond.
    fn tail(&self, start: Start) -> BoxFuture<'static, Result<Tail, BrokerError>>;

    /// Reads the notifications in `(after, upto]` that match, within the budget. The first one is read whatever its
    /// size.
    ///
    /// # Errors
    /// Fails if the broker rejects the request or does not respond.
    fn replay(
        &self,
        filters: &Filters,
        after: Id,
        upto: u64,
        budget: Budget,
    ) -> BoxFuture<'static, Result<Replay, BrokerError>>;

    /// Returns the size of the largest payload that the broker accepts, in bytes.
    fn max_payload(&self) -> usize;
}

/// The position from which a hub follows the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Begin with this many of the newest messages. For a hub that starts.
    Newest(u64),
    /// Begin after this id, the last one that the hub has.
    After(Id),
}

/// The stream from a position on.
pub struct Tail {
    /// The epoch of the stream.
    pub epoch: Epoch,
    /// The broker no longer has messages up to this sequence number.
    pub floor: u64,
    /// The arrivals begin after this sequence number. It is that of [`Start::After`], or higher if the broker no
    /// longer has the messages in between.
    pub after: u64,
    /// The sequence number of the newest message that the broker has now, at least `after`.
    pub head: u64,
    /// The stored messages and then new ones, with increasing sequence numbers. The broker no longer has a message
    /// whose number is skipped. The stream ends with the connection to the broker, with or without an error.
    pub arrivals: BoxStream<'static, Result<Stored, BrokerError>>,
}

/// One message of the stream.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// The sequence number.
    pub seq: u64,
    /// The notification, or `None` if the message is not one, because another program has added it to the stream.
    pub notification: Option<Notification>,
}

/// The result of a replay.
#[derive(Clone, Debug, PartialEq)]
pub enum Replay {
    /// The notifications that match, up to a position.
    Read {
        /// The notifications, oldest first.
        found: Vec<Stored>,
        /// The sequence number up to which all messages were read. It is at least `after`, and less than `upto` if the
        /// budget was used up.
        reached: u64,
    },
    /// The messages after the position are no longer there.
    Gone {
        /// Reading can continue after this position.
        resume: Id,
        /// [`GapReason::Evicted`], or [`GapReason::Epoch`] if the position is of another epoch or after the newest
        /// message.
        reason: GapReason,
    },
}

/// Identifies a publish, so that a retry is not stored again: 1 to 255 visible ASCII characters, chosen by the
/// publisher, such as a UUID.
///
/// ```
/// use tidings_core::IdempotencyKey;
/// assert!("8e03978e-40d5-43dd-bc93-6894a57f9324".parse::<IdempotencyKey>().is_ok());
/// assert!("two words".parse::<IdempotencyKey>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(Box<str>);

/// The error for a text that is not an [`IdempotencyKey`].
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("an idempotency key is 1 to {MAX_KEY_BYTES} visible ASCII characters: use a UUID")]
pub struct ParseKeyError;

/// Why a request to the broker failed.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum BrokerError {
    /// The broker does not respond, or not in time. A retry may succeed.
    #[error("{broker} is away: {problem}")]
    Away {
        /// The kind and the address of the broker.
        broker: String,
        /// The symptom, such as a timeout.
        problem: String,
    },
    /// The broker has rejected the request. A retry fails until an operator has fixed the problem.
    #[error("rejected by {broker}: {problem}")]
    Rejected {
        /// The kind and the address of the broker.
        broker: String,
        /// The broker's message, and what to do.
        problem: String,
    },
}

impl BrokerError {
    /// An error of the hub itself, such as a timeout or too many pending publishes.
    pub(crate) fn away(problem: impl Into<String>) -> Self {
        Self::Away { broker: "the broker".to_owned(), problem: problem.into() }
    }
}

const MAX_KEY_BYTES: usize = 255;

impl IdempotencyKey {
    /// Returns the key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for IdempotencyKey {
    type Err = ParseKeyError;

    fn from_str(text: &str) -> Result<Self, ParseKeyError> {
        let is_valid = (1..=MAX_KEY_BYTES).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_graphic());
        if is_valid { Ok(Self(text.into())) } else { Err(ParseKeyError) }
    }
}

impl fmt::Debug for Tail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { epoch, floor, after, head, .. } = self;
        write!(f, "Tail {{ {epoch}: floor {floor}, after {after}, head {head} }}")
    }
}
