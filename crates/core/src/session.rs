//! What an application knows about a client.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::time::Instant;

/// What an application knows about a client, such as its user and its permissions. It lives as long as the client's
/// [`Seat`](crate::Seat).
///
/// ```
/// use std::time::Duration;
/// use tidings_core::{Hub, Session};
/// use tokio::time::Instant;
///
/// struct User {
///     name: String,
///     token_expires: Instant,
/// }
///
/// impl Session for User {
///     fn expires_at(&self) -> Option<Instant> {
///         Some(self.token_expires)
///     }
/// }
///
/// let hub = Hub::default();
/// let mut seat = hub.join("example")?;
/// let token_expires = Instant::now() + Duration::from_secs(3600);
/// seat.set_session(std::sync::Arc::new(User { name: "ann".into(), token_expires }));
/// assert_eq!(seat.session::<User>().map(|user| user.name.clone()), Some("ann".to_owned()));
/// assert_eq!(hub.pool().disconnect(|user: &User| user.name == "ann"), 1);
/// assert!(seat.is_expired());
/// # Ok::<(), tidings_core::JoinError>(())
/// ```
pub trait Session: Any + Send + Sync {
    /// Returns when the session expires, or `None`, the default, if it does not. At that time its client is sent a
    /// goodbye with [`Reason::NotAllowed`](crate::Reason::NotAllowed). Called once, when the session is set.
    fn expires_at(&self) -> Option<Instant> {
        None
    }
}

impl Session for () {}

/// A session that a seat holds.
pub(crate) struct HeldSession {
    session: Arc<dyn Session>,
    pub(crate) expires_at: Option<Instant>,
    is_ended: AtomicBool,
}

impl HeldSession {
    pub(crate) fn new(session: Arc<dyn Session>) -> Self {
        Self { expires_at: session.expires_at(), session, is_ended: AtomicBool::new(false) }
    }

    pub(crate) fn downcast<T: Session>(&self) -> Option<Arc<T>> {
        let session: Arc<dyn Any + Send + Sync> = self.session.clone();
        session.downcast().ok()
    }

    /// Ends the session if it has this type and `is_to_end` returns `true` for it. `true` if this call ended it.
    pub(crate) fn end_if<T: Session>(&self, is_to_end: &impl Fn(&T) -> bool) -> bool {
        let session: &dyn Any = &*self.session;
        session.downcast_ref().is_some_and(is_to_end) && !self.is_ended.swap(true, Ordering::AcqRel)
    }

    pub(crate) fn is_over(&self) -> bool {
        self.is_ended.load(Ordering::Acquire)
            || self.expires_at.is_some_and(|expiry| expiry <= Instant::now())
    }
}

impl fmt::Debug for HeldSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("is_over", &self.is_over()).finish_non_exhaustive()
    }
}
