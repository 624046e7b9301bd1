//! The broker below many hubs: one stream that all of them share.

use std::fmt;
use std::str::FromStr;

use futures_core::future::BoxFuture;
use futures_core::stream::BoxStream;
use thiserror::Error;

use crate::{Budget, Epoch, Filters, GapReason, Id, Notification};

/// A message queue that stores the stream, so that any number of hubs are one.
///
/// The sequence number of every id is the broker's own, so an id means the same on every hub. A hub keeps
/// the newest part of the stream in its [`Log`](crate::Log), fed by one [`tail`](Self::tail); what is
/// older it [`replay`](Self::replay)s for whoever asks. A hub without a broker is its own broker.
///
/// Every future may be dropped at any time. None of them waits for ever: a broker that is away is an
/// error, and the hub asks again.
pub trait Broker: fmt::Debug + Send + Sync + 'static {
    /// Stores a notification: resolves with its id once the broker has stored it, and what that means is
    /// the broker's to say. With a key that the broker has seen lately, it stores nothing and resolves with
    /// the first one's id.
    ///
    /// A dropped or failed future tells nothing: the broker may have stored it. Who must not publish twice
    /// tries again with the same key.
    fn publish(
        &self,
        notification: Notification,
        key: Option<IdempotencyKey>,
    ) -> BoxFuture<'static, Result<Id, BrokerError>>;

    /// Follows the stream. Where the broker's history is another one than that of `start`, because the
    /// stream was deleted or its sequence went back, the tail has a new epoch, the same on every hub.
    fn tail(&self, start: Start) -> BoxFuture<'static, Result<Tail, BrokerError>>;

    /// Reads what matches in `(after, upto]`, within the budget. The first notification is returned
    /// whatever its size.
    fn replay(
        &self,
        filters: &Filters,
        after: Id,
        upto: u64,
        budget: Budget,
    ) -> BoxFuture<'static, Result<Replay, BrokerError>>;

    /// The largest payload that the broker takes, in bytes.
    fn max_payload(&self) -> usize;
}

/// From where a hub follows the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// From the oldest of so many that are newest: a hub that has just begun.
    Newest(u64),
    /// Behind this id, the last one that the hub has.
    After(Id),
}

/// The stream from a position on.
pub struct Tail {
    /// The history that is followed.
    pub epoch: Epoch,
    /// Everything up to this sequence number is gone from the broker.
    pub floor: u64,
    /// What arrives follows this sequence number. It is that of [`Start::After`], or further on where what
    /// lies between is gone.
    pub after: u64,
    /// The newest that the broker has now; not below `after`.
    pub head: u64,
    /// What is there, and what comes, with rising sequence numbers. A number that is passed over is one that
    /// the broker no longer has. It ends with an error, or without one where the broker let go.
    pub arrivals: BoxStream<'static, Result<Stored, BrokerError>>,
}

/// One message of the stream.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// Its place.
    pub seq: u64,
    /// What was published; `None` where somebody else has put into the stream what no hub would.
    pub notification: Option<Notification>,
}

/// What a replay came to.
#[derive(Clone, Debug, PartialEq)]
pub enum Replay {
    /// All that matches up to a position.
    Read {
        /// What matches, oldest first.
        found: Vec<Stored>,
        /// Up to here everything was looked at: short of `upto` where the budget was used up, and not below
        /// `after`.
        reached: u64,
    },
    /// What follows the position can no longer be had.
    Gone {
        /// Reading can go on behind this.
        resume: Id,
        /// [`GapReason::Evicted`], or [`GapReason::Epoch`] where the position is of another history, or lies
        /// ahead of this one.
        reason: GapReason,
    },
}

/// Tells a publish that is tried again from a new one: 1 to 255 visible ASCII characters, chosen by the
/// publisher, such as a UUID.
///
/// ```
/// use tidings_core::IdempotencyKey;
/// assert!("8e03978e-40d5-43dd-bc93-6894a57f9324".parse::<IdempotencyKey>().is_ok());
/// assert!("two words".parse::<IdempotencyKey>().is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(Box<str>);

/// A text that is no [`IdempotencyKey`].
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("an idempotency key is 1 to {MAX_KEY_BYTES} visible ASCII characters: use a UUID")]
pub struct ParseKeyError;

/// The broker did not do what it was asked.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum BrokerError {
    /// It does not answer, or not in time. It may come back.
    #[error("{broker} is away: {problem}")]
    Away {
        /// Which broker, and where.
        broker: String,
        /// What was seen of it.
        problem: String,
    },
    /// It answers, and refuses: nothing changes until somebody mends what it says.
    #[error("{broker} refuses: {problem}")]
    Refused {
        /// Which broker, and where.
        broker: String,
        /// Its words, and what to do.
        problem: String,
    },
}

impl BrokerError {
    /// Returns the error of a hub whose broker cannot be used.
    pub(crate) fn away(problem: impl Into<String>) -> Self {
        Self::Away { broker: "the broker".to_owned(), problem: problem.into() }
    }
}

const MAX_KEY_BYTES: usize = 255;

impl IdempotencyKey {
    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for IdempotencyKey {
    type Err = ParseKeyError;

    fn from_str(text: &str) -> Result<Self, ParseKeyError> {
        let is_sound = (1..=MAX_KEY_BYTES).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_graphic());
        if is_sound { Ok(Self(text.into())) } else { Err(ParseKeyError) }
    }
}

impl fmt::Debug for Tail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { epoch, floor, after, head, .. } = self;
        write!(f, "Tail {{ {epoch}: floor {floor}, after {after}, head {head} }}")
    }
}
