//! Reports deliveries to mounted clients, and how clients end.

use std::fmt;

use tidings_core::{Event, Reason, Subscription};

/// Counts deliveries to clients and how clients end, for metrics. `()` counts nothing.
pub trait Observer: fmt::Debug + Send + Sync + 'static {
    /// This number of notifications was sent to a client of this transport.
    fn delivered(&self, transport: &'static str, notifications: u64);

    /// A client was sent a goodbye.
    fn disconnected(&self, reason: Reason);

    /// A connection is closed because its peer read nothing for the write deadline. Either this program or the system
    /// (`TCP_USER_TIMEOUT`) has measured that. An upgraded connection may report it twice if its
    /// [`WriteDeadline`](super::WriteDeadline) has the same observer.
    fn cut_off(&self);
}

impl Observer for () {
    fn delivered(&self, _: &'static str, _: u64) {}

    fn disconnected(&self, _: Reason) {}

    fn cut_off(&self) {}
}

/// Reports events that are sent to a client.
pub(super) fn observe(observer: &dyn Observer, client: &Subscription, events: &[Event]) {
    let delivered = events.iter().filter(|event| matches!(event, Event::Deliver(_))).count();
    if delivered > 0 {
        observer.delivered(client.seat().transport(), delivered as u64);
    }
    if let Some(Event::Goodbye(reason)) = events.last() {
        observer.disconnected(*reason);
    }
}
