//! A publish on its way.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::future::BoxFuture;
use thiserror::Error;

use crate::{BrokerError, Id, Reason};

/// A publish on its way: a future of the id, once the notification is stored.
///
/// By itself a hub stores at once, and [`try_outcome`](Self::try_outcome) has the outcome without a wait; over a broker
/// it takes a way there and back. Dropped before it is ready, the notification may be stored or not.
#[must_use = "whether it was stored is known only to who awaits this"]
pub struct Publishing(State);

/// Why a notification was not published.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum PublishError {
    /// The payload is larger than [`HubConfig::max_payload`](crate::HubConfig::max_payload).
    #[error("the payload has {size} bytes, the limit is {limit}")]
    TooBig {
        /// The payload's bytes.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// The hub is closed.
    #[error("the hub is closed: {}", .0.phrase())]
    Closed(Reason),
    /// The broker below the hub has not said that it has stored it. It may have, all the same: who must
    /// not publish twice tries again with the same key.
    #[error("not stored: {0}")]
    Unavailable(#[source] BrokerError),
}

enum State {
    Done(Option<Result<Id, PublishError>>),
    Pending(BoxFuture<'static, Result<Id, PublishError>>),
}

impl PublishError {
    /// The reason for which a client is let go that sent what could not be published.
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

    /// Returns the outcome if it is there without a wait. A hub without a broker always has it.
    ///
    /// # Errors
    /// Returns the publish itself, which is still on its way.
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
            State::Pending(_) => f.write_str("Publishing(on its way)"),
        }
    }
}
