//! Who is connected: seats, their limits, and the way out for all of them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use thiserror::Error;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::id::random;
use crate::session::{Held, SeatInfo};
use crate::{Filters, Limits, Reason, Session, WakerSet};

/// So many filters each client may name, however many the others hold.
const FILTERS_OF_ITS_OWN: usize = 4;

/// The clients of one hub. Cheap to clone; all clones are the same pool.
///
/// ```
/// use tidings_core::{ClientPool, Limits, driver::WakerSet};
///
/// let pool = ClientPool::new(Limits::default().total(1), WakerSet::default());
/// let seat = pool.join("sse")?;
/// assert!(pool.join("sse").is_err(), "the only seat is taken");
/// drop(seat);
/// assert!(pool.join("sse").is_ok(), "and given back by the drop");
/// # Ok::<(), tidings_core::JoinError>(())
/// ```
#[derive(Clone, Debug)]
pub struct ClientPool(Arc<Shared>);

/// One client's place in the pool; dropping it is leaving.
#[derive(Debug)]
pub struct Seat {
    id: SeatId,
    transport: &'static str,
    /// How many filters are counted for it.
    filters: usize,
    session: Option<Arc<Held>>,
    pool: ClientPool,
}

/// Tells seats apart; never used twice. Pools begin to count somewhere at random, so that two hubs over one
/// broker do not meet either. 0 is nobody's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SeatId(u64);

/// Why there is no seat.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum JoinError {
    /// A limit is reached.
    #[error("all {limit} seats are taken: try again later")]
    Full {
        /// The limit that was met.
        limit: usize,
    },
    /// The client names more filters than there is room for.
    #[error(
        "the clients of this hub hold {limit} filters already: name at most {FILTERS_OF_ITS_OWN}, or try \
         again later"
    )]
    TooManyFilters {
        /// [`Limits::filters`].
        limit: usize,
    },
    /// The pool is closed, for this reason.
    #[error("the hub takes no more clients: {}", .0.phrase())]
    Closed(Reason),
    /// The hub's broker is not attached yet.
    #[error("the hub is not connected to its broker yet: try again later")]
    Unavailable,
}

/// Whether anyone is there, for those who work only while someone is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Occupancy {
    pub(crate) is_occupied: bool,
    /// How often somebody has come into the empty pool: who looks late still sees that somebody was there.
    pub(crate) occupations: u64,
    pub(crate) is_closed: bool,
}

#[derive(Debug)]
struct Shared {
    limits: Limits,
    wakers: WakerSet,
    state: Mutex<State>,
    occupancy: watch::Sender<Occupancy>,
    /// How many sessions were ended from outside.
    disconnects: AtomicU64,
    /// Changes when a session comes or goes.
    session_changes: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct State {
    last_id: u64,
    total: usize,
    /// How many filters are held, those of each client that are not counted left out.
    filters: usize,
    /// A handful of names, so a list beats a map.
    transports: Vec<(&'static str, usize)>,
    /// Only of the seats that have one.
    sessions: HashMap<SeatId, Arc<Held>>,
    closed: Option<Reason>,
}

impl ClientPool {
    /// An empty pool that wakes the waiters when it closes.
    pub fn new(limits: Limits, wakers: WakerSet) -> Self {
        let occupancy = watch::Sender::new(Occupancy::default());
        let state = State { last_id: random() >> 1, ..State::default() };
        Self(Arc::new(Shared {
            limits,
            wakers,
            state: Mutex::new(state),
            occupancy,
            disconnects: AtomicU64::new(0),
            session_changes: watch::Sender::new(()),
        }))
    }

    /// Takes a seat for a client of this transport that has no filters yet, or few.
    ///
    /// # Errors
    /// Where the pool is full or closed.
    pub fn join(&self, transport: &'static str) -> Result<Seat, JoinError> {
        self.join_counting(transport, 0)
    }

    /// Takes a seat for a client of this transport with these filters.
    ///
    /// # Errors
    /// If the pool is full or closed, or if the client names more than four filters and all clients together
    /// would hold more than [`Limits::filters`].
    pub fn join_with(&self, transport: &'static str, filters: &Filters) -> Result<Seat, JoinError> {
        self.join_counting(transport, filters.count().saturating_sub(FILTERS_OF_ITS_OWN))
    }

    fn join_counting(&self, transport: &'static str, filters: usize) -> Result<Seat, JoinError> {
        let mut state = self.lock();
        if let Some(reason) = state.closed {
            return Err(JoinError::Closed(reason));
        }
        if state.total >= self.0.limits.total {
            return Err(JoinError::Full { limit: self.0.limits.total });
        }
        if filters > 0 && state.filters + filters > self.0.limits.filters {
            return Err(JoinError::TooManyFilters { limit: self.0.limits.filters });
        }
        let count = state.count_of(transport);
        if let Some(&limit) = self.0.limits.transports.get(transport)
            && *count >= limit
        {
            return Err(JoinError::Full { limit });
        }
        *count += 1;
        state.total += 1;
        state.filters += filters;
        state.last_id += 1;
        if state.total == 1 {
            self.announce(&state);
        }
        let id = SeatId(state.last_id);
        Ok(Seat { id, transport, filters, session: None, pool: self.clone() })
    }

    /// How many clients are connected.
    pub fn len(&self) -> usize {
        self.lock().total
    }

    /// Whether nobody is connected.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many clients each transport has; every transport that ever had one is named.
    pub fn counts(&self) -> Vec<(&'static str, usize)> {
        self.lock().transports.clone()
    }

    /// The sessions of this type that have not ended, with their seats.
    pub fn sessions<T: Session>(&self) -> Vec<(SeatId, Arc<T>)> {
        let state = self.lock();
        let sessions = state.sessions.iter();
        let held = sessions.filter(|(_, session)| !session.is_over());
        held.filter_map(|(id, session)| Some((*id, session.downcast()?))).collect()
    }

    /// Ends each session of this type for which `is_to_end` returns `true`, and returns how many these are. Their clients
    /// are sent a goodbye with [`Reason::NotAllowed`] as soon as they can be written to, and nothing that is published
    /// after this call.
    ///
    /// A session that an authorizer is just about to return is not there yet. So an application first revokes what the
    /// authorizer looks at, and then calls this.
    pub fn disconnect<T: Session>(&self, is_to_end: impl Fn(&T) -> bool) -> usize {
        // The function is the application's, and is not called with the pool locked.
        let sessions: Vec<_> = self.lock().sessions.values().cloned().collect();
        let ended = sessions.iter().filter(|session| session.end_if(&is_to_end)).count();
        if ended > 0 {
            self.0.disconnects.fetch_add(1, Ordering::AcqRel);
            self.0.wakers.wake_all();
        }
        ended
    }

    /// Returns a number that grows with each [`disconnect`](Self::disconnect) that ended a session. A server that serves
    /// many seats looks at them again only if it has grown.
    pub fn disconnects(&self) -> u64 {
        self.0.disconnects.load(Ordering::Acquire)
    }

    /// Closes the pool: nobody joins any more, and every subscription ends with [`Event::Goodbye`] once
    /// it has told what it had to tell. The first reason given stands.
    ///
    /// [`Event::Goodbye`]: crate::Event::Goodbye
    pub fn close(&self, reason: Reason) {
        {
            let mut state = self.lock();
            state.closed.get_or_insert(reason);
            self.announce(&state);
        }
        self.0.session_changes.send_replace(());
        self.0.wakers.wake_all();
    }

    /// The reason for which the pool was closed, if it was.
    pub fn closed(&self) -> Option<Reason> {
        self.lock().closed
    }

    /// Changes when a session comes or goes, and when the pool is closed.
    pub(crate) fn session_changes(&self) -> watch::Receiver<()> {
        self.0.session_changes.subscribe()
    }

    pub(crate) fn occupancy(&self) -> watch::Receiver<Occupancy> {
        self.0.occupancy.subscribe()
    }

    fn announce(&self, state: &State) {
        let (is_occupied, is_closed) = (state.total > 0, state.closed.is_some());
        self.0.occupancy.send_if_modified(|now| {
            let before = *now;
            now.occupations += u64::from(is_occupied && !before.is_occupied);
            (now.is_occupied, now.is_closed) = (is_occupied, is_closed);
            *now != before
        });
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn count_of(&mut self, transport: &'static str) -> &mut usize {
        let known = self.transports.iter().position(|(name, _)| *name == transport);
        let index = known.unwrap_or_else(|| {
            self.transports.push((transport, 0));
            self.transports.len() - 1
        });
        &mut self.transports[index].1
    }
}

impl Seat {
    /// Tells this seat from the others of its pool.
    pub fn id(&self) -> SeatId {
        self.id
    }

    /// The transport that it was taken for.
    pub fn transport(&self) -> &'static str {
        self.transport
    }

    /// Returns the id, the transport and the session of the seat, without holding it.
    pub fn info(&self) -> SeatInfo {
        SeatInfo { id: self.id, transport: self.transport, session: self.session.clone() }
    }

    /// Keeps a session with the seat, in place of the one before.
    pub fn set_session(&mut self, session: Arc<dyn Session>) {
        let held = Arc::new(Held::new(session));
        self.session = Some(held.clone());
        let before = self.pool.lock().sessions.insert(self.id, held);
        // Dropped after the lock: its own drop may ask the pool something.
        drop(before);
        self.pool.0.session_changes.send_replace(());
    }

    /// The session of the seat, if it has one of this type.
    pub fn session<T: Session>(&self) -> Option<Arc<T>> {
        self.session.as_ref()?.downcast()
    }

    /// When the session of the seat ends by itself, if it does.
    pub fn expires_at(&self) -> Option<Instant> {
        self.session.as_ref()?.expires_at
    }

    /// Returns `true` if the session of the seat has expired, or was ended by [`ClientPool::disconnect`].
    pub fn is_expired(&self) -> bool {
        self.session.as_ref().is_some_and(|session| session.is_over())
    }
}

impl SeatId {
    /// Its number, for a broker that carries [`Notification::origin`](crate::Notification::origin).
    pub const fn number(self) -> u64 {
        self.0
    }

    /// The seat with this number.
    pub const fn from_number(number: u64) -> Self {
        Self(number)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut state = self.pool.lock();
        state.total -= 1;
        state.filters -= self.filters;
        *state.count_of(self.transport) -= 1;
        // The value is dropped after the lock: its own drop may ask the pool something.
        let session = self.session.take().and_then(|_| state.sessions.remove(&self.id));
        if state.total == 0 {
            self.pool.announce(&state);
        }
        drop(state);
        if session.is_some() {
            self.pool.0.session_changes.send_replace(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(total: usize, transports: &[(&str, usize)]) -> ClientPool {
        let transports =
            transports.iter().map(|(name, limit)| (name.to_string(), *limit)).collect();
        ClientPool::new(Limits { total, transports, ..Limits::default() }, WakerSet::default())
    }

    #[test]
    fn clients_with_many_filters_share_a_bound_and_leave_room_for_those_with_few() {
        let limits = Limits { filters: 70, ..Limits::default() };
        let pool = ClientPool::new(limits, WakerSet::default());
        let filters = |number: usize| -> Filters {
            let filters: Vec<_> = (0..number).map(|number| format!("a{number}.*")).collect();
            filters.join(",").parse().unwrap()
        };
        let many = pool.join_with("sse", &filters(64)).unwrap();
        let full = JoinError::TooManyFilters { limit: 70 };
        assert_eq!(pool.join_with("sse", &filters(64)).unwrap_err(), full);
        let _some = pool.join_with("sse", &filters(14)).unwrap();
        assert_eq!(pool.join_with("sse", &filters(5)).unwrap_err(), full);
        let few: Vec<_> = (0..100).map(|_| pool.join_with("sse", &filters(4)).unwrap()).collect();
        drop(many);
        assert!(pool.join_with("sse", &filters(64)).is_ok());
        drop(few);
    }

    #[test]
    fn a_transport_can_be_full_while_others_have_seats() {
        let pool = pool(3, &[("sse", 1)]);
        let _sse = pool.join("sse").unwrap();
        assert_eq!(pool.join("sse").unwrap_err(), JoinError::Full { limit: 1 });
        let _one = pool.join("websocket").unwrap();
        let _two = pool.join("websocket").unwrap();
        assert_eq!(pool.join("websocket").unwrap_err(), JoinError::Full { limit: 3 });
        assert_eq!(pool.counts(), [("sse", 1), ("websocket", 2)]);
    }

    #[test]
    fn seats_taken_from_many_threads_never_pass_the_limit_and_all_come_back() {
        let pool = pool(50, &[]);
        let taken = std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let seats: Vec<_> = (0..20).filter_map(|_| pool.join("sse").ok()).collect();
                    taken.fetch_add(seats.len(), std::sync::atomic::Ordering::Relaxed);
                    assert!(pool.len() <= 50);
                    std::mem::forget(seats);
                });
            }
        });
        assert_eq!((taken.into_inner(), pool.len()), (50, 50));
    }

    #[test]
    fn a_session_value_lives_as_long_as_its_seat() {
        let pool = pool(2, &[]);
        let mut seat = pool.join("websocket").unwrap();
        let mut other = pool.join("websocket").unwrap();
        seat.set_session(Arc::new(User("ann")));
        other.set_session(Arc::new(()));
        assert_eq!(seat.session::<User>().as_deref(), Some(&User("ann")));
        assert!(seat.session::<()>().is_none() && other.session::<()>().is_some());
        assert_eq!(pool.sessions::<User>().len(), 1);
        drop(seat);
        assert!(pool.sessions::<User>().is_empty());
    }

    #[derive(Debug, PartialEq)]
    struct User(&'static str);

    impl Session for User {}

    #[test]
    fn a_disconnect_ends_the_sessions_that_are_meant_and_each_once() {
        let pool = pool(3, &[]);
        let seats = ["ann", "bob", "ann"].map(|name| {
            let mut seat = pool.join("websocket").unwrap();
            seat.set_session(Arc::new(User(name)));
            seat
        });
        assert_eq!(pool.disconnect(|user: &User| user.0 == "eve"), 0);
        assert_eq!((pool.disconnect(|_: &()| true), pool.disconnects()), (0, 0));
        assert_eq!(pool.disconnect(|user: &User| user.0 == "ann"), 2);
        assert_eq!(pool.disconnect(|user: &User| user.0 == "ann"), 0);
        assert_eq!(pool.disconnects(), 1);
        assert_eq!(seats.each_ref().map(Seat::is_expired), [true, false, true]);
    }

    #[test]
    fn a_closed_pool_takes_nobody_and_keeps_its_first_reason() {
        let pool = pool(2, &[]);
        pool.close(Reason::GoingAway);
        pool.close(Reason::Internal);
        assert_eq!(pool.join("sse").unwrap_err(), JoinError::Closed(Reason::GoingAway));
    }
}
