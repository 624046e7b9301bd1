//! The face of core: publish, join, subscribe, close.

use std::sync::Arc;

use thiserror::Error;

use crate::{
    Bell, ClientPool, Cursor, Epoch, Heartbeat, Id, Interest, JoinError, Limits, Listener, Log,
    Notification, Position, Reason, Retention, Seat, Subscription,
};

/// What a hub keeps, allows and expects. The default suits a service on the open internet.
///
/// ```
/// use tidings_core::{Hub, HubConfig, Limits};
/// let config = HubConfig { limits: Limits { total: 500, ..Limits::default() }, ..HubConfig::default() };
/// let hub = Hub::new(config);
/// ```
#[derive(Clone, Debug)]
pub struct HubConfig {
    /// How much of the stream is kept.
    pub retention: Retention,
    /// How many clients may be connected.
    pub limits: Limits,
    /// When quiet clients are spoken to.
    pub heartbeat: Heartbeat,
    /// The largest payload, in bytes. Default 1 MiB.
    pub max_payload: usize,
}

/// One stream of notifications and those who follow it. Cheap to clone; all clones are the same hub.
#[derive(Clone, Debug)]
pub struct Hub(Arc<Shared>);

/// Why a notification was not published.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum PublishError {
    /// The payload is larger than [`HubConfig::max_payload`].
    #[error("the payload has {size} bytes, the limit is {limit}")]
    TooBig {
        /// The payload's bytes.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// The hub is closed.
    #[error("the hub is closed: {}", .0.phrase())]
    Closed(Reason),
}

#[derive(Debug)]
struct Shared {
    log: Log,
    pool: ClientPool,
    bell: Bell,
    heartbeat: Heartbeat,
    max_payload: usize,
}

impl Default for HubConfig {
    fn default() -> Self {
        Self {
            retention: Retention::default(),
            limits: Limits::default(),
            heartbeat: Heartbeat::default(),
            max_payload: 1 << 20,
        }
    }
}

impl Default for Hub {
    fn default() -> Self {
        Self::new(HubConfig::default())
    }
}

impl Hub {
    /// A hub with an empty log, nobody connected, and an epoch of its own.
    pub fn new(config: HubConfig) -> Self {
        let bell = Bell::default();
        Self(Arc::new(Shared {
            log: Log::new(Epoch::random(), config.retention, bell.clone()),
            pool: ClientPool::new(config.limits, bell.clone()),
            bell,
            heartbeat: config.heartbeat,
            max_payload: config.max_payload,
        }))
    }

    /// Publishes a notification to everyone whose filters match, and returns its id. It is in the log
    /// when this returns; delivery follows.
    ///
    /// # Errors
    /// Where the payload is too large, or the hub is closed.
    pub fn publish(&self, notification: Notification) -> Result<Id, PublishError> {
        let (size, limit) = (notification.payload().len(), self.0.max_payload);
        if size > limit {
            return Err(PublishError::TooBig { size, limit });
        }
        if let Some(reason) = self.0.pool.closed() {
            return Err(PublishError::Closed(reason));
        }
        // A close that came in between has sealed the log: what it did not take nobody will read.
        self.0.log.append(notification).ok_or(PublishError::Closed(Reason::GoingAway))
    }

    /// Takes a seat for a client of this transport, which a later [`read`](Self::read) uses.
    ///
    /// # Errors
    /// Where the pool is full or closed.
    pub fn join(&self, transport: &'static str) -> Result<Seat, JoinError> {
        self.0.pool.join(transport)
    }

    /// Reads from a position on. Needs a tokio runtime with time, for the heartbeat.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn read(&self, seat: Seat, interest: Interest, position: Position) -> Subscription {
        let (cursor, gap) = Cursor::open(self.log(), position, &interest);
        Subscription::new(self.clone(), seat, interest, cursor, gap)
    }

    /// Takes a seat and reads what is published from now on: [`join`](Self::join) and
    /// [`read`](Self::read) in one.
    ///
    /// # Errors
    /// Where the pool is full or closed.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn subscribe(
        &self,
        transport: &'static str,
        interest: Interest,
    ) -> Result<Subscription, JoinError> {
        Ok(self.read(self.join(transport)?, interest, Position::Live))
    }

    /// Says goodbye to every subscriber, once it has been told what it had coming, and takes no further
    /// clients or notifications.
    pub fn close(&self, reason: Reason) {
        self.0.log.seal();
        self.0.pool.close(reason);
    }

    /// The log.
    pub fn log(&self) -> &Log {
        &self.0.log
    }

    /// The clients.
    pub fn pool(&self) -> &ClientPool {
        &self.0.pool
    }

    /// The history that this hub's ids count.
    pub fn epoch(&self) -> Epoch {
        self.0.log.epoch()
    }

    /// The heartbeat policy.
    pub fn heartbeat(&self) -> Heartbeat {
        self.0.heartbeat
    }

    /// The largest payload, in bytes.
    pub fn max_payload(&self) -> usize {
        self.0.max_payload
    }

    /// A place at the bell that rings when the log grows or the hub closes, for those who read with a
    /// [`Cursor`] of their own.
    pub fn listen(&self) -> Listener {
        self.0.bell.listen()
    }
}
