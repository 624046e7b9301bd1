//! [`Nats`], and how it implements [`Broker`].

use std::sync::Arc;

use futures::future::BoxFuture;
use tidings_core::broker::{Broker, Replay, Start, Tail};
use tidings_core::driver::Budget;
use tidings_core::{BrokerError, Filters, Id, IdempotencyKey, Notification};

use super::NatsConfig;
use super::connection::Connection;
use super::epoch::epoch;

/// The bytes that a message needs besides its payload: the key, the name of the stream, the kind, the seat, and the
/// headers of the notification. If each is as long as it may be, they take 1,790 bytes.
const HEADER_ROOM: usize = 2048;

/// A JetStream stream that many hubs share.
///
/// It reconnects automatically, and creates the stream again if it was deleted.
#[derive(Clone, Debug)]
pub struct Nats {
    connection: Arc<Connection>,
    max_payload: usize,
}

impl Nats {
    /// Connects to NATS, and creates the stream if it does not exist.
    ///
    /// Logs a warning for each setting of the stream or the server under which a documented promise does not hold.
    ///
    /// # Errors
    /// Fails with [`BrokerError::Away`] if no server responds, and with [`BrokerError::Rejected`] if the login is wrong
    /// or the stream has settings with which it cannot serve as the log.
    pub async fn connect(config: NatsConfig) -> Result<Self, BrokerError> {
        let connection = Connection::open(config).await?;
        let server_limit = connection.client().max_payload();
        let info = connection.stream().await?;
        connection.warn_of_doubts(&info.config);
        connection.witness.follow(epoch(&info.created, &info.config.description));
        let stream_limit =
            usize::try_from(info.config.max_msg_size).ok().filter(|&limit| limit > 0);
        let limit = stream_limit.map_or(server_limit, |limit| limit.min(server_limit));
        let max_payload = limit.saturating_sub(HEADER_ROOM);
        Ok(Self { connection: Arc::new(connection), max_payload })
    }
}

impl Broker for Nats {
    fn publish(
        &self,
        notification: Notification,
        key: Option<IdempotencyKey>,
    ) -> BoxFuture<'static, Result<Id, BrokerError>> {
        let (connection, limit) = (self.connection.clone(), self.max_payload);
        Box::pin(async move { connection.publish(&notification, key, limit).await })
    }

    fn tail(&self, start: Start) -> BoxFuture<'static, Result<Tail, BrokerError>> {
        Box::pin(super::tail::tail(self.connection.clone(), start))
    }

    fn replay(
        &self,
        filters: &Filters,
        after: Id,
        upto: u64,
        budget: Budget,
    ) -> BoxFuture<'static, Result<Replay, BrokerError>> {
        let (connection, filters) = (self.connection.clone(), filters.clone());
        Box::pin(async move { connection.replay(&filters, after, upto, budget).await })
    }

    fn max_payload(&self) -> usize {
        self.max_payload
    }
}
