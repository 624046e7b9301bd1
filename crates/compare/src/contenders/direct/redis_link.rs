//! One connection to Redis, counted at its socket.

use std::io;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::{BoxFuture, Fuse};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd, FromRedisValue, RedisConnectionInfo, RedisError};
use tidings_transport::client::{ClientError, Meter, Target, connect};

/// A connection that asks one thing at a time. It has no task of its own, so dropping it disconnects, also in
/// the middle of a question that is never answered.
pub(super) struct Link {
    connection: MultiplexedConnection,
    /// Moves the bytes, whenever somebody waits for an answer.
    driver: Fuse<BoxFuture<'static, ()>>,
    pub(super) meter: Arc<Meter>,
}

impl Link {
    /// Connects to `server` with the options of `target`.
    pub(super) async fn connect(server: &str, target: &Target) -> Result<Self, ClientError> {
        let bad = |problem| ClientError::BadUrl { url: server.to_owned(), problem };
        let url = format!("http://{server}").parse().map_err(|_| bad("its host cannot be read"))?;
        let failed = |error: RedisError| ClientError::Connect {
            address: server.to_owned(),
            source: io::Error::other(error),
        };
        let stream = connect(&Target { url, ..target.clone() }).await?;
        // A blocking question may wait for as long as nothing is published.
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        let (connection, driver) =
            MultiplexedConnection::new_with_config(&RedisConnectionInfo::default(), stream, config)
                .await
                .map_err(failed)?;
        Ok(Self { connection, driver: driver.boxed().fuse(), meter: target.meter.clone() })
    }

    /// Asks, and waits for the answer.
    pub(super) async fn ask<T: FromRedisValue>(&mut self, command: &Cmd) -> Result<T, ClientError> {
        let Self { connection, driver, .. } = self;
        let mut answer = std::pin::pin!(command.query_async(connection));
        let answer = tokio::select! {
            // First, so that an answer is there by the time that it is looked for.
            biased;
            () = driver => answer.await,
            answer = &mut answer => answer,
        };
        answer.map_err(|error| ClientError::Broken(error.to_string()))
    }
}
