//! The face of core: publish, join, subscribe, close.

use std::sync::{Arc, OnceLock};

use crate::broker_link::{BrokerLink, Deadlines};
use crate::{
    Broker, BrokerError, ClientPool, Cursor, Epoch, Filters, Heartbeat, HubConfig, IdempotencyKey,
    Interest, JoinError, Log, Notification, Position, PublishError, Publishing, Reason, Retention,
    Seat, Subscription, Waiter, WakerSet,
};

/// One stream of notifications and those who follow it. Cheap to clone; all clones are the same hub.
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
    /// Whether the hub is of use only with a broker, attached or still to come.
    needs_broker: bool,
    /// Empty without a broker, and before it is attached.
    pub(crate) broker: OnceLock<BrokerLink>,
}

impl Default for Hub {
    fn default() -> Self {
        Self::new(HubConfig::default())
    }
}

impl Hub {
    /// A hub with an empty log, nobody connected, and an epoch of its own.
    pub fn new(config: HubConfig) -> Self {
        Self::make(config, false)
    }

    /// A hub whose broker is still to be [attached](Self::attach). Until then it takes no clients and no
    /// notifications, and is not [ready](Self::is_ready).
    ///
    /// A server starts with it when the broker may come up later than the server does.
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

    /// A hub over a broker that other hubs share: its ids are the broker's, and its log is the newest part
    /// of the broker's stream, as much of it as `config.retention` keeps. Resolves once that is read.
    ///
    /// While the broker is away, publishes fail in bounded time and subscribers wait; when it is back,
    /// everything goes on behind what the hub had.
    ///
    /// # Errors
    /// Where the broker does not answer, or refuses.
    ///
    /// # Panics
    /// Outside of a tokio runtime: a task of that keeps the log fed until the hub is closed or the last clone
    /// of it is dropped.
    pub async fn connect(broker: Arc<dyn Broker>, config: HubConfig) -> Result<Self, BrokerError> {
        let hub = Self::pending(config);
        hub.attach(broker).await?;
        Ok(hub)
    }

    /// Attaches the broker of a hub that was made by [`pending`](Self::pending), as
    /// [`connect`](Self::connect) does. Resolves once the hub is ready. After an error it can be called again.
    ///
    /// # Errors
    /// If the broker does not answer or refuses, or if this hub takes no broker: it has one, or was made
    /// without.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub async fn attach(&self, broker: Arc<dyn Broker>) -> Result<(), BrokerError> {
        let not_pending = || BrokerError::Refused {
            broker: "the hub".to_owned(),
            problem: "it takes no broker: attach one, once, to a hub made by Hub::pending"
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

    /// Publishes a notification to everyone whose filters match. It is stored once the outcome is there;
    /// delivery follows.
    ///
    /// # Errors
    /// Where the payload is too large, the hub is closed, or the broker below it is away.
    pub fn publish(&self, notification: Notification) -> Publishing {
        self.publish_once(notification, None)
    }

    /// The same, but for a key that was published with in the last two minutes: then nothing is stored, and
    /// the outcome is the first one's id. So a publish can be tried again whose answer was lost.
    ///
    /// # Errors
    /// As [`publish`](Self::publish).
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
        // A close that came in between has sealed the log: what it did not take nobody will read.
        let id = self.0.log.append(notification, key);
        Publishing::done(id.ok_or(PublishError::Closed(Reason::GoingAway)))
    }

    /// Takes a seat for a client of this transport, which a later [`read`](Self::read) uses.
    ///
    /// # Errors
    /// If the pool is full or closed, or the broker is not attached yet.
    pub fn join(&self, transport: &'static str) -> Result<Seat, JoinError> {
        self.check_broker()?;
        self.0.pool.join(transport)
    }

    /// Takes a seat for a client of this transport with these filters, which a later [`read`](Self::read)
    /// uses.
    ///
    /// # Errors
    /// If the pool is full or closed, if the filters are more than it has room for, or if the broker is not
    /// attached yet.
    pub fn join_with(&self, transport: &'static str, filters: &Filters) -> Result<Seat, JoinError> {
        self.check_broker()?;
        self.0.pool.join_with(transport, filters)
    }

    /// Fails until the broker is attached, if there is to be one.
    fn check_broker(&self) -> Result<(), JoinError> {
        if self.0.needs_broker && self.broker().is_none() {
            return Err(self.0.pool.closed().map_or(JoinError::Unavailable, JoinError::Closed));
        }
        Ok(())
    }

    /// Reads from a position on. Needs a tokio runtime with time, for the heartbeat.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn read(&self, seat: Seat, interest: Interest, position: Position) -> Subscription {
        let (cursor, gap) = Cursor::open(self.log(), position, &interest);
        Subscription::new(self.clone(), seat, interest, cursor, gap)
    }

    /// Takes a seat and reads what is published from now on: [`join_with`](Self::join_with) and
    /// [`read`](Self::read) in one.
    ///
    /// # Errors
    /// As [`join_with`](Self::join_with).
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn subscribe(
        &self,
        transport: &'static str,
        interest: Interest,
    ) -> Result<Subscription, JoinError> {
        let seat = self.join_with(transport, interest.filters())?;
        Ok(self.read(seat, interest, Position::Live))
    }

    /// Says goodbye to every subscriber, once it has been told what it had coming, and takes no further
    /// clients or notifications.
    pub fn close(&self, reason: Reason) {
        self.0.log.seal();
        self.0.pool.close(reason);
    }

    /// Returns `true` if both are clones of one hub.
    pub fn is_same_as(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
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

    /// Whether the broker is followed at the moment; `None` for a hub without one.
    pub fn is_connected(&self) -> Option<bool> {
        self.0.needs_broker.then(|| self.broker().is_some_and(BrokerLink::is_connected))
    }

    /// Whether the hub takes clients: it is not closed, and its broker, if it has one, is attached. A broker
    /// that goes away later does not change this.
    pub fn is_ready(&self) -> bool {
        let is_attached = !self.0.needs_broker || self.broker().is_some();
        is_attached && self.0.pool.closed().is_none()
    }

    pub(crate) fn broker(&self) -> Option<&BrokerLink> {
        self.0.broker.get()
    }

    /// The heartbeat policy.
    pub fn heartbeat(&self) -> Heartbeat {
        self.0.heartbeat
    }

    /// The largest payload, in bytes.
    pub fn max_payload(&self) -> usize {
        let limit = self.0.max_payload;
        self.broker().map_or(limit, |broker| limit.min(broker.broker.max_payload()))
    }

    /// Returns a waiter that is woken when the log grows or the hub closes, for those who read with a
    /// [`Cursor`] of their own.
    pub fn waiter(&self) -> Waiter {
        self.0.wakers.waiter()
    }
}
