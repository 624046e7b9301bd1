//! The outcome of a publish.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::future::BoxFuture;
use thiserror::Error;

use crate::{BrokerError, Id, Reason};

/// A future of the id of a published notification, which resolves once the notification is stored.
///
/// A hub without a broker stores at once, and [`try_outcome`](Self::try_outcome) returns the outcome. With a broker,
/// the future waits for the broker's response. If it is dropped before, the notification may or may not be stored.
#[must_use = "await this to find out whether the notification was stored"]
pub struct Publishing(State);

/// Why a notification was not published.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublishError {
    /// The payload is larger than [`HubConfig::max_payload`](crate::HubConfig::max_payload).
    #[error("the payload has {size} bytes, the limit is {limit}")]
    TooBig {
        /// The size of the payload, in bytes.
        size: usize,
        /// The limit, in bytes.
        limit: usize,
    },
    /// The hub is closed.
    #[error("the server accepts no more notifications: {}", .0.phrase())]
    Closed(Reason),
    /// The broker has not confirmed that it has stored the notification, and may or may not have stored it. To publish
    /// exactly once, retry with the same key.
    #[error("not stored: {0}")]
    Unavailable(#[source] BrokerError),
}

enum State {
    Done(Option<Result<Id, PublishError>>),
    Pending(BoxFuture<'static, Result<Id, PublishError>>),
}

impl PublishError {
    /// Returns the reason with which a client is disconnected if its publish fails with this error.
    pub fn reason(&self) -> Reason {
        match self {
            Self::TooBig { .. } => Reason::TooBig,
            Self::Closed(reason) => *reason,
            Self::Unavailable(_) => Reason::Unavailable,
        }
    }
}

impl Publishing {
    pub(crate) fn done(outcome: Result<Id, PublishError>) -> Self {
        Self(State::Done(Some(outcome)))
    }

    pub(crate) fn pending(outcome: BoxFuture<'static, Result<Id, PublishError>>) -> Self {
        Self(State::Pending(outcome))
    }

    /// Returns the outcome if it is available without waiting. Without a broker it always is.
    ///
    /// # Errors
    /// Fails with `self` if the outcome is not available yet.
    pub fn try_outcome(self) -> Result<Result<Id, PublishError>, Self> {
        match self.0 {
            State::Done(Some(outcome)) => Ok(outcome),
            state => Err(Self(state)),
        }
    }
}

impl Future for Publishing {
    type Output = Result<Id, PublishError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            State::Done(outcome) => Poll::Ready(outcome.take().expect("polled after it was ready")),
            State::Pending(future) => future.as_mut().poll(context),
        }
    }
}

impl fmt::Debug for Publishing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            State::Done(outcome) => write!(f, "Publishing({outcome:?})"),
            State::Pending(_) => f.write_str("Publishing(pending)"),
        }
    }
}
