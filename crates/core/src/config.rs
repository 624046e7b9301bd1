//! The configuration of a hub.
//!
//! Each structure has its defaults and a method for each field that changes it.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::Heartbeat;

/// What a hub keeps, allows and expects. The default suits a service on the open internet.
///
/// ```
/// use tidings_core::{Hub, HubConfig, Limits};
/// let config = HubConfig::default().limits(Limits::default().total(500));
/// let hub = Hub::new(config);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HubConfig {
    /// How much of the stream is kept.
    pub retention: Retention,
    /// How many clients may be connected.
    pub limits: Limits,
    /// When quiet clients are sent a heartbeat.
    pub heartbeat: Heartbeat,
    /// The largest payload, in bytes. Default 1 MiB. A broker below the hub may accept less.
    pub max_payload: usize,
    /// How long a broker below the hub may take to store a notification. Default 5 s.
    pub publish_deadline: Duration,
    /// How long a client waits for notifications that only the broker has, while the broker does not deliver
    /// them. Then it is let go with [`Reason::Unavailable`](crate::Reason::Unavailable). Default 30 s.
    pub replay_deadline: Duration,
}

/// How much of the stream is kept for clients that come back. The bound that is reached first evicts the
/// oldest notifications.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retention {
    /// The most notifications that are kept. Default 65,536. With more, clients can be away for longer.
    pub entries: usize,
    /// The most bytes that are kept. Default 64 MiB. Three quarters are for the notifications: payloads, topics,
    /// headers and a fixed part for each. One quarter is for their encoded copies, one for each format in use,
    /// which clients share. If copies take more than half of that quarter, those of the oldest notifications
    /// are dropped. If there is no room for a copy, it is made for one client alone. So readers cannot shorten
    /// the history, whatever their formats are. A copy that is six times as long as its payload, as JSON can
    /// be, costs time instead of memory.
    pub bytes: usize,
}

/// How many clients may be connected at once.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Over all transports. Default 100,000.
    pub total: usize,
    /// For single transports, by name. A transport that is not named is limited by the total alone.
    pub transports: BTreeMap<String, usize>,
    /// Filters that all clients hold together, the first four of each client not counted, so that clients with
    /// many filters cannot keep out those with few. Default 500,000. Each takes 150 to 400 bytes of memory.
    pub filters: usize,
}

impl Default for HubConfig {
    fn default() -> Self {
        Self {
            retention: Retention::default(),
            limits: Limits::default(),
            heartbeat: Heartbeat::default(),
            max_payload: 1 << 20,
            publish_deadline: Duration::from_secs(5),
            replay_deadline: Duration::from_secs(30),
        }
    }
}

impl HubConfig {
    /// Changes how much of the stream is kept.
    pub fn retention(self, retention: Retention) -> Self {
        Self { retention, ..self }
    }

    /// Changes how many clients may be connected.
    pub fn limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Changes when quiet clients are sent a heartbeat.
    pub fn heartbeat(self, heartbeat: Heartbeat) -> Self {
        Self { heartbeat, ..self }
    }

    /// Changes the largest payload, in bytes.
    pub fn max_payload(self, bytes: usize) -> Self {
        Self { max_payload: bytes, ..self }
    }

    /// Changes how long a broker may take to store a notification.
    pub fn publish_deadline(self, deadline: Duration) -> Self {
        Self { publish_deadline: deadline, ..self }
    }

    /// Changes how long a client waits for notifications that the broker does not deliver.
    pub fn replay_deadline(self, deadline: Duration) -> Self {
        Self { replay_deadline: deadline, ..self }
    }
}

impl Default for Retention {
    fn default() -> Self {
        Self { entries: 65_536, bytes: 64 << 20 }
    }
}

impl Retention {
    /// Changes how many notifications are kept.
    pub fn entries(self, entries: usize) -> Self {
        Self { entries, ..self }
    }

    /// Changes how many bytes are kept.
    pub fn bytes(self, bytes: usize) -> Self {
        Self { bytes, ..self }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { total: 100_000, transports: BTreeMap::new(), filters: 500_000 }
    }
}

impl Limits {
    /// Changes how many clients may be connected over all transports.
    pub fn total(self, clients: usize) -> Self {
        Self { total: clients, ..self }
    }

    /// Changes how many clients may be connected over the transport of this name.
    pub fn transport(mut self, name: impl Into<String>, clients: usize) -> Self {
        self.transports.insert(name.into(), clients);
        self
    }

    /// Changes how many filters all clients may hold together, the first four of each client not counted.
    pub fn filters(self, filters: usize) -> Self {
        Self { filters, ..self }
    }
}
