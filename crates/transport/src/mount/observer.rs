//! What becomes of mounted clients, for whoever counts it.

use std::fmt;

use tidings_core::{Event, Reason, Subscription};

/// Watches what becomes of clients, for metrics. `()` watches nothing.
pub trait Observer: fmt::Debug + Send + Sync + 'static {
    /// Notifications were handed to a client of this transport.
    fn delivered(&self, transport: &'static str, notifications: u64);

    /// A client was told goodbye.
    fn let_go(&self, reason: Reason);

    /// A peer took nothing for the write deadline, by this program's clock or the system's
    /// (`TCP_USER_TIMEOUT`), and its connection is closed. An upgraded connection may report it twice, if its
    /// [`WriteDeadline`](super::WriteDeadline) has the same observer.
    fn cut_off(&self);
}

impl Observer for () {
    fn delivered(&self, _: &'static str, _: u64) {}

    fn let_go(&self, _: Reason) {}

    fn cut_off(&self) {}
}

/// Reports events that go out to a client.
pub(super) fn observe(observer: &dyn Observer, client: &Subscription, events: &[Event]) {
    let delivered = events.iter().filter(|event| matches!(event, Event::Deliver(_))).count();
    if delivered > 0 {
        observer.delivered(client.seat().transport(), delivered as u64);
    }
    if let Some(Event::Goodbye(reason)) = events.last() {
        observer.let_go(*reason);
    }
}
