//! The connection that is shared, and another one where that broke.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, ConnectionInfo, ErrorKind, RedisError, ServerErrorKind, Value, cmd,
};
use tokio::time::{Instant, timeout};

use super::login;
use crate::address::Tls;

/// The connection that is shared, and another one where that broke.
#[derive(Debug)]
pub(super) struct Link {
    info: ConnectionInfo,
    tls: Tls,
    /// How long an answer may take.
    answers: Duration,
    shared: Mutex<Option<Wire>>,
    /// Only tasks of their own wait for this: a future that nobody polls, as of a tail that is not read, must
    /// not hold up the others. It counts connections.
    connecting: tokio::sync::Mutex<u64>,
}

/// A connection.
#[derive(Clone, Debug)]
pub(super) struct Wire {
    pub(super) connection: MultiplexedConnection,
    /// Its number, so that nobody throws away a newer one than his.
    number: u64,
}

const CONNECT_WITHIN: Duration = Duration::from_secs(2);

impl Link {
    pub(super) fn new(info: ConnectionInfo, tls: Tls, answers: Duration) -> Self {
        Self {
            info,
            tls,
            answers,
            shared: Mutex::default(),
            connecting: tokio::sync::Mutex::default(),
        }
    }

    /// The connection that is shared.
    pub(super) async fn wire(self: &Arc<Self>) -> Result<Wire, RedisError> {
        if let Some(wire) = self.shared().clone() {
            return Ok(wire);
        }
        let until = Instant::now() + CONNECT_WITHIN;
        match tokio::spawn(self.clone().make(until)).await {
            Ok(made) => made,
            Err(_) => Err((ErrorKind::Io, "the runtime is ending").into()),
        }
    }

    /// The wire is of no use any more.
    pub(super) fn forget(&self, wire: &Wire) {
        let mut shared = self.shared();
        if shared.as_ref().is_some_and(|shared| shared.number == wire.number) {
            *shared = None;
        }
    }

    /// A connection of one's own, whose answers may take so long.
    pub(super) async fn open(
        &self,
        answers: Duration,
    ) -> Result<MultiplexedConnection, RedisError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_WITHIN))
            .set_response_timeout(Some(answers));
        let connected = timeout(CONNECT_WITHIN, async {
            let client = login::client(self.info.clone(), &self.tls).await?;
            let mut made = client.get_multiplexed_async_connection_with_config(&config).await?;
            is_master(&mut made).await?;
            Ok(made)
        });
        let late = |_| Err((ErrorKind::Io, "it cannot be connected to in time").into());
        connected.await.unwrap_or_else(late)
    }

    async fn make(self: Arc<Self>, until: Instant) -> Result<Wire, RedisError> {
        let mut count = self.connecting.lock().await;
        if let Some(wire) = self.shared().clone() {
            return Ok(wire);
        }
        // Who has waited for others that came to nothing does not begin anew, or there would be a queue without end.
        if Instant::now() >= until {
            return Err((ErrorKind::Io, "it cannot be connected to").into());
        }
        let connection = self.open(self.answers).await?;
        *count += 1;
        let wire = Wire { connection, number: *count };
        *self.shared() = Some(wire.clone());
        Ok(wire)
    }

    fn shared(&self) -> MutexGuard<'_, Option<Wire>> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Checks that the server is one that can be written to. A replica has the stream, and may have it from a master
/// that is not the master any more.
pub(super) async fn is_master(connection: &mut MultiplexedConnection) -> Result<(), RedisError> {
    // Whoever may not ask, or asks something that does not know the command, finds out when it publishes.
    let Ok(Value::Array(role)) = cmd("ROLE").query_async(connection).await else { return Ok(()) };
    match role.first() {
        Some(Value::BulkString(role)) if role == b"slave" => {
            let replica = ErrorKind::Server(ServerErrorKind::ReadOnly);
            Err((replica, "this server is a replica at the moment").into())
        }
        _ => Ok(()),
    }
}
