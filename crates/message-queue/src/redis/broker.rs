//! [`Redis`], and how it implements [`Broker`].

use std::sync::Arc;

use futures::future::BoxFuture;
use tidings_core::broker::{Broker, Replay, Start, Tail};
use tidings_core::driver::Budget;
use tidings_core::{BrokerError, Epoch, Filters, Id, IdempotencyKey, Notification};

use super::RedisConfig;
use super::connection::Connection;
use crate::seen::Witness;

/// A Redis stream that many hubs share.
///
/// It reconnects automatically, and creates the stream again if it was deleted.
#[derive(Clone, Debug)]
pub struct Redis {
    connection: Arc<Connection>,
}

impl Redis {
    /// Connects to Redis, and gives the stream an epoch if it has none.
    ///
    /// Logs a warning for each setting of the server under which a documented promise does not hold.
    ///
    /// # Errors
    /// Fails with [`BrokerError::Away`] if the server does not respond, and with [`BrokerError::Rejected`] if it
    /// rejects the login or a command.
    pub async fn connect(config: RedisConfig) -> Result<Self, BrokerError> {
        let connection = Connection::new(config, Witness::new(Epoch::from_number(0)))?;
        connection.look().await?;
        connection.warn_of_doubts().await;
        Ok(Self { connection: Arc::new(connection) })
    }
}

impl Broker for Redis {
    fn publish(
        &self,
        notification: Notification,
        key: Option<IdempotencyKey>,
    ) -> BoxFuture<'static, Result<Id, BrokerError>> {
        let connection = self.connection.clone();
        Box::pin(async move { connection.publish(&notification, key).await })
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
        self.connection.config.max_payload
    }
}
