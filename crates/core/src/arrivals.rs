//! A broker's tail, read in batches; and the pauses while there is none.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use tokio::time::sleep;

use crate::{BrokerError, Notification, Stored, Tail};

/// A tail, read in batches.
pub(crate) struct Arrivals {
    pub(crate) tail: Tail,
    /// Its end, kept until what came before it is stored.
    ended: Option<BrokerError>,
}

/// Pauses that grow.
pub(crate) struct Pauses(Duration);

/// What has arrived already and is added to the log in one go.
const BATCH: usize = 256;

/// The same in payload bytes, the last notification beside it.
const BATCH_BYTES: usize = 1 << 20;

/// Pauses before a broker that is away is asked again: the first, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

impl Arrivals {
    pub(crate) fn of(tail: Tail) -> Self {
        Self { tail, ended: None }
    }

    /// What has arrived: waits for the first, and takes what is there with it.
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
