//! One connection to Redis, counted at its socket.

use std::io;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::{BoxFuture, Fuse};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd, FromRedisValue, IntoConnectionInfo, RedisError};
use tidings_transport::client::{ClientError, Meter, Target, connect, shown};
use url::Url;

/// A connection that asks one thing at a time. It has no task of its own, so dropping it disconnects, also in
/// the middle of a question that is never answered.
pub(super) struct Link {
    connection: MultiplexedConnection,
    /// Moves the bytes, whenever somebody waits for an answer.
    driver: Fuse<BoxFuture<'static, ()>>,
    pub(super) meter: Arc<Meter>,
}

impl Link {
    /// Connects to the engine at this address, from where `target` says.
    pub(super) async fn connect(engine: &Url, target: &Target) -> Result<Self, ClientError> {
        let failed = |error: RedisError| ClientError::Connect {
            address: shown(engine),
            source: io::Error::other(error),
        };
        let info = engine.as_str().into_connection_info().map_err(failed)?;
        let stream = connect(&Target { url: socket(engine)?, ..target.clone() }).await?;
        // A blocking question may wait for as long as nothing is published.
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        let (connection, driver) =
            MultiplexedConnection::new_with_config(info.redis_settings(), stream, config)
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

/// Redis' host and port as the address of a socket.
fn socket(engine: &Url) -> Result<Url, ClientError> {
    let bad = |problem| ClientError::BadUrl { url: shown(engine), problem };
    if engine.scheme() != "redis" {
        return Err(bad("the scheme is not redis"));
    }
    let host = engine.host_str().ok_or_else(|| bad("there is no host"))?;
    let address = format!("http://{host}:{}", engine.port().unwrap_or(6379));
    address.parse().map_err(|_| bad("the host is none"))
}
