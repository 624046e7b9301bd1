//! A client's place in the pool.

use std::sync::Arc;

use tokio::time::Instant;

use crate::session::HeldSession;
use crate::{ClientPool, Session};

/// A client's place in the pool. Dropping it frees the place.
#[derive(Debug)]
pub struct Seat {
    id: SeatId,
    pool: Arc<TransportPool>,
    session: Option<Arc<HeldSession>>,
    /// The number of filters that count for [`Limits::filters`](crate::Limits::filters).
    filters: u32,
}

/// What the seats of one transport share, so that each of them is small.
#[derive(Debug)]
pub(crate) struct TransportPool {
    pub(crate) clients: ClientPool,
    pub(crate) transport: &'static str,
    /// The index of the transport in the pool.
    pub(crate) index: usize,
}

/// The id of a seat. It is never used again. Pools begin to count at a random number, so that the ids of two hubs on
/// one broker differ as well. 0 is not the id of any seat.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SeatId(u64);

/// Describes a client's seat without holding it: the id, the transport and the session. It does not change when the
/// client leaves. Cheap to clone.
#[derive(Clone, Debug)]
pub struct SeatInfo {
    id: SeatId,
    transport: &'static str,
    session: Option<Arc<HeldSession>>,
}

impl Seat {
    pub(crate) fn new(id: SeatId, pool: Arc<TransportPool>, filters: u32) -> Self {
        Self { id, pool, session: None, filters }
    }

    /// Returns the id of the seat.
    pub fn id(&self) -> SeatId {
        self.id
    }

    /// Returns the name of the transport for which the seat was taken.
    pub fn transport(&self) -> &'static str {
        self.pool.transport
    }

    /// Returns the id, the transport and the session, without holding the seat.
    pub fn info(&self) -> SeatInfo {
        SeatInfo { id: self.id, transport: self.transport(), session: self.session.clone() }
    }

    /// Sets the session of the seat, in place of any earlier one.
    pub fn set_session(&mut self, session: Arc<dyn Session>) {
        let held = Arc::new(HeldSession::new(session));
        self.session = Some(held.clone());
        self.pool.clients.set_session(self.id, held);
    }

    /// Returns the session, or `None` if the seat has no session of this type.
    pub fn session<T: Session>(&self) -> Option<Arc<T>> {
        self.session.as_ref()?.downcast()
    }

    /// Returns when the session expires, or `None` if it does not or there is no session.
    pub fn expires_at(&self) -> Option<Instant> {
        self.session.as_ref()?.expires_at
    }

    /// Returns `true` if the session has expired or was ended by [`ClientPool::disconnect`].
    pub fn is_expired(&self) -> bool {
        self.session.as_ref().is_some_and(|session| session.is_over())
    }
}

impl SeatInfo {
    /// Returns the id of the seat, which is unique in its pool.
    pub fn id(&self) -> SeatId {
        self.id
    }

    /// Returns the name of the transport for which the seat was taken.
    pub fn transport(&self) -> &'static str {
        self.transport
    }

    /// Returns the session of the seat, or `None` if it has no session of this type.
    pub fn session<T: Session>(&self) -> Option<Arc<T>> {
        self.session.as_ref()?.downcast()
    }
}

impl SeatId {
    /// Returns the number, for a broker that stores [`Notification::origin`](crate::Notification::origin).
    pub const fn number(self) -> u64 {
        self.0
    }

    /// Returns the id with this number.
    pub const fn from_number(number: u64) -> Self {
        Self(number)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let has_session = self.session.take().is_some();
        self.pool.clients.leave(self.id, self.pool.index, self.filters, has_session);
    }
}
