//! A connection that is made anew where it broke.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisError};
use tidings_core::BrokerError;
use tokio::sync::Mutex;

use super::RedisConfig;
use crate::address::Address;
use crate::fault::{away, refused};
use crate::seen::Witness;

/// What all that this node does with the stream has in common.
#[derive(Debug)]
pub(super) struct Connection {
    client: Client,
    pub(super) config: RedisConfig,
    /// For errors: which engine, and where.
    pub(super) engine: String,
    pub(super) witness: Witness,
    pub(super) keys: Keys,
    /// An async lock, because whoever comes while a connection is being made waits for that one.
    shared: Mutex<Shared>,
}

/// The names of what is stored.
#[derive(Debug)]
pub(super) struct Keys {
    pub(super) log: String,
    pub(super) meta: String,
    pub(super) key: String,
}

#[derive(Debug, Default)]
struct Shared {
    connection: Option<MultiplexedConnection>,
    /// The how manieth it is, so that nobody throws away a newer one than his.
    number: u64,
}

/// A connection, and the how manieth.
pub(super) struct Wire {
    pub(super) connection: MultiplexedConnection,
    number: u64,
}

const CONNECT_WITHIN: Duration = Duration::from_secs(2);

impl Connection {
    /// Not connected yet.
    pub(super) fn new(config: RedisConfig, witness: Witness) -> Result<Self, BrokerError> {
        let address =
            Address { servers: vec![config.server.clone()], stream: config.stream.clone() };
        let engine = format!("{}, stream {}", address.name("Redis"), config.stream);
        let client = Client::open(config.server.as_str())
            .map_err(|error| refused(&engine, error.to_string()))?;
        let name = &config.stream;
        let keys = Keys {
            log: format!("{{{name}}}:log"),
            meta: format!("{{{name}}}:meta"),
            key: format!("{{{name}}}:key:"),
        };
        Ok(Self { client, config, engine, witness, keys, shared: Mutex::default() })
    }

    /// The connection that is shared.
    pub(super) async fn wire(&self) -> Result<Wire, RedisError> {
        let mut shared = self.shared.lock().await;
        if let Some(connection) = &shared.connection {
            return Ok(Wire { connection: connection.clone(), number: shared.number });
        }
        let connection = self.open(self.config.request_deadline).await?;
        shared.connection = Some(connection.clone());
        shared.number += 1;
        Ok(Wire { connection, number: shared.number })
    }

    /// A connection of one's own, whose answers may take so long.
    pub(super) async fn open(
        &self,
        answers: Duration,
    ) -> Result<MultiplexedConnection, RedisError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_WITHIN))
            .set_response_timeout(Some(answers));
        self.client.get_multiplexed_async_connection_with_config(&config).await
    }

    /// Says what became of the wire: after a failure nobody gets it again.
    pub(super) async fn judge(&self, number: &Wire, error: &RedisError) {
        if is_silence(error) {
            let mut shared = self.shared.lock().await;
            if shared.number == number.number {
                shared.connection = None;
            }
        }
    }

    /// Asks once over the shared connection.
    pub(super) async fn ask<T>(
        &self,
        question: impl AsyncFnOnce(MultiplexedConnection) -> Result<T, RedisError>,
    ) -> Result<T, RedisError> {
        let wire = self.wire().await?;
        let answer = question(wire.connection.clone()).await;
        if let Err(error) = &answer {
            self.judge(&wire, error).await;
        }
        answer
    }

    /// The error in this engine's name.
    pub(super) fn error(&self, error: &RedisError) -> BrokerError {
        let problem = error.to_string();
        if is_passing(error) { away(&self.engine, problem) } else { refused(&self.engine, problem) }
    }

    pub(super) fn away(&self, problem: impl Into<String>) -> BrokerError {
        away(&self.engine, problem)
    }
}

/// Nothing came back, so the connection is of no use.
fn is_silence(error: &RedisError) -> bool {
    error.is_io_error()
        || error.is_timeout()
        || error.is_connection_dropped()
        || error.is_unrecoverable_error()
}

/// It may go well next time: silence, and what Redis says while it begins, is busy, or follows another.
pub(super) fn is_passing(error: &RedisError) -> bool {
    const PASSING: [&str; 7] =
        ["LOADING", "BUSY", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "NOREPLICAS"];
    is_silence(error)
        || error.is_connection_refusal()
        || error.code().is_some_and(|code| PASSING.contains(&code))
}
