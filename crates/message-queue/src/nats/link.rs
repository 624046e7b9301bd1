//! The client, and another one where that lost its connection.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::connection::State;
use async_nats::{Client, ConnectError, ConnectOptions};
use tokio::time::{Instant, sleep, timeout_at};

use super::NatsConfig;

/// The client, and another one where that lost its connection.
///
/// A client would connect again by itself, and then send what it was given while it had no connection: long
/// after we said that it failed.
#[derive(Debug)]
pub(super) struct Link {
    client: Mutex<Client>,
    /// Only tasks of their own wait for this: a future that nobody polls, as of a tail that is not read, must
    /// not hold up the others.
    connecting: tokio::sync::Mutex<()>,
    config: NatsConfig,
}

const CONNECT_WITHIN: Duration = Duration::from_secs(3);
/// A connection whose other end is gone without a word is found after two of these.
const PING_EVERY: Duration = Duration::from_secs(5);
/// How often a client tries by itself, at once, before it is replaced: it also knows servers that the URL does
/// not name.
const OWN_TRIES: usize = 3;
const BETWEEN_TRIES: Duration = Duration::from_millis(50);

impl Link {
    pub(super) fn new(client: Client, config: NatsConfig) -> Self {
        Self { client: Mutex::new(client), connecting: tokio::sync::Mutex::default(), config }
    }

    /// The client, connected or not.
    pub(super) fn client(&self) -> Client {
        self.client.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A client that is connected, as far as it knows; else what is in the way.
    pub(super) async fn up(self: &Arc<Self>, until: Instant) -> Result<Client, String> {
        let mut problem = "not connected".to_owned();
        while Instant::now() < until {
            let client = self.client();
            if is_up(&client) {
                return Ok(client);
            }
            let tried = tokio::spawn(self.clone().try_once(until));
            match timeout_at(until, tried).await {
                Ok(Ok(Ok(()))) => {}
                Ok(Ok(Err(error))) => problem = error,
                Ok(Err(_)) | Err(_) => break,
            }
        }
        Err(problem)
    }

    async fn try_once(self: Arc<Self>, until: Instant) -> Result<(), String> {
        let _one = self.connecting.lock().await;
        if is_up(&self.client()) {
            return Ok(());
        }
        match timeout_at(until, connect(&self.config)).await {
            Ok(Ok(client)) => {
                *self.client.lock().unwrap_or_else(PoisonError::into_inner) = client;
                Ok(())
            }
            Ok(Err(error)) => {
                // With the lock, so that many who wait do not try more often than one.
                sleep(BETWEEN_TRIES).await;
                Err(error.to_string())
            }
            Err(_) => Err("not connected in time".into()),
        }
    }
}

pub(super) fn is_up(client: &Client) -> bool {
    client.connection_state() == State::Connected
}

pub(super) async fn connect(config: &NatsConfig) -> Result<Client, ConnectError> {
    let servers: Vec<&str> = config.servers.iter().map(url::Url::as_str).collect();
    ConnectOptions::new()
        .name("tidings")
        .connection_timeout(CONNECT_WITHIN)
        .request_timeout(Some(config.request_deadline))
        .ping_interval(PING_EVERY)
        .max_reconnects(servers.len().max(OWN_TRIES))
        .reconnect_delay_callback(|_| Duration::ZERO)
        .connect(servers)
        .await
}
