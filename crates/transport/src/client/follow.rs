//! Staying connected.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::BoxStream;
use tidings_core::{Id, Position};
use tokio::time::{Instant, sleep, timeout};

use super::{Arrival, Client, ClientError, Target};

/// How long to wait before the next attempt to connect: a random time up to a ceiling that doubles with
/// each failure ("full jitter"), so that the clients of a hub that restarts do not all come at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The first ceiling. Default 100 ms.
    pub shortest: Duration,
    /// The last ceiling. Default 30 s. Longer is kinder to a hub in trouble, and later to notice that it
    /// is over.
    pub longest: Duration,
    /// A connection on which nothing arrives for so long, not even a heartbeat, is taken for dead. Default
    /// 90 s, which is longer than the longest poll; shorter notices sooner, and mistakes a slow hub for a
    /// dead one sooner.
    pub silence: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            shortest: Duration::from_millis(100),
            longest: Duration::from_secs(30),
            silence: Duration::from_secs(90),
        }
    }
}

impl Backoff {
    /// How long to wait after so many failures in a row, 1 or more.
    fn delay(&self, failures: u32, retry_after: Option<Duration>) -> Duration {
        let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
        let ceiling = self.shortest.saturating_mul(doubled).min(self.longest);
        // A hash with random keys is random enough to spread clients.
        let random = RandomState::new().hash_one(failures) as u32;
        let jitter = ceiling.mul_f64(f64::from(random) / f64::from(u32::MAX));
        retry_after.unwrap_or_default() + jitter
    }
}

/// What happens to a client that stays connected.
#[derive(Debug)]
pub enum Followed {
    /// The subscription stands.
    Connected,
    /// Something arrived.
    Arrived(Arrival),
    /// The connection could not be made, or ended.
    Disconnected {
        /// What went wrong; `None` where the connection just ended, or the hub had said goodbye.
        error: Option<ClientError>,
        /// After how long the next attempt comes; `None` where it is of no use, and then this is the last.
        retry_in: Option<Duration>,
    },
}

/// Connects, and connects again whenever the connection ends, each time with the position that it had:
/// the last one told by a notification, a gap or a heartbeat. Before the first of them it is that of
/// `target`, so a client that begins [`Live`](Position::Live) and is cut before it was told any position
/// begins live again.
///
/// It ends where the hub's answer would only be the same again ([`ClientError::is_final`]) or the hub's
/// goodbye says so. A `Retry-After` is waited for in full, and the backoff comes on top. The backoff
/// starts anew after a connection that brought a notification or held for longer than
/// [`Backoff::longest`]. Dropping the stream disconnects.
pub fn follow(
    client: Arc<dyn Client>,
    mut target: Target,
    backoff: Backoff,
) -> BoxStream<'static, Followed> {
    let followed = async_stream::stream! {
        let mut failures = 0;
        loop {
            let mut ended = None;
            let mut is_last = false;
            match client.connect(target.clone()).await {
                Err(error) => ended = Some(error),
                Ok(mut arrivals) => {
                    yield Followed::Connected;
                    let since = Instant::now();
                    let mut is_of_use = false;
                    loop {
                        let arrival = match timeout(backoff.silence, arrivals.next()).await {
                            Ok(Some(Ok(arrival))) => arrival,
                            Ok(Some(Err(error))) => { ended = Some(error); break }
                            Ok(None) => break,
                            Err(_) => { ended = Some(silent(backoff.silence)); break }
                        };
                        if let Some(id) = position(&arrival) {
                            target.position = Position::After(id);
                        }
                        match &arrival {
                            Arrival::Notification(_) => is_of_use = true,
                            Arrival::Goodbye(goodbye) => is_last = !goodbye.is_worth_reconnecting(),
                            Arrival::Gap(_) | Arrival::Heartbeat(_) => {}
                        }
                        yield Followed::Arrived(arrival);
                    }
                    if is_of_use || since.elapsed() > backoff.longest {
                        failures = 0;
                    }
                }
            }
            is_last |= ended.as_ref().is_some_and(ClientError::is_final);
            if is_last {
                yield Followed::Disconnected { error: ended, retry_in: None };
                break;
            }
            failures += 1;
            let retry_after = ended.as_ref().and_then(ClientError::retry_after);
            let delay = backoff.delay(failures, retry_after);
            yield Followed::Disconnected { error: ended, retry_in: Some(delay) };
            sleep(delay).await;
        }
    };
    followed.boxed()
}

fn position(arrival: &Arrival) -> Option<Id> {
    match arrival {
        Arrival::Notification(received) => received.id,
        Arrival::Gap(gap) => Some(gap.resume),
        Arrival::Heartbeat(id) => *id,
        Arrival::Goodbye(_) => None,
    }
}

fn silent(silence: Duration) -> ClientError {
    ClientError::Broken(format!("nothing arrived for {silence:?}, not even a heartbeat"))
}
