//! The hub: publish, join, subscribe, close.

use std::sync::{Arc, OnceLock};

use crate::broker_link::{BrokerLink, Deadlines};
use crate::{
    Broker, BrokerError, ClientPool, Cursor, Epoch, Filters, Heartbeat, HubConfig, IdempotencyKey,
    Interest, JoinError, Log, Notification, Position, PublishError, Publishing, Reason, Retention,
    Seat, Subscription, Waiter, WakerSet,
};

/// A log of notifications and its subscribers.
///
/// Cloning is shallow: all clones are the same hub.
#[derive(Clone, Debug)]
pub struct Hub(Arc<Shared>);

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) log: Arc<Log>,
    pool: ClientPool,
    wakers: WakerSet,
    heartbeat: Heartbeat,
    max_payload: usize,
    retention: Retention,
    deadlines: Deadlines,
    /// The hub works only with a broker, which is attached or will be.
    needs_broker: bool,
    /// Empty without a broker, and until it is attached.
    pub(crate) broker: OnceLock<BrokerLink>,
}

impl Default for Hub {
    fn default() -> Self {
        Self::new(HubConfig::default())
    }
}

impl Hub {
    /// Creates a hub with an empty log, no clients and a new epoch.
    pub fn new(config: HubConfig) -> Self {
        Self::make(config, false)
    }

    /// Creates a hub whose broker is not [attached](Self::attach) yet. Until then it accepts no clients and no
    /// notifications, and is not [ready](Self::is_ready).
    ///
    /// Use it when the broker may start later than the server.
    pub fn pending(config: HubConfig) -> Self {
        Self::make(config, true)
    }

    fn make(config: HubConfig, needs_broker: bool) -> Self {
        let wakers = WakerSet::default();
        Self(Arc::new(Shared {
            log: Arc::new(Log::new(Epoch::random(), config.retention, wakers.clone())),
            pool: ClientPool::new(config.limits, wakers.clone()),
            wakers,
            heartbeat: config.heartbeat,
            max_payload: config.max_payload,
            retention: config.retention,
            deadlines: Deadlines {
                publish: config.publish_deadline,
                replay: config.replay_deadline,
            },
            needs_broker,
            broker: OnceLock::new(),
        }))
    }

    /// Creates a hub on a broker that it shares with other hubs. Its ids are the broker's, and its log is the newest
    /// part of the broker's stream, as much as `config.retention` keeps. Resolves once that part is read.
    ///
    /// While the broker is unavailable, publishes fail in bounded time and subscribers wait. Once it is available
    /// again, the hub continues after the last notification that it has.
    ///
    /// # Errors
    /// Fails if the broker does not respond or rejects the request.
    ///
    /// # Panics
    /// Panics outside of a tokio runtime. The hub spawns a task that feeds the log until the last
    /// clone is dropped.
    pub async fn connect(broker: Arc<dyn Broker>, config: HubConfig) -> Result<Self, BrokerError> {
        let hub = Self::pending(config);
        hub.attach(broker).await?;
        Ok(hub)
    }

    /// Attaches the broker to a hub that was made by [`pending`](Self::pending), as [`connect`](Self::connect) does.
    /// Resolves once the hub is ready. After an error it can be called again.
    ///
    /// # Errors
    /// Fails if the broker does not respond or rejects the request, the hub already has a broker, or it was not made by
    /// [`pending`](Self::pending).
    ///
    /// # Panics
    /// Panics outside of a tokio runtime.
    pub async fn attach(&self, broker: Arc<dyn Broker>) -> Result<(), BrokerError> {
        let not_pending = || BrokerError::Rejected {
            broker: "the hub".to_owned(),
            problem: "it accepts no broker: attach one, once, to a hub made by Hub::pending"
                .to_owned(),
        };
        if !self.0.needs_broker || self.broker().is_some() {
            return Err(not_pending());
        }
        let Shared { ref log, retention, deadlines, .. } = *self.0;
        let keep = retention.entries as u64;
        let broker = BrokerLink::start(broker, log, keep, deadlines).await?;
        self.0.broker.set(broker).map_err(|_| not_pending())
    }

    /// Publishes a notification to all subscribers whose filters match. Once the outcome is an id, the notification is
    /// stored. It is delivered after that.
    ///
    /// # Errors
    /// The outcome is an error if the payload is too large, the hub is closed, or its broker is unavailable.
    pub fn publish(&self, notification: Notification) -> Publishing {
        self.publish_once(notification, None)
    }

    /// Publishes a notification, unless the same key was published within the last two minutes. In that case it stores
    /// nothing, and the outcome is the id of the first publish. So a publisher that got no response can retry.
    ///
    /// # Errors
    /// The outcome is an error in the same cases as for [`publish`](Self::publish).
    pub fn publish_once(
        &self,
        notification: Notification,
        key: Option<IdempotencyKey>,
    ) -> Publishing {
        let (size, limit) = (notification.payload().len(), self.max_payload());
        if size > limit {
            return Publishing::done(Err(PublishError::TooBig { size, limit }));
        }
        if let Some(reason) = self.0.pool.closed() {
            return Publishing::done(Err(PublishError::Closed(reason)));
        }
        if let Some(broker) = self.broker() {
            return broker.publish(notification, key);
        }
        if self.0.needs_broker {
            let error = BrokerError::away("it is not connected yet");
            return Publishing::done(Err(PublishError::Unavailable(error)));
        }
        // If the hub was closed since the check above, the log is sealed and returns no id.
        let id = self.0.log.append(notification, key);
        Publishing::done(id.ok_or(PublishError::Closed(Reason::GoingAway)))
    }

    /// Takes a seat for a client of this transport, which a later [`read`](Self::read) uses.
    ///
    /// # Errors
    /// Fails if the pool is full or closed, or the broker is not attached yet.
    pub fn join(&self, transport: &'static str) -> Result<Seat, JoinError> {
        self.check_broker()?;
        self.0.pool.join(transport)
    }

    /// Takes a seat for a client of this transport with these filters, which a later [`read`](Self::read) uses.
    ///
    /// # Errors
    /// Fails if the pool is full or closed, the filters would exceed [`Limits::filters`](crate::Limits::filters), or
    /// the broker is not attached yet.
    pub fn join_with(&self, transport: &'static str, filters: &Filters) -> Result<Seat, JoinError> {
        self.check_broker()?;
        self.0.pool.join_with(transport, filters)
    }

    /// Fails if the hub needs a broker and none is attached yet.
    fn check_broker(&self) -> Result<(), JoinError> {
        if self.0.needs_broker && self.broker().is_none() {
            return Err(self.0.pool.closed().map_or(JoinError::Unavailable, JoinError::Closed));
        }
        Ok(())
    }

    /// Returns a subscription that begins at a position.
    ///
    /// # Panics
    /// Panics outside of a tokio runtime with time enabled, which the heartbeat needs.
    pub fn read(&self, seat: Seat, interest: Interest, position: Position) -> Subscription {
        let (cursor, gap) = Cursor::open(self.log(), position, &interest);
        Subscription::new(self.clone(), seat, interest, cursor, gap)
    }

    /// Takes a seat and returns a subscription to what is published from now on: [`join_with`](Self::join_with) and
    /// [`read`](Self::read) in one call. `transport` is any name, by which limits and metrics count the client.
    ///
    /// # Errors
    /// Fails in the same cases as [`join_with`](Self::join_with).
    ///
    /// # Panics
    /// Panics in the same cases as [`read`](Self::read).
    pub fn subscribe(
        &self,
        transport: &'static str,
        interest: Interest,
    ) -> Result<Subscription, JoinError> {
        let seat = self.join_with(transport, interest.filters())?;
        Ok(self.read(seat, interest, Position::Live))
    }

    /// Closes the hub: it accepts no further clients and notifications, and each subscriber gets a goodbye after all
    /// notifications that were published before. Until then it also gets what other hubs publish through the broker, so a
    /// goodbye that is delayed does not delay notifications. A subscriber whose next notifications only the broker has
    /// gets its goodbye without them, and can resume. The connection to the broker remains until the last clone of the hub
    /// is dropped.
    pub fn close(&self, reason: Reason) {
        if !self.0.needs_broker {
            self.0.log.seal();
        }
        self.0.pool.close(reason);
    }

    /// Returns `true` if both are clones of the same hub.
    pub fn is_same_as(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Returns the log.
    pub fn log(&self) -> &Log {
        &self.0.log
    }

    /// Returns the connected clients.
    pub fn pool(&self) -> &ClientPool {
        &self.0.pool
    }

    /// Returns the epoch of this hub's ids.
    pub fn epoch(&self) -> Epoch {
        self.0.log.epoch()
    }

    /// Returns whether the hub currently follows its broker, or `None` without a broker.
    pub fn is_connected(&self) -> Option<bool> {
        self.0.needs_broker.then(|| self.broker().is_some_and(BrokerLink::is_connected))
    }

    /// Returns `true` if the hub accepts clients: it is not closed, and its broker, if it needs one, is attached. Stays
    /// `true` when the broker becomes unavailable later.
    pub fn is_ready(&self) -> bool {
        let is_attached = !self.0.needs_broker || self.broker().is_some();
        is_attached && self.0.pool.closed().is_none()
    }

    pub(crate) fn broker(&self) -> Option<&BrokerLink> {
        self.0.broker.get()
    }

    /// Returns the heartbeat policy.
    pub fn heartbeat(&self) -> Heartbeat {
        self.0.heartbeat
    }

    /// Returns the size of the largest payload that the hub and its broker accept, in bytes.
    pub fn max_payload(&self) -> usize {
        let limit = self.0.max_payload;
        self.broker().map_or(limit, |broker| limit.min(broker.broker.max_payload()))
    }

    /// Returns a waiter that is woken when the log grows or the hub closes, for servers that read with a [`Cursor`].
    pub fn waiter(&self) -> Waiter {
        self.0.wakers.waiter()
    }
}
