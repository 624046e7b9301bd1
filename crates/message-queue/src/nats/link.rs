//! Holds the client, and replaces it if it loses its connection.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_nats::connection::State;
use async_nats::{Client, ConnectOptions};
use tokio::time::{Instant, sleep, timeout_at};

use super::NatsConfig;
use super::events::Events;
use super::fault::Fault;
use super::login::{self, NoConnection};

/// The client. If it loses its connection, it is replaced by a new one.
///
/// A client that reconnects automatically would then send the requests that it accepted without a connection, long
/// after they were reported as failed.
#[derive(Debug)]
pub(super) struct Link {
    client: Mutex<Client>,
    /// Held while a new client connects. Only spawned tasks wait for it, because a future that is not polled, such as
    /// that of a tail that is not read, could hold the lock for ever.
    connecting: tokio::sync::Mutex<()>,
    config: NatsConfig,
    pub(super) events: Events,
}

const LATE: &str = "not connected in time";
const CONNECT_WITHIN: Duration = Duration::from_secs(3);
/// A connection whose other end has vanished is found after two of these intervals.
const PING_EVERY: Duration = Duration::from_secs(5);
/// How often a client itself tries to reconnect, without a pause, before it is replaced. It also knows servers of the
/// cluster that the URL does not name.
const OWN_TRIES: usize = 3;
const BETWEEN_TRIES: Duration = Duration::from_millis(50);

impl Link {
    /// Connects to the first server that responds before `until`.
    pub(super) async fn open(
        config: NatsConfig,
        events: Events,
        until: Instant,
    ) -> Result<Self, Fault> {
        let client = timeout_at(until, connect(&config, &events)).await;
        let client = client.unwrap_or_else(|_| Err(Fault::NoResponse(LATE.to_owned())))?;
        let (client, connecting) = (Mutex::new(client), tokio::sync::Mutex::default());
        Ok(Self { client, connecting, config, events })
    }

    /// The client may not be connected.
    pub(super) fn client(&self) -> Client {
        self.client.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A client whose state is connected. Reconnects until `until` if there is none.
    pub(super) async fn up(self: &Arc<Self>, until: Instant) -> Result<Client, Fault> {
        let mut problem = Fault::NoResponse("not connected".to_owned());
        while Instant::now() < until {
            let client = self.client();
            if is_up(&client) {
                return Ok(client);
            }
            let tried = tokio::spawn(self.clone().try_once(until));
            match timeout_at(until, tried).await {
                Ok(Ok(Ok(()))) => {}
                Ok(Ok(Err(rejected @ Fault::Rejected(_)))) => return Err(rejected),
                Ok(Ok(Err(fault))) => problem = fault,
                Ok(Err(_)) | Err(_) => break,
            }
        }
        Err(problem)
    }

    async fn try_once(self: Arc<Self>, until: Instant) -> Result<(), Fault> {
        let _one = self.connecting.lock().await;
        if is_up(&self.client()) {
            return Ok(());
        }
        match timeout_at(until, connect(&self.config, &self.events)).await {
            Ok(Ok(client)) => {
                *self.client.lock().unwrap_or_else(PoisonError::into_inner) = client;
                Ok(())
            }
            Ok(Err(fault)) => {
                // While the lock is held, so that many waiting requests try no more often than one.
                sleep(BETWEEN_TRIES).await;
                Err(fault)
            }
            Err(_) => Err(Fault::NoResponse(LATE.to_owned())),
        }
    }
}

pub(super) fn is_up(client: &Client) -> bool {
    client.connection_state() == State::Connected
}

async fn connect(config: &NatsConfig, events: &Events) -> Result<Client, Fault> {
    let options = || {
        let events = events.clone();
        ConnectOptions::new()
            .name("tidings")
            .connection_timeout(CONNECT_WITHIN)
            .request_timeout(Some(config.request_deadline))
            .ping_interval(PING_EVERY)
            .max_reconnects(config.servers.len().max(OWN_TRIES))
            .reconnect_delay_callback(|_| Duration::ZERO)
            .event_callback(move |event| {
                events.take(&event);
                std::future::ready(())
            })
    };
    let credentials = config.credentials.as_deref();
    login::connect(&config.servers, credentials, &config.tls, options).await.map_err(|problem| {
        match problem {
            NoConnection::Rejected(problem) => Fault::Rejected(problem),
            NoConnection::Away(problem) => Fault::NoResponse(problem),
        }
    })
}
