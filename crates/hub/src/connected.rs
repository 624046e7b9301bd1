//! One open connection, counted for as long as it lives, wherever it goes.

use prometheus_client::metrics::gauge::Gauge;

/// The connections of a hub: how many there are, and how many there may be.
#[derive(Clone, Debug)]
pub(crate) struct Connections {
    open: Gauge,
    limit: usize,
}

/// A connection's place among them; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Connected(Gauge);

impl Connections {
    /// At most `limit` of them, counted by this gauge.
    pub(crate) fn new(open: Gauge, limit: usize) -> Self {
        Self { open, limit }
    }

    /// A place for one more, where there is one.
    pub(crate) fn admit(&self) -> Option<Connected> {
        let before = self.open.inc();
        let connected = Connected(self.open.clone());
        let has_room = usize::try_from(before).is_ok_and(|before| before < self.limit);
        has_room.then_some(connected)
    }
}

impl Drop for Connected {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_is_given_back_is_taken_again() {
        let connections = Connections::new(Gauge::default(), 1);
        let one = connections.admit().unwrap();
        assert!(connections.admit().is_none());
        drop(one);
        assert!(connections.admit().is_some());
        assert_eq!(connections.open.get(), 0);
    }
}
