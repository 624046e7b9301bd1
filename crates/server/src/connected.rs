//! One open connection, counted for as long as it lives, wherever it goes.

use std::time::Duration;

use prometheus_client::metrics::gauge::Gauge;

/// The connections of a hub: how many there are, and how many there may be.
#[derive(Clone, Debug)]
pub(crate) struct Connections {
    open: Gauge,
    limit: usize,
    surplus: Gauge,
}

/// A connection's place among them; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Connected {
    counted_by: Gauge,
    is_surplus: bool,
}

/// How many connections over the limit are kept at once until they have been answered that the hub is full.
const MAX_SURPLUS: usize = 1024;

/// How long such a connection may idle before its request.
const SURPLUS_IDLE: Duration = Duration::from_secs(5);

impl Connections {
    /// At most `limit` of them, counted by this gauge.
    pub(crate) fn new(open: Gauge, limit: usize) -> Self {
        Self { open, limit, surplus: Gauge::default() }
    }

    /// Returns a place for one more connection. Over the limit it is a place only for the answer that the hub
    /// is full; `None` if there are too many of those as well.
    pub(crate) fn admit(&self) -> Option<Connected> {
        take(&self.open, self.limit, false).or_else(|| take(&self.surplus, MAX_SURPLUS, true))
    }
}

fn take(gauge: &Gauge, limit: usize, is_surplus: bool) -> Option<Connected> {
    let before = gauge.inc();
    let connected = Connected { counted_by: gauge.clone(), is_surplus };
    let has_room = usize::try_from(before).is_ok_and(|before| before < limit);
    has_room.then_some(connected)
}

impl Connected {
    /// Whether the connection is over the limit, and is answered only that the hub is full.
    pub(crate) fn is_surplus(&self) -> bool {
        self.is_surplus
    }

    /// Returns how long the connection may idle before its first request, if `usual` is the limit for others.
    pub(crate) fn idle_timeout(&self, usual: Duration) -> Duration {
        if self.is_surplus { usual.min(SURPLUS_IDLE) } else { usual }
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.counted_by.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_is_given_back_is_taken_again() {
        let connections = Connections::new(Gauge::default(), 1);
        let one = connections.admit().unwrap();
        let surplus: Vec<_> = (0..MAX_SURPLUS).map(|_| connections.admit().unwrap()).collect();
        assert!(!one.is_surplus() && surplus.iter().all(Connected::is_surplus));
        assert!(connections.admit().is_none());
        assert_eq!(
            connections.open.get(),
            1,
            "those over the limit are not counted with the others"
        );
        drop(one);
        assert!(!connections.admit().unwrap().is_surplus());
        drop(surplus);
        assert_eq!((connections.open.get(), connections.surplus.get()), (0, 0));
    }
}
