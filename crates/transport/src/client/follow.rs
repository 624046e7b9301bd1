//! Staying connected.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::BoxStream;
use tidings_core::{Id, Position};
use tokio::time::{Instant, sleep};

use super::{Arrival, Client, ClientError, Target};

/// How long to wait before the next attempt to connect: a random time between half of a ceiling and the
/// ceiling. The ceiling doubles with each failure. So the clients of a hub that restarts do not all come at
/// once, and none comes back at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Backoff {
    /// The first ceiling. Default 1 s.
    pub shortest: Duration,
    /// The last ceiling. Default 30 s. Longer is kinder to a hub in trouble, and later to notice that it
    /// is over.
    pub longest: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { shortest: Duration::from_secs(1), longest: Duration::from_secs(30) }
    }
}

impl Backoff {
    /// Changes the ceiling of the first pause.
    pub fn shortest(self, shortest: Duration) -> Self {
        Self { shortest, ..self }
    }

    /// Changes the highest ceiling of a pause.
    pub fn longest(self, longest: Duration) -> Self {
        Self { longest, ..self }
    }

    /// Returns how long to wait after this many failures in a row, 1 or more.
    fn delay(&self, failures: u32, retry_after: Option<Duration>) -> Duration {
        let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
        let ceiling = self.shortest.saturating_mul(doubled).min(self.longest);
        // A hash with random keys is random enough to spread clients.
        let random = RandomState::new().hash_one(failures) as u32;
        let jitter = ceiling.mul_f64(0.5 + 0.5 * f64::from(random) / f64::from(u32::MAX));
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
/// It ends if the hub's answer would only be the same again ([`ClientError::is_final`]), or if the hub's
/// goodbye says so. There is one exception: a `404` that is not the hub's does not end a client that was
/// connected before. A `Retry-After` is waited for in full, and the backoff comes on top. The backoff
/// starts anew after a connection that brought a notification or held for longer than
/// [`Backoff::longest`]. Dropping the stream disconnects.
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
                    let mut is_of_use = false;
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
                            Arrival::Notification(_) => is_of_use = true,
                            Arrival::Goodbye(goodbye) => is_last = !goodbye.is_worth_reconnecting(),
                            Arrival::Gap(_) | Arrival::Heartbeat(_) | Arrival::Reply(_) => {}
                        }
                        yield Followed::Arrived(arrival);
                    }
                    if is_of_use || since.elapsed() > backoff.longest {
                        failures = 0;
                    }
                }
            }
            is_last |= ended.as_ref().is_some_and(|error| {
                error.is_final() && !(was_connected && error.is_missing_server())
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
    use crate::client::{Arrivals, Goodbye, Received};

    type Connection = Result<Vec<Result<Arrival, ClientError>>, ClientError>;

    /// Plays one connection after the other, then hangs; and remembers from where it was asked to read.
    #[derive(Debug)]
    struct Fake {
        connections: Mutex<VecDeque<Connection>>,
        asked: Mutex<Vec<Position>>,
    }

    impl Client for Fake {
        fn transport(&self) -> &'static str {
            "fake"
        }

        fn connect(&self, target: Target) -> BoxFuture<'static, Result<Arrivals, ClientError>> {
            self.asked.lock().unwrap().push(target.position);
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

    fn refused(status: u16, retry_after: Option<u64>) -> ClientError {
        ClientError::Refused {
            status: StatusCode::from_u16(status).unwrap(),
            code: None,
            message: "no".to_owned(),
            retry_after: retry_after.map(Duration::from_secs),
        }
    }

    fn followed(connections: Vec<Connection>) -> (Arc<Fake>, BoxStream<'static, Followed>) {
        let connections = Mutex::new(connections.into());
        let fake = Arc::new(Fake { connections, asked: Mutex::default() });
        let target = Target::new("http://127.0.0.1/topics/a".parse().unwrap());
        (fake.clone(), follow(fake, target, Backoff::default()))
    }

    /// The waits that follow told, until it has nothing more to tell or has told this many.
    async fn waits(stream: BoxStream<'static, Followed>, many: usize) -> Vec<Option<Duration>> {
        let waits = stream.filter_map(|followed| {
            ready(match followed {
                Followed::Disconnected { retry_in, .. } => Some(retry_in),
                Followed::Connected | Followed::Arrived(_) => None,
            })
        });
        waits.take(many).collect().await
    }

    #[tokio::test(start_paused = true)]
    async fn it_comes_back_with_whatever_last_told_its_position() {
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
        assert_eq!(*fake.asked.lock().unwrap(), expected);
    }

    #[tokio::test(start_paused = true)]
    async fn before_it_was_told_a_position_it_asks_for_the_newest_of_each_topic_again() {
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
        assert_eq!(*fake.asked.lock().unwrap(), expected);
    }

    #[tokio::test(start_paused = true)]
    async fn the_wait_doubles_up_to_its_limit_and_begins_anew_after_a_notification() {
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
    async fn a_rejection_for_good_is_told_and_ends_it_and_one_for_now_is_waited_for() {
        let (_, stream) = followed(vec![
            Err(refused(429, Some(7))),
            Err(refused(503, None)),
            Err(refused(408, None)),
            Err(refused(403, None)),
        ]);
        let waits = waits(stream, 9).await;
        assert_eq!(waits.len(), 4);
        assert!(waits[0].unwrap() >= Duration::from_secs(7));
        assert_eq!(waits[3], None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_404_of_a_proxy_is_retried_only_by_a_client_that_was_connected_before() {
        let (_, stream) = followed(vec![Err(refused(404, None))]);
        assert_eq!(waits(stream, 9).await, [None]);

        let of_the_hub = ClientError::Refused {
            status: StatusCode::NOT_FOUND,
            code: Some("not_found".to_owned()),
            message: "nothing is here".to_owned(),
            retry_after: None,
        };
        let connections =
            vec![Ok(vec![Ok(notification(1))]), Err(refused(404, None)), Err(of_the_hub)];
        let (_, stream) = followed(connections);
        let waits = waits(stream, 9).await;
        assert_eq!(waits.iter().map(Option::is_some).collect::<Vec<_>>(), [true, true, false]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_goodbye_says_whether_to_come_back() {
        let goodbye =
            |code| Ok(vec![Ok(Arrival::Goodbye(Goodbye { code, reason: "bye".to_owned() }))]);
        let (_, stream) = followed(vec![goodbye(Some(1001)), goodbye(None), goodbye(Some(1008))]);
        let waits = waits(stream, 9).await;
        assert_eq!(waits.iter().map(Option::is_some).collect::<Vec<_>>(), [true, true, false]);
    }
}
