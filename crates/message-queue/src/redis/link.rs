//! Holds the shared connection, and replaces it if it breaks.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, ConnectionInfo, ErrorKind, RedisError, ServerErrorKind, Value, cmd,
};
use tokio::time::{Instant, timeout};

use super::login;
use crate::address::Tls;

/// The shared connection. If it breaks, it is replaced by a new one.
#[derive(Debug)]
pub(super) struct Link {
    info: ConnectionInfo,
    tls: Tls,
    /// The time limit of a response.
    response_timeout: Duration,
    shared: Mutex<Option<Wire>>,
    /// The number of connections so far. Held while a new one is opened. Only spawned tasks wait for it, because a
    /// future that is not polled, such as that of a tail that is not read, could hold the lock for ever.
    connecting: tokio::sync::Mutex<u64>,
}

/// One connection.
#[derive(Clone, Debug)]
pub(super) struct Wire {
    pub(super) connection: MultiplexedConnection,
    /// Its number, so that a request which failed does not discard a newer connection.
    number: u64,
}

const CONNECT_WITHIN: Duration = Duration::from_secs(2);

impl Link {
    pub(super) fn new(info: ConnectionInfo, tls: Tls, response_timeout: Duration) -> Self {
        Self {
            info,
            tls,
            response_timeout,
            shared: Mutex::default(),
            connecting: tokio::sync::Mutex::default(),
        }
    }

    /// Opens the shared connection if there is none.
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

    /// Discards the shared connection if it is this one.
    pub(super) fn forget(&self, wire: &Wire) {
        let mut shared = self.shared();
        if shared.as_ref().is_some_and(|shared| shared.number == wire.number) {
            *shared = None;
        }
    }

    /// Opens a separate connection to a master. `response_timeout` is the time limit of a response.
    pub(super) async fn open(
        &self,
        response_timeout: Duration,
    ) -> Result<MultiplexedConnection, RedisError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_WITHIN))
            .set_response_timeout(Some(response_timeout));
        let connected = timeout(CONNECT_WITHIN, async {
            let client = login::client(self.info.clone(), &self.tls).await?;
            let mut made = client.get_multiplexed_async_connection_with_config(&config).await?;
            is_master(&mut made).await?;
            Ok(made)
        });
        let late = |_| Err((ErrorKind::Io, "cannot connect in time").into());
        connected.await.unwrap_or_else(late)
    }

    async fn make(self: Arc<Self>, until: Instant) -> Result<Wire, RedisError> {
        let mut count = self.connecting.lock().await;
        if let Some(wire) = self.shared().clone() {
            return Ok(wire);
        }
        // A task that has waited for other attempts which failed does not start another one, so the queue stays short.
        if Instant::now() >= until {
            return Err((ErrorKind::Io, "cannot connect").into());
        }
        let connection = self.open(self.response_timeout).await?;
        *count += 1;
        let wire = Wire { connection, number: *count };
        *self.shared() = Some(wire.clone());
        Ok(wire)
    }

    fn shared(&self) -> MutexGuard<'_, Option<Wire>> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Checks that the server accepts writes. A replica also has the stream, but possibly that of a former master.
///
/// # Errors
/// Fails with `READONLY` if the server is a replica.
pub(super) async fn is_master(connection: &mut MultiplexedConnection) -> Result<(), RedisError> {
    // If the command is unknown or not permitted, a replica is found by the first publish.
    let Ok(Value::Array(role)) = cmd("ROLE").query_async(connection).await else { return Ok(()) };
    match role.first() {
        Some(Value::BulkString(role)) if role == b"slave" => {
            let replica = ErrorKind::Server(ServerErrorKind::ReadOnly);
            Err((replica, "this server is a replica").into())
        }
        _ => Ok(()),
    }
}
