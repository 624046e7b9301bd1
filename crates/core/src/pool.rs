//! The connected clients of a hub: their number, its limits, and closing.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use thiserror::Error;
use tokio::sync::watch;

use crate::id::random;
use crate::seat::TransportPool;
use crate::session::HeldSession;
use crate::{Filters, Limits, Reason, Seat, SeatId, Session, WakerSet};

/// The number of filters of each client that are not counted for [`Limits::filters`]. A client with no more filters is
/// accepted even if the others have reached that limit.
const UNCOUNTED_FILTERS: usize = 4;

/// The connected clients of one hub.
///
/// Cloning is shallow: all clones are the same pool.
///
/// ```
/// use tidings_core::{ClientPool, Limits, driver::WakerSet};
///
/// let pool = ClientPool::new(Limits::default().total(1), WakerSet::default());
/// let seat = pool.join("sse")?;
/// assert!(pool.join("sse").is_err(), "the only seat is taken");
/// drop(seat);
/// assert!(pool.join("sse").is_ok(), "the drop has freed it");
/// # Ok::<(), tidings_core::JoinError>(())
/// ```
#[derive(Clone, Debug)]
pub struct ClientPool(Arc<Shared>);

/// Why a client was not accepted.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum JoinError {
    /// A limit of clients is reached, in total or for the transport.
    #[error("all {limit} seats are taken: try again later")]
    Full {
        /// The limit that is reached.
        limit: usize,
    },
    /// The client has more than four filters, which would exceed [`Limits::filters`].
    #[error(
        "the clients of this server hold {limit} filters already: name at most {UNCOUNTED_FILTERS}, or try \
         again later"
    )]
    TooManyFilters {
        /// [`Limits::filters`].
        limit: usize,
    },
    /// The pool was closed, for this reason.
    #[error("the server accepts no more clients: {}", .0.phrase())]
    Closed(Reason),
    /// The hub's broker is not attached yet.
    #[error("the server is not connected to its broker yet: try again later")]
    Unavailable,
}

/// Whether any client is connected, for a [`Source`](crate::Source).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Occupancy {
    pub(crate) is_occupied: bool,
    /// How often the first client has joined the empty pool. It shows a late observer that a client was connected in
    /// the meantime.
    pub(crate) occupations: u64,
    pub(crate) is_closed: bool,
}

#[derive(Debug)]
struct Shared {
    limits: Limits,
    wakers: WakerSet,
    state: Mutex<State>,
    occupancy: watch::Sender<Occupancy>,
    /// The number of calls of `disconnect` that ended a session.
    disconnects: AtomicU64,
    /// Changes when a session is set or its seat is dropped, and when the pool is closed.
    session_changes: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct State {
    last_id: u64,
    total: usize,
    /// The number of counted filters of all clients.
    filters: usize,
    /// One for each transport that has had a client. There are few, so a list is faster than a map.
    transports: Vec<TransportSeats>,
    /// The sessions of the seats that have one.
    sessions: HashMap<SeatId, Arc<HeldSession>>,
    closed: Option<Reason>,
}

/// The seats of one transport.
#[derive(Debug)]
struct TransportSeats {
    name: &'static str,
    taken: usize,
    /// What its seats share. They keep it alive, because it keeps the pool alive.
    pool: Weak<TransportPool>,
}

impl ClientPool {
    /// Creates an empty pool that wakes all waiters of `wakers` when it is closed.
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

    /// Takes a seat for a client of this transport that has at most four filters.
    ///
    /// # Errors
    /// Fails if the pool is full or closed.
    pub fn join(&self, transport: &'static str) -> Result<Seat, JoinError> {
        self.join_counting(transport, 0)
    }

    /// Takes a seat for a client of this transport with these filters.
    ///
    /// # Errors
    /// Fails if the pool is full or closed, or the client has more than four filters and all clients together would
    /// have more than [`Limits::filters`].
    pub fn join_with(&self, transport: &'static str, filters: &Filters) -> Result<Seat, JoinError> {
        let filters = filters.count().saturating_sub(UNCOUNTED_FILTERS);
        self.join_counting(transport, u32::try_from(filters).unwrap_or(u32::MAX))
    }

    fn join_counting(&self, transport: &'static str, filters: u32) -> Result<Seat, JoinError> {
        let mut state = self.lock();
        if let Some(reason) = state.closed {
            return Err(JoinError::Closed(reason));
        }
        if state.total >= self.0.limits.total {
            return Err(JoinError::Full { limit: self.0.limits.total });
        }
        let with_these = state.filters + filters as usize;
        if filters > 0 && with_these > self.0.limits.filters {
            return Err(JoinError::TooManyFilters { limit: self.0.limits.filters });
        }
        let index = state.index_of(transport);
        let seats = &mut state.transports[index];
        if let Some(&limit) = self.0.limits.transports.get(transport)
            && seats.taken >= limit
        {
            return Err(JoinError::Full { limit });
        }
        seats.taken += 1;
        let shared = seats.pool.upgrade().unwrap_or_else(|| {
            let shared = Arc::new(TransportPool { clients: self.clone(), transport, index });
            seats.pool = Arc::downgrade(&shared);
            shared
        });
        state.total += 1;
        state.filters = with_these;
        state.last_id += 1;
        if state.total == 1 {
            self.announce(&state);
        }
        let id = SeatId::from_number(state.last_id);
        Ok(Seat::new(id, shared, filters))
    }

    /// Keeps the session of a seat, in place of any earlier one.
    pub(crate) fn set_session(&self, id: SeatId, session: Arc<HeldSession>) {
        let before = self.lock().sessions.insert(id, session);
        // Dropped after the lock is released, because the drop of an application's value may call the pool.
        drop(before);
        self.0.session_changes.send_replace(());
    }

    /// Frees a seat of the transport with this index.
    pub(crate) fn leave(&self, id: SeatId, index: usize, filters: u32, has_session: bool) {
        let mut state = self.lock();
        state.total -= 1;
        state.filters -= filters as usize;
        state.transports[index].taken -= 1;
        // Dropped after the lock is released, because the drop of an application's value may call the pool.
        let session = if has_session { state.sessions.remove(&id) } else { None };
        if state.total == 0 {
            self.announce(&state);
        }
        drop(state);
        if session.is_some() {
            self.0.session_changes.send_replace(());
        }
    }

    /// Returns the number of connected clients.
    pub fn len(&self) -> usize {
        self.lock().total
    }

    /// Returns `true` if no client is connected.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the number of clients of each transport that has had a client.
    pub fn counts(&self) -> Vec<(&'static str, usize)> {
        self.lock().transports.iter().map(|seats| (seats.name, seats.taken)).collect()
    }

    /// Returns the sessions of this type that have not ended, with their seats.
    pub fn sessions<T: Session>(&self) -> Vec<(SeatId, Arc<T>)> {
        let state = self.lock();
        let sessions = state.sessions.iter();
        let held = sessions.filter(|(_, session)| !session.is_over());
        held.filter_map(|(id, session)| Some((*id, session.downcast()?))).collect()
    }

    /// Ends each session of this type for which `is_to_end` returns `true`, and returns the number of ended sessions.
    /// Their clients are sent a goodbye with [`Reason::NotAllowed`] as soon as their connections accept it, and no
    /// notification that is published after this call.
    ///
    /// A session that an authorizer has not returned yet is not ended. So first revoke the permission that the
    /// authorizer checks, and then call this.
    pub fn disconnect<T: Session>(&self, is_to_end: impl Fn(&T) -> bool) -> usize {
        // The application's function is not called while the pool is locked.
        let sessions: Vec<_> = self.lock().sessions.values().cloned().collect();
        let ended = sessions.iter().filter(|session| session.end_if(&is_to_end)).count();
        if ended > 0 {
            self.0.disconnects.fetch_add(1, Ordering::AcqRel);
            self.0.wakers.wake_all();
        }
        ended
    }

    /// Returns the number of calls of [`disconnect`](Self::disconnect) that ended a session. A server needs to check
    /// its seats only if it has grown.
    pub fn disconnects(&self) -> u64 {
        self.0.disconnects.load(Ordering::Acquire)
    }

    /// Closes the pool: no client can join, and every subscription ends with [`Event::Goodbye`] after its remaining
    /// notifications. A subscriber whose next notifications only the broker has gets its goodbye without them, and can
    /// resume. Later calls do not change the reason.
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

    /// Returns the reason for which the pool was closed, or `None` if it is open.
    pub fn closed(&self) -> Option<Reason> {
        self.lock().closed
    }

    /// A receiver that changes when a session is set or its seat is dropped, and when the pool is closed.
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
    fn index_of(&mut self, transport: &'static str) -> usize {
        let known = self.transports.iter().position(|seats| seats.name == transport);
        known.unwrap_or_else(|| {
            let (name, taken, pool) = (transport, 0, Weak::new());
            self.transports.push(TransportSeats { name, taken, pool });
            self.transports.len() - 1
        })
    }
}

#[cfg(test)]
mod tests;
