//! The shared connection to Redis, and requests over it.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{ErrorKind, RedisError};
use tidings_core::BrokerError;
use tokio::time::{Instant, timeout_at};

use super::RedisConfig;
use super::link::Link;
use super::login;
use super::trouble::{describe, ends_connection, is_passing};
use crate::address::{Address, BrokerKind};
use crate::fault::{away, rejected};
use crate::seen::Witness;

/// The state that the publishes, the tail and the replays of this hub share.
#[derive(Debug)]
pub(super) struct Connection {
    link: Arc<Link>,
    pub(super) config: RedisConfig,
    /// The kind of broker, its server and the stream, for errors and logs.
    pub(super) broker: String,
    pub(super) witness: Witness,
    pub(super) keys: Keys,
}

/// The names of the keys in Redis.
#[derive(Debug)]
pub(super) struct Keys {
    pub(super) log: String,
    pub(super) meta: String,
    pub(super) key: String,
}

impl Connection {
    /// The connection is not open yet.
    pub(super) fn new(config: RedisConfig, witness: Witness) -> Result<Self, BrokerError> {
        let name = Address::name(BrokerKind::Redis, std::slice::from_ref(&config.server));
        let broker = format!("{name}, stream {}", config.stream);
        let info = login::info(&config.server, config.database)
            .map_err(|error| rejected(&broker, error.to_string()))?;
        let name = &config.stream;
        let keys = Keys {
            log: format!("{{{name}}}:log"),
            meta: format!("{{{name}}}:meta"),
            key: format!("{{{name}}}:key:"),
        };
        let link = Arc::new(Link::new(info, config.tls.clone(), config.request_deadline));
        Ok(Self { link, config, broker, witness, keys })
    }

    /// Opens a separate connection. `response_timeout` is the time limit of a response.
    pub(super) async fn open(
        &self,
        response_timeout: Duration,
    ) -> Result<MultiplexedConnection, RedisError> {
        self.link.open(response_timeout).await
    }

    /// Sends one request over the shared connection, within the request deadline.
    pub(super) async fn request<T>(
        &self,
        request: impl AsyncFnOnce(MultiplexedConnection) -> Result<T, RedisError>,
    ) -> Result<T, RedisError> {
        self.request_until(Instant::now() + self.config.request_deadline, request).await
    }

    /// Sends one request over the shared connection, until `until`.
    pub(super) async fn request_until<T>(
        &self,
        until: Instant,
        request: impl AsyncFnOnce(MultiplexedConnection) -> Result<T, RedisError>,
    ) -> Result<T, RedisError> {
        let late = || Err((ErrorKind::Io, "no response in time").into());
        let Ok(wire) = timeout_at(until, self.link.wire()).await else { return late() };
        let wire = wire?;
        let answer = timeout_at(until, request(wire.connection.clone())).await;
        let answer = answer.unwrap_or_else(|_| late());
        if answer.as_ref().err().is_some_and(ends_connection) {
            self.link.forget(&wire);
        }
        answer
    }

    pub(super) fn error(&self, error: &RedisError) -> BrokerError {
        let problem = describe(error);
        if is_passing(error) {
            away(&self.broker, problem)
        } else {
            rejected(&self.broker, problem)
        }
    }

    pub(super) fn away(&self, problem: impl Into<String>) -> BrokerError {
        away(&self.broker, problem)
    }
}
