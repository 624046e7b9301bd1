//! Reading a broker's tail in batches, and the pauses between retries.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use tokio::time::sleep;

use crate::{BrokerError, Notification, Stored, Tail};

/// Reads a tail in batches.
pub(crate) struct Arrivals {
    pub(crate) tail: Tail,
    /// The error with which the tail has ended, kept until the messages before it were returned.
    ended: Option<BrokerError>,
}

/// Pauses between retries, each twice as long as the one before, up to a limit.
pub(crate) struct Pauses(Duration);

/// The maximum number of messages of one batch, which are added to the log under one lock.
const BATCH: usize = 256;

/// The bytes of payloads and headers after which a batch ends. Its last notification may exceed them.
const BATCH_BYTES: usize = 1 << 20;

/// The first and the longest pause before a request to the broker is retried.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

impl Arrivals {
    pub(crate) fn of(tail: Tail) -> Self {
        Self { tail, ended: None }
    }

    /// Waits for a message, and takes all others that have arrived, at most a batch. Fails if the tail has ended.
    pub(crate) async fn next(&mut self) -> Result<Vec<Stored>, BrokerError> {
        if let Some(ended) = self.ended.take() {
            return Err(ended);
        }
        let (mut batch, mut bytes) = (Vec::new(), 0);
        poll_fn(|context| {
            while batch.len() < BATCH && bytes < BATCH_BYTES {
                let next = match self.tail.arrivals.as_mut().poll_next(context) {
                    Poll::Ready(next) => next,
                    Poll::Pending if batch.is_empty() => return Poll::Pending,
                    Poll::Pending => break,
                };
                let problem = match next {
                    Some(Ok(stored)) => {
                        bytes += stored.notification.as_ref().map_or(0, Notification::size);
                        batch.push(stored);
                        continue;
                    }
                    Some(Err(error)) => error,
                    None => BrokerError::away("its stream ended"),
                };
                if batch.is_empty() {
                    return Poll::Ready(Err(problem));
                }
                self.ended = Some(problem);
                break;
            }
            Poll::Ready(Ok(std::mem::take(&mut batch)))
        })
        .await
    }
}

impl Default for Pauses {
    fn default() -> Self {
        Self(PAUSES.0)
    }
}

impl Pauses {
    pub(crate) async fn pause(&mut self) {
        sleep(self.0).await;
        self.0 = (self.0 * 2).min(PAUSES.1);
    }
}
