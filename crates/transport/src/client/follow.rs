//! Keeps a client connected.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::BoxStream;
use tidings_core::{Id, Position};
use tokio::time::{Instant, sleep};

use super::{Arrival, Client, ClientError, Target};

/// The time to wait before the next attempt to connect.
///
/// It is a random time between half of a ceiling and the ceiling, and the ceiling doubles with each failure. So the
/// clients of a server that restarts do not reconnect immediately, nor all at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Backoff {
    /// The first ceiling. Default 1 s.
    pub shortest: Duration,
    /// The highest ceiling. Default 30 s. A longer time reduces the load on a server that is overloaded, but clients
    /// then reconnect later after it has recovered.
    pub longest: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { shortest: Duration::from_secs(1), longest: Duration::from_secs(30) }
    }
}

impl Backoff {
    /// Changes the first ceiling. Default 1 s.
    pub fn shortest(self, shortest: Duration) -> Self {
        Self { shortest, ..self }
    }

    /// Changes the highest ceiling. Default 30 s.
    pub fn longest(self, longest: Duration) -> Self {
        Self { longest, ..self }
    }

    /// How long to wait after this number of failures in a row, which is at least 1.
    fn delay(&self, failures: u32, retry_after: Option<Duration>) -> Duration {
        let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
        let ceiling = self.shortest.saturating_mul(doubled).min(self.longest);
        // A hash with random keys is random enough to spread clients.
        let random = RandomState::new().hash_one(failures) as u32;
        let jitter = ceiling.mul_f64(0.5 + 0.5 * f64::from(random) / f64::from(u32::MAX));
        retry_after.unwrap_or_default() + jitter
    }
}

/// An event of a client that [`follow`] keeps connected.
#[derive(Debug)]
pub enum Followed {
    /// The server has accepted the subscription.
    Connected,
    /// An item arrived from the server.
    Arrived(Arrival),
    /// The connection ended, or the attempt to connect failed.
    Disconnected {
        /// The error. `None` for a connection that ended without one, or after a goodbye.
        error: Option<ClientError>,
        /// The time until the next attempt. `None` if there is no further attempt. The stream then ends.
        retry_in: Option<Duration>,
    },
}

/// Connects, and connects again whenever the connection ends.
///
/// Each connection reads from the last position that a notification, a gap or a heartbeat contained. Before the first
/// of them, it reads from the position of `target`. So if the first connection of a [`Live`](Position::Live) client
/// ends before any position has arrived, the next one is live again.
///
/// The stream ends after an error that [is final](ClientError::is_final), and after a goodbye that is [not worth
/// reconnecting](super::Goodbye::is_worth_reconnecting). There are two exceptions. A client that was connected before
/// retries after a `404` that does not come from tidings, and while the certificate of the server has expired or is not
/// valid yet.
///
/// The wait before an attempt is the backoff plus any `Retry-After` of the server. The backoff starts again from its
/// first ceiling after a connection on which a notification arrived, or that lasted longer than [`Backoff::longest`].
/// Dropping the stream disconnects.
pub fn follow(
    client: Arc<dyn Client>,
    mut target: Target,
    backoff: Backoff,
) -> BoxStream<'static, Followed> {
    let followed = async_stream::stream! {
        let mut failures = 0;
        let mut was_connected = false;
        loop {
            let mut ended = None;
            let mut is_last = false;
            match client.connect(target.clone()).await {
                Err(error) => ended = Some(error),
                Ok(mut arrivals) => {
                    was_connected = true;
                    yield Followed::Connected;
                    let since = Instant::now();
                    let mut has_notification = false;
                    loop {
                        let arrival = match arrivals.next().await {
                            Some(Ok(arrival)) => arrival,
                            Some(Err(error)) => { ended = Some(error); break }
                            None => break,
                        };
                        if let Some(id) = position(&arrival) {
                            target.position = Position::After(id);
                        }
                        match &arrival {
                            Arrival::Notification(_) => has_notification = true,
                            Arrival::Goodbye(goodbye) => is_last = !goodbye.is_worth_reconnecting(),
                            Arrival::Gap(_) | Arrival::Heartbeat(_) | Arrival::Reply(_) => {}
                        }
                        yield Followed::Arrived(arrival);
                    }
                    if has_notification || since.elapsed() > backoff.longest {
                        failures = 0;
                    }
                }
            }
            is_last |= ended.as_ref().is_some_and(|error| {
                let may_heal = error.is_missing_server() || error.is_about_time();
                error.is_final() && !(was_connected && may_heal)
            });
            if is_last {
                yield Followed::Disconnected { error: ended, retry_in: None };
                break;
            }
            failures = u32::saturating_add(failures, 1);
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
        Arrival::Reply(_) | Arrival::Goodbye(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::Mutex;

    use futures::future::{BoxFuture, FutureExt, ready};
    use futures::stream::{self, pending};
    use http::StatusCode;
    use tidings_core::{Epoch, Gap, GapReason, Kind};

    use super::*;
    use crate::client::{Arrivals, CertificateProblem, Goodbye, Received};

    type Connection = Result<Vec<Result<Arrival, ClientError>>, ClientError>;

    /// A client that returns these connections one after the other, and then one on which nothing arrives. It records
    /// the position of each.
    #[derive(Debug)]
    struct Fake {
        connections: Mutex<VecDeque<Connection>>,
        positions: Mutex<Vec<Position>>,
    }

    impl Client for Fake {
        fn transport(&self) -> &'static str {
            "fake"
        }

        fn connect(&self, target: Target) -> BoxFuture<'static, Result<Arrivals, ClientError>> {
            self.positions.lock().unwrap().push(target.position);
            let next = self.connections.lock().unwrap().pop_front();
            ready(match next {
                Some(connection) => connection.map(|arrivals| stream::iter(arrivals).boxed()),
                None => Ok(pending().boxed()),
            })
            .boxed()
        }
    }

    fn id(seq: u64) -> Id {
        Epoch::from_number(36).id(seq)
    }

    fn notification(seq: u64) -> Arrival {
        let received = Received {
            id: Some(id(seq)),
            topic: None,
            kind: Kind::Text,
            payload: "x".into(),
            headers: None,
        };
        Arrival::Notification(received)
    }

    fn rejected(status: u16, retry_after: Option<u64>) -> ClientError {
        ClientError::Rejected {
            status: StatusCode::from_u16(status).unwrap(),
            code: None,
            message: "no".to_owned(),
            retry_after: retry_after.map(Duration::from_secs),
        }
    }

    fn followed(connections: Vec<Connection>) -> (Arc<Fake>, BoxStream<'static, Followed>) {
        let connections = Mutex::new(connections.into());
        let fake = Arc::new(Fake { connections, positions: Mutex::default() });
        let target = Target::new("http://127.0.0.1/topics/a".parse().unwrap());
        (fake.clone(), follow(fake, target, Backoff::default()))
    }

    async fn waits(stream: BoxStream<'static, Followed>, limit: usize) -> Vec<Option<Duration>> {
        let waits = stream.filter_map(|followed| {
            ready(match followed {
                Followed::Disconnected { retry_in, .. } => Some(retry_in),
                Followed::Connected | Followed::Arrived(_) => None,
            })
        });
        waits.take(limit).collect().await
    }

    #[tokio::test(start_paused = true)]
    async fn it_reconnects_with_the_position_of_the_last_arrival_that_has_one() {
        let gap = Gap { after: id(1), resume: id(5), missed: Some(4), reason: GapReason::Evicted };
        let (fake, stream) = followed(vec![
            Ok(vec![Ok(Arrival::Heartbeat(None))]),
            Ok(vec![Ok(notification(1))]),
            Ok(vec![Ok(Arrival::Gap(gap)), Err(ClientError::Broken("cut".to_owned()))]),
            Ok(vec![Ok(Arrival::Heartbeat(Some(id(9)))), Ok(Arrival::Heartbeat(None))]),
            Err(ClientError::Broken("down".to_owned())),
        ]);
        assert_eq!(waits(stream, 5).await.len(), 5);
        let at = |seq| Position::After(id(seq));
        let expected = [Position::Live, Position::Live, at(1), at(5), at(9)];
        assert_eq!(*fake.positions.lock().unwrap(), expected);
    }

    #[tokio::test(start_paused = true)]
    async fn before_the_first_position_it_reconnects_with_that_of_its_target() {
        let (fake, _) = followed(vec![
            Ok(vec![Ok(Arrival::Heartbeat(None))]),
            Ok(vec![Ok(Arrival::Heartbeat(None)), Ok(notification(3))]),
            Ok(vec![]),
        ]);
        let target = Target::new("http://127.0.0.1/topics/a".parse().unwrap());
        let target = Target { position: Position::Latest, ..target };
        let stream = follow(fake.clone(), target, Backoff::default());
        assert_eq!(waits(stream, 3).await.len(), 3);
        let expected = [Position::Latest, Position::Latest, Position::After(id(3))];
        assert_eq!(*fake.positions.lock().unwrap(), expected);
    }

    #[tokio::test(start_paused = true)]
    async fn the_wait_doubles_up_to_its_limit_and_starts_again_after_a_notification() {
        let down = || Err(ClientError::Broken("down".to_owned()));
        let mut connections: Vec<Connection> = (0..12).map(|_| down()).collect();
        connections.push(Ok(vec![Ok(notification(1))]));
        let (_, stream) = followed(connections);
        let began = Instant::now();
        let waits = waits(stream, 13).await;
        for (failures, wait) in waits[..12].iter().enumerate() {
            let ceiling = Duration::from_secs(1 << failures).min(Duration::from_secs(30));
            assert!((ceiling / 2..=ceiling).contains(&wait.unwrap()), "{waits:?}");
        }
        assert!(waits[12].unwrap() <= Duration::from_secs(1), "{waits:?}");
        let waited: Duration = waits[..12].iter().flatten().sum();
        assert!(began.elapsed() >= waited);
    }

    #[tokio::test(start_paused = true)]
    async fn a_final_rejection_ends_the_stream_and_a_temporary_one_is_retried() {
        let (_, stream) = followed(vec![
            Err(rejected(429, Some(7))),
            Err(rejected(503, None)),
            Err(rejected(408, None)),
            Err(rejected(403, None)),
        ]);
        let waits = waits(stream, 9).await;
        assert_eq!(waits.len(), 4);
        assert!(waits[0].unwrap() >= Duration::from_secs(7));
        assert_eq!(waits[3], None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_404_of_a_proxy_is_retried_only_if_the_client_was_connected_before() {
        let (_, stream) = followed(vec![Err(rejected(404, None))]);
        assert_eq!(waits(stream, 9).await, [None]);

        let of_the_hub = ClientError::Rejected {
            status: StatusCode::NOT_FOUND,
            code: Some("not_found".to_owned()),
            message: "nothing is here".to_owned(),
            retry_after: None,
        };
        let connections =
            vec![Ok(vec![Ok(notification(1))]), Err(rejected(404, None)), Err(of_the_hub)];
        let (_, stream) = followed(connections);
        let waits = waits(stream, 9).await;
        assert_eq!(waits.iter().map(Option::is_some).collect::<Vec<_>>(), [true, true, false]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_certificate_ends_the_stream_unless_it_has_expired_since_the_client_was_connected() {
        let rejected = |problem| ClientError::Certificate { address: "h:443".to_owned(), problem };
        let expired = || Err(rejected(CertificateProblem::Expired { at: None }));
        let (_, stream) = followed(vec![expired()]);
        assert_eq!(waits(stream, 9).await, [None]);

        let unknown = Err(rejected(CertificateProblem::UnknownIssuer));
        let (_, stream) = followed(vec![Ok(vec![Ok(notification(1))]), expired(), unknown]);
        let waits = waits(stream, 9).await;
        assert_eq!(waits.iter().map(Option::is_some).collect::<Vec<_>>(), [true, true, false]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_code_of_a_goodbye_determines_whether_to_reconnect() {
        let goodbye =
            |code| Ok(vec![Ok(Arrival::Goodbye(Goodbye { code, reason: "bye".to_owned() }))]);
        let (_, stream) = followed(vec![goodbye(Some(1001)), goodbye(None), goodbye(Some(1008))]);
        let waits = waits(stream, 9).await;
        assert_eq!(waits.iter().map(Option::is_some).collect::<Vec<_>>(), [true, true, false]);
    }
}
