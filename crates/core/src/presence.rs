//! Presence: which sessions have connected clients.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use crate::{ClientPool, Session};

/// How long changes are collected, so that the pool is read once for a thousand clients that join at the same time.
const COLLECT: Duration = Duration::from_millis(20);

/// A change of a [`Presence`]: a key has got its first client or has lost its last.
#[derive(Debug)]
pub enum PresenceChange<S> {
    /// The first client with this key has joined.
    Joined(Arc<S>),
    /// The last client with this key has left, and none has joined within the grace time.
    Left(Arc<S>),
}

/// Follows which clients are connected, by their sessions. Clients whose sessions have the same key count as one,
/// such as two tabs of a user, or a client before and after it reconnects.
///
/// A long-polling client has a seat only while its poll is held. The grace time covers the time between two polls.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
/// use tidings_core::{Hub, Presence, PresenceChange, Session};
///
/// struct User(&'static str);
/// impl Session for User {}
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), tidings_core::JoinError> {
/// let hub = Hub::default();
/// let mut presence = Presence::new(hub.pool(), Duration::from_secs(10), |user: &User| user.0);
/// let mut seat = hub.join("websocket")?;
/// seat.set_session(Arc::new(User("ann")));
/// assert!(matches!(presence.next().await, Some(PresenceChange::Joined(user)) if user.0 == "ann"));
/// # Ok(())
/// # }
/// ```
pub struct Presence<S, K> {
    pool: ClientPool,
    changes: watch::Receiver<()>,
    /// Whether the pool has changed since it was last read.
    has_changed: bool,
    grace: Duration,
    key: Box<dyn Fn(&S) -> K + Send + Sync>,
    known: HashMap<K, Known<S>>,
    /// Changes that were not returned yet. At most two for each known key.
    found: VecDeque<PresenceChange<S>>,
}

struct Known<S> {
    session: Arc<S>,
    /// Since when no client has this key. `None` while one has.
    absent_since: Option<Instant>,
}

impl<S: Session, K: Clone + Eq + Hash> Presence<S, K> {
    /// Follows the sessions of type `S`. Sessions for which `key` returns the same value count as one.
    pub fn new(
        pool: &ClientPool,
        grace: Duration,
        key: impl Fn(&S) -> K + Send + Sync + 'static,
    ) -> Self {
        Self {
            pool: pool.clone(),
            changes: pool.session_changes(),
            // The first call of `look` finds the clients that are already connected.
            has_changed: true,
            grace,
            key: Box::new(key),
            known: HashMap::new(),
            found: VecDeque::new(),
        }
    }

    /// Waits for the next change. The result is `None` once the pool is closed and all clients have left.
    ///
    /// Cancel safe: dropping the future loses no change.
    pub async fn next(&mut self) -> Option<PresenceChange<S>> {
        loop {
            if let Some(change) = self.found.pop_front() {
                return Some(change);
            }
            if self.has_changed {
                sleep(COLLECT).await;
                self.look();
                continue;
            }
            // Closing the pool is a change too, so all clients that joined before it are known.
            let is_known = matches!(self.changes.has_changed(), Ok(false));
            if is_known && self.known.is_empty() && self.pool.closed().is_some() {
                return None;
            }
            let absent = self.known.values().filter_map(|known| known.absent_since).min();
            let due = absent.map(|since| since + self.grace);
            tokio::select! {
                changed = self.changes.changed() => {
                    // The pool lives as long as this value does.
                    let Ok(()) = changed else { return None };
                    self.has_changed = true;
                }
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => self.look(),
            }
        }
    }

    /// Returns one session of each key that has a client, or had one within the grace time.
    pub fn present(&self) -> impl Iterator<Item = &Arc<S>> {
        self.known.values().map(|known| &known.session)
    }

    /// Compares the sessions in the pool with the known ones.
    fn look(&mut self) {
        self.changes.mark_unchanged();
        self.has_changed = false;
        let now = Instant::now();
        let mut here: HashMap<K, Arc<S>> = HashMap::new();
        for (_, session) in self.pool.sessions::<S>() {
            here.insert((self.key)(&session), session);
        }
        self.known.retain(|key, known| {
            known.absent_since = match here.contains_key(key) {
                true => None,
                false => known.absent_since.or(Some(now)),
            };
            let has_left = known.absent_since.is_some_and(|since| since + self.grace <= now);
            if has_left {
                self.found.push_back(PresenceChange::Left(known.session.clone()));
            }
            !has_left
        });
        for (key, session) in here {
            let known = self.known.entry(key).or_insert_with(|| {
                self.found.push_back(PresenceChange::Joined(session.clone()));
                Known { session: session.clone(), absent_since: None }
            });
            known.session = session;
        }
    }
}

impl<S, K> std::fmt::Debug for Presence<S, K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Presence").field("known", &self.known.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Hub, Reason, Seat};

    struct User(&'static str);

    impl Session for User {}

    const GRACE: Duration = Duration::from_secs(10);

    fn join(hub: &Hub, name: &'static str) -> Seat {
        let mut seat = hub.join("t").unwrap();
        seat.set_session(Arc::new(User(name)));
        seat
    }

    fn describe(change: Option<PresenceChange<User>>) -> String {
        match change {
            Some(PresenceChange::Joined(user)) => format!("{} joined", user.0),
            Some(PresenceChange::Left(user)) => format!("{} left", user.0),
            None => "the end".to_owned(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn two_clients_of_one_user_count_as_one_until_the_last_leaves() {
        let hub = Hub::default();
        let first = join(&hub, "ann");
        let mut presence = Presence::new(hub.pool(), GRACE, |user: &User| user.0);
        assert_eq!(describe(presence.next().await), "ann joined");
        let second = join(&hub, "ann");
        drop(first);
        let bob = join(&hub, "bob");
        assert_eq!(describe(presence.next().await), "bob joined");
        assert_eq!(presence.present().count(), 2);
        let gone = Instant::now();
        drop(second);
        assert_eq!(describe(presence.next().await), "ann left");
        assert!(gone.elapsed() >= GRACE);
        hub.close(Reason::GoingAway);
        drop(bob);
        assert_eq!(describe(presence.next().await), "bob left");
        assert_eq!(describe(presence.next().await), "the end");
    }

    #[tokio::test(start_paused = true)]
    async fn a_long_polling_client_is_present_between_two_polls() {
        let hub = Hub::default();
        let mut presence = Presence::new(hub.pool(), GRACE, |user: &User| user.0);
        let polling = async {
            for _ in 0..20 {
                let poll = join(&hub, "ann");
                sleep(Duration::from_secs(5)).await;
                drop(poll);
                sleep(GRACE / 2).await;
            }
            Instant::now()
        };
        let following = async {
            assert_eq!(describe(presence.next().await), "ann joined");
            let change = describe(presence.next().await);
            (change, Instant::now())
        };
        let (last, (change, left)) = tokio::join!(polling, following);
        assert_eq!(change, "ann left");
        assert!(left > last);
    }

    #[tokio::test(start_paused = true)]
    async fn a_cancelled_next_loses_no_change() {
        let hub = Hub::default();
        let mut presence = Presence::new(hub.pool(), GRACE, |user: &User| user.0);
        let mut seats = Vec::new();
        for name in ["ann", "bob", "eve"] {
            let cancelled = tokio::time::timeout(COLLECT * 2, presence.next()).await;
            assert!(cancelled.is_err(), "no client has joined");
            seats.push(join(&hub, name));
            let cancelled = tokio::time::timeout(COLLECT / 2, presence.next()).await;
            assert!(cancelled.is_err(), "changes are still collected");
            assert_eq!(describe(presence.next().await), format!("{name} joined"));
        }
    }
}
