//! What a subscriber is told.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Entry, Id};

/// Everything a subscriber can be told. Exhaustive on purpose: a new kind makes the compiler name every
/// room to visit.
#[derive(Clone, Debug)]
pub enum Event {
    /// A notification that matches.
    Deliver(Arc<Entry>),
    /// Some notifications can no longer be had; delivery goes on behind them.
    Gap(Gap),
    /// Nothing to say for a while, and still here.
    Heartbeat {
        /// The position up to which the subscriber has been told everything.
        position: Id,
        /// The time until the next heartbeat.
        interval: Duration,
    },
    /// The last event: the subscription ends.
    Goodbye(Reason),
}

/// What a subscriber can no longer get.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// The last position before the hole.
    pub after: Id,
    /// Delivery goes on with what follows this position.
    pub resume: Id,
    /// How many notifications are missing; `None` where it cannot be known.
    pub missed: Option<u64>,
    /// Why.
    pub reason: GapReason,
}

impl Gap {
    /// This gap and a later one behind it, told as one.
    pub fn joined(self, later: Self) -> Self {
        let missed = self.missed.zip(later.missed).map(|(one, other)| one + other);
        Self { resume: later.resume, missed, ..self }
    }
}

/// Why there is a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GapReason {
    /// The position asked for is older than anything retained.
    Evicted,
    /// The position asked for belongs to another history.
    Epoch,
    /// The subscriber was connected and too slow: the log moved on past it.
    Lagged,
}

/// Why a subscription ends. Each has a WebSocket close code (RFC 6455, section 7.4) and tells whether it
/// is of use to come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// All is said.
    Normal,
    /// The hub shuts down.
    GoingAway,
    /// The peer broke the protocol.
    Protocol,
    /// The peer sent what this hub does not take.
    Unsupported,
    /// The peer sent text that is not UTF-8.
    BadUtf8,
    /// The peer did what it may not do.
    NotAllowed,
    /// The peer sent more than the limit.
    TooBig,
    /// A fault of the hub's own.
    Internal,
    /// The pool has no seat left.
    Full,
    /// The subscriber was too slow, and the policy is to let it go.
    TooSlow,
    /// The peer gave no sign of life.
    Silent,
    /// The broker did not store what the peer sent, or does not deliver what it has missed.
    Unavailable,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 12] = [
        Self::Normal,
        Self::GoingAway,
        Self::Protocol,
        Self::Unsupported,
        Self::BadUtf8,
        Self::NotAllowed,
        Self::TooBig,
        Self::Internal,
        Self::Full,
        Self::TooSlow,
        Self::Silent,
        Self::Unavailable,
    ];

    /// The WebSocket close code.
    pub const fn code(self) -> u16 {
        match self {
            Self::Normal => 1000,
            Self::GoingAway | Self::Silent => 1001,
            Self::Protocol => 1002,
            Self::Unsupported => 1003,
            Self::BadUtf8 => 1007,
            Self::NotAllowed => 1008,
            Self::TooBig => 1009,
            Self::Internal => 1011,
            Self::Full | Self::TooSlow | Self::Unavailable => 1013,
        }
    }

    /// One short phrase for a log line or a close frame.
    pub const fn phrase(self) -> &'static str {
        match self {
            Self::Normal => "all is said",
            Self::GoingAway => "the hub is going away",
            Self::Protocol => "protocol error",
            Self::Unsupported => "unsupported data",
            Self::BadUtf8 => "text is not UTF-8",
            Self::NotAllowed => "not allowed",
            Self::TooBig => "message too big",
            Self::Internal => "internal error",
            Self::Full => "the hub is full, try again later",
            Self::TooSlow => "too slow, try again later",
            Self::Silent => "no sign of life",
            Self::Unavailable => "the broker is unavailable, try again later",
        }
    }

    /// The name in JSON, in `goodbye` events and in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::GoingAway => "going_away",
            Self::Protocol => "protocol",
            Self::Unsupported => "unsupported",
            Self::BadUtf8 => "bad_utf8",
            Self::NotAllowed => "not_allowed",
            Self::TooBig => "too_big",
            Self::Internal => "internal",
            Self::Full => "full",
            Self::TooSlow => "too_slow",
            Self::Silent => "silent",
            Self::Unavailable => "unavailable",
        }
    }

    /// Whether a client does well to connect again.
    pub const fn is_worth_reconnecting(self) -> bool {
        match self {
            Self::GoingAway | Self::Internal | Self::Full => true,
            Self::TooSlow | Self::Silent | Self::Unavailable => true,
            Self::Normal | Self::Protocol | Self::Unsupported | Self::BadUtf8 => false,
            Self::NotAllowed | Self::TooBig => false,
        }
    }
}
