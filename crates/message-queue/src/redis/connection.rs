//! A connection that is made anew where it broke.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Client, ErrorKind, RedisError};
use tidings_core::BrokerError;
use tokio::time::{Instant, timeout_at};

use super::RedisConfig;
use super::link::Link;
use crate::address::Address;
use crate::fault::{away, refused};
use crate::seen::Witness;

/// What all that this node does with the stream has in common.
#[derive(Debug)]
pub(super) struct Connection {
    link: Arc<Link>,
    pub(super) config: RedisConfig,
    /// For errors: which engine, and where.
    pub(super) engine: String,
    pub(super) witness: Witness,
    pub(super) keys: Keys,
}

/// The names of what is stored.
#[derive(Debug)]
pub(super) struct Keys {
    pub(super) log: String,
    pub(super) meta: String,
    pub(super) key: String,
}

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
        let link = Arc::new(Link::new(client, config.request_deadline));
        Ok(Self { link, config, engine, witness, keys })
    }

    /// A connection of one's own, whose answers may take so long.
    pub(super) async fn open(
        &self,
        answers: Duration,
    ) -> Result<MultiplexedConnection, RedisError> {
        self.link.open(answers).await
    }

    /// Asks once over the shared connection.
    pub(super) async fn ask<T>(
        &self,
        question: impl AsyncFnOnce(MultiplexedConnection) -> Result<T, RedisError>,
    ) -> Result<T, RedisError> {
        self.ask_until(Instant::now() + self.config.request_deadline, question).await
    }

    /// The same, with an end of its own.
    pub(super) async fn ask_until<T>(
        &self,
        until: Instant,
        question: impl AsyncFnOnce(MultiplexedConnection) -> Result<T, RedisError>,
    ) -> Result<T, RedisError> {
        let late = || Err((ErrorKind::Io, "no answer in time").into());
        let Ok(wire) = timeout_at(until, self.link.wire()).await else { return late() };
        let wire = wire?;
        let answer = timeout_at(until, question(wire.connection.clone())).await;
        let answer = answer.unwrap_or_else(|_| late());
        if answer.as_ref().err().is_some_and(is_silence) {
            self.link.forget(&wire);
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
    if error.kind() == ErrorKind::AuthenticationFailed {
        return false;
    }
    is_silence(error)
        || error.is_connection_refusal()
        || error.code().is_some_and(|code| PASSING.contains(&code))
}
