//! The configuration of a hub.
//!
//! Each structure has its defaults and a method for each field that changes it.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::Heartbeat;

/// The configuration of a hub. The defaults suit a service on the open internet.
///
/// ```
/// use tidings_core::{Hub, HubConfig, Limits};
/// let config = HubConfig::default().limits(Limits::default().total(500));
/// let hub = Hub::new(config);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HubConfig {
    /// How many notifications are retained.
    pub retention: Retention,
    /// How many clients can be connected.
    pub limits: Limits,
    /// How often clients are sent a heartbeat.
    pub heartbeat: Heartbeat,
    /// The largest payload, in bytes. Default 1 MiB. A broker may accept less.
    pub max_payload: usize,
    /// How long a broker may take to store a notification. Then the publish fails. Default 5 s.
    pub publish_deadline: Duration,
    /// How long a client waits for notifications that only the broker has and does not deliver. Then it is disconnected
    /// with [`Reason::Unavailable`](crate::Reason::Unavailable). Default 30 s.
    pub replay_deadline: Duration,
}

/// How many notifications are retained, for clients that resume. When either limit is reached, the oldest notifications
/// are evicted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retention {
    /// The maximum number of retained notifications. Default 65,536. With more, clients can be disconnected for
    /// longer without a gap.
    pub entries: usize,
    /// The maximum number of retained bytes. Default 64 MiB.
    ///
    /// Three quarters are for the notifications: payloads, topics, headers and about 0.6 kB for each. One quarter is
    /// for their encoded copies, one for each format in use, which clients share. When copies take more than half of
    /// that quarter, those of the oldest notifications are dropped. If there is no room for a copy, each client encodes
    /// for itself. So the number of retained notifications does not depend on the formats of the readers.
    pub bytes: usize,
}

/// How many clients can be connected at the same time.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The maximum number of clients over all transports. Default 100,000.
    pub total: usize,
    /// The maximum number of clients of single transports, by name. Any other transport is limited by the total only.
    /// Default: none.
    pub transports: BTreeMap<String, usize>,
    /// The maximum number of filters of all clients together. The first four of each client are not counted, so that
    /// clients with many filters cannot prevent those with few from joining. Default 500,000. Each filter takes 150
    /// to 400 bytes of memory.
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
    /// Changes how many notifications are retained.
    pub fn retention(self, retention: Retention) -> Self {
        Self { retention, ..self }
    }

    /// Changes how many clients can be connected.
    pub fn limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Changes when idle clients are sent a heartbeat.
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

    /// Changes how long a client waits for notifications that only the broker has.
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
    /// Changes the maximum number of retained notifications.
    pub fn entries(self, entries: usize) -> Self {
        Self { entries, ..self }
    }

    /// Changes the maximum number of retained bytes.
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
    /// Changes the maximum number of clients over all transports.
    pub fn total(self, clients: usize) -> Self {
        Self { total: clients, ..self }
    }

    /// Changes the maximum number of clients of the transport with this name.
    pub fn transport(mut self, name: impl Into<String>, clients: usize) -> Self {
        self.transports.insert(name.into(), clients);
        self
    }

    /// Changes the maximum number of filters of all clients together. The first four of each client are not counted.
    pub fn filters(self, filters: usize) -> Self {
        Self { filters, ..self }
    }
}
