//! The events of a subscription.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Entry, Id};

/// An event of a subscription. The enum is exhaustive, so that the compiler finds every place that must handle a new
/// kind.
#[derive(Clone, Debug)]
pub enum Event {
    /// A notification that matches.
    Deliver(Arc<Entry>),
    /// Some notifications are lost for this subscriber. Delivery continues after them.
    Gap(Gap),
    /// The subscription continues. Sent once in each interval, also between notifications, unless the client is
    /// catching up from the log. Also sent at the end of a snapshot if no other event has its position.
    Heartbeat {
        /// The position up to which everything was delivered.
        position: Id,
        /// The time until the next heartbeat.
        interval: Duration,
    },
    /// The last event: the subscription ends.
    Goodbye(Reason),
}

/// Notifications that a subscriber cannot get, because they are no longer retained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// The last position before the missing notifications.
    pub after: Id,
    /// Delivery continues after this position.
    pub resume: Id,
    /// The number of missing notifications, or `None` if it is unknown.
    pub missed: Option<u64>,
    /// Why there is a gap.
    pub reason: GapReason,
}

impl Gap {
    /// Returns one gap that covers this one and a later one.
    pub fn joined(self, later: Self) -> Self {
        let missed = self.missed.zip(later.missed).map(|(one, other)| one + other);
        Self { resume: later.resume, missed, ..self }
    }
}

/// Why there is a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GapReason {
    /// Notifications after the requested position are no longer retained.
    Evicted,
    /// The requested position is of another epoch.
    Epoch,
    /// The subscriber was too slow: the log has evicted notifications before it read them.
    Lagged,
}

/// Why a subscription ends. Each reason has a WebSocket close code (RFC 6455, section 7.4). Whether a client should
/// reconnect depends on the reason: see [`is_worth_reconnecting`](Self::is_worth_reconnecting).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// The subscription has ended normally.
    Normal,
    /// The hub shuts down.
    GoingAway,
    /// The peer broke the protocol.
    Protocol,
    /// The peer sent data that this hub does not accept.
    Unsupported,
    /// The peer sent text that is not UTF-8.
    BadUtf8,
    /// The peer is not permitted to do this, or its session has ended.
    NotAllowed,
    /// The peer sent more than the limit.
    TooBig,
    /// An internal error of the hub.
    Internal,
    /// The pool has no seat left.
    Full,
    /// The subscriber was too slow, and its policy is [`SlowPolicy::Disconnect`](crate::SlowPolicy::Disconnect).
    TooSlow,
    /// The peer has not answered heartbeats.
    Silent,
    /// The broker did not store what the peer published, or does not deliver what the peer has missed.
    Unavailable,
}

impl Reason {
    /// All reasons.
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

    /// Returns the WebSocket close code.
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

    /// Returns a short text for logs and close frames.
    pub const fn phrase(self) -> &'static str {
        match self {
            Self::Normal => "normal closure",
            Self::GoingAway => "the server is going away",
            Self::Protocol => "protocol error",
            Self::Unsupported => "unsupported data",
            Self::BadUtf8 => "text is not UTF-8",
            Self::NotAllowed => "not allowed",
            Self::TooBig => "message too big",
            Self::Internal => "internal error",
            Self::Full => "the server is full, try again later",
            Self::TooSlow => "too slow, try again later",
            Self::Silent => "no sign of life",
            Self::Unavailable => "the broker is unavailable, try again later",
        }
    }

    /// Returns the name in JSON, in `goodbye` events and in metrics.
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

    /// Returns `true` if a client should reconnect.
    pub const fn is_worth_reconnecting(self) -> bool {
        match self {
            Self::GoingAway | Self::Internal | Self::Full => true,
            Self::TooSlow | Self::Silent | Self::Unavailable => true,
            Self::Normal | Self::Protocol | Self::Unsupported | Self::BadUtf8 => false,
            Self::NotAllowed | Self::TooBig => false,
        }
    }
}
