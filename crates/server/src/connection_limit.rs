//! The limit of open connections, for lanes and the general path.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::metrics::gauge::Gauge;

/// Counts the open connections of a server and limits them. Cloning is cheap, and all clones share the count.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionLimit {
    usual: Arc<Places>,
    surplus: Arc<Places>,
}

/// The permission to keep one connection open. Dropping it allows another connection.
#[derive(Debug)]
pub(crate) struct ConnectionPermit(Arc<Places>);

/// The places for connections within the limit, or over it.
#[derive(Debug)]
struct Places {
    taken: Gauge,
    limit: usize,
    is_surplus: bool,
}

/// The most connections over the limit that are kept at the same time, until they were sent a `503`.
const MAX_SURPLUS: usize = 1024;

/// How long a connection over the limit may idle before its request.
const SURPLUS_IDLE: Duration = Duration::from_secs(5);

impl ConnectionLimit {
    /// `open` counts the connections.
    pub(crate) fn new(open: Gauge, limit: usize) -> Self {
        let usual = Places { taken: open, limit, is_surplus: false };
        let surplus = Places { taken: Gauge::default(), limit: MAX_SURPLUS, is_surplus: true };
        Self { usual: Arc::new(usual), surplus: Arc::new(surplus) }
    }

    /// Admits one more connection, over the limit with a [surplus](ConnectionPermit::is_surplus) permit. `None` if
    /// there are already too many surplus connections.
    pub(crate) fn admit(&self) -> Option<ConnectionPermit> {
        take(&self.usual).or_else(|| take(&self.surplus))
    }
}

fn take(places: &Arc<Places>) -> Option<ConnectionPermit> {
    let before = places.taken.inc();
    let permit = ConnectionPermit(places.clone());
    let has_room = usize::try_from(before).is_ok_and(|before| before < places.limit);
    has_room.then_some(permit)
}

impl ConnectionPermit {
    /// Whether the connection is over the limit, so that its only response is `503`.
    pub(crate) fn is_surplus(&self) -> bool {
        self.0.is_surplus
    }

    /// How long the connection may idle before its first request. `usual` is the time for connections within the limit.
    pub(crate) fn idle_timeout(&self, usual: Duration) -> Duration {
        if self.is_surplus() { usual.min(SURPLUS_IDLE) } else { usual }
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        self.0.taken.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_permit_allows_another_connection() {
        let limit = ConnectionLimit::new(Gauge::default(), 1);
        let one = limit.admit().unwrap();
        let surplus: Vec<_> = (0..MAX_SURPLUS).map(|_| limit.admit().unwrap()).collect();
        assert!(!one.is_surplus() && surplus.iter().all(ConnectionPermit::is_surplus));
        assert!(limit.admit().is_none());
        assert_eq!(limit.usual.taken.get(), 1, "connections over the limit are counted separately");
        drop(one);
        assert!(!limit.admit().unwrap().is_surplus());
        drop(surplus);
        assert_eq!((limit.usual.taken.get(), limit.surplus.taken.get()), (0, 0));
    }
}
