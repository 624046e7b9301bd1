//! One connection to a cluster, and questions over it.

use std::time::Duration;

use async_nats::client::RequestErrorKind;
use async_nats::connection::State;
use async_nats::{Client, ConnectOptions, HeaderMap, Message, Request};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tidings_core::BrokerError;
use tokio::time::{Instant, sleep, timeout};

use super::NatsConfig;
use super::api::{Answer, ApiError};
use crate::address::Address;
use crate::fault::{away, refused};
use crate::seen::Witness;

/// What all that this node does with the stream has in common.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) client: Client,
    pub(super) config: NatsConfig,
    /// For errors: which engine, and where.
    pub(super) engine: String,
    pub(super) witness: Witness,
}

/// Why a question has no good answer.
#[derive(Debug)]
pub(super) enum Fault {
    /// None came: nobody is there, not connected, too late.
    Silence(String),
    /// It says no.
    No(ApiError),
}

const CONNECT_WITHIN: Duration = Duration::from_secs(3);
/// A connection whose other end is gone without a word is found after two of these.
const PING_EVERY: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// Connects to whichever server answers.
pub(super) async fn connect(config: &NatsConfig) -> Result<(Client, String), BrokerError> {
    let address = Address { servers: config.servers.clone(), stream: config.stream.clone() };
    let engine = format!("{}, stream {}", address.name("NATS"), config.stream);
    let servers: Vec<&str> = config.servers.iter().map(url::Url::as_str).collect();
    let options = ConnectOptions::new()
        .name("tidings")
        .connection_timeout(CONNECT_WITHIN)
        .request_timeout(Some(config.request_deadline))
        .ping_interval(PING_EVERY)
        .reconnect_delay_callback(|attempts| {
            let pause =
                Duration::from_millis(25 * u64::try_from(attempts).unwrap_or(u64::MAX).min(40));
            pause.min(LONGEST_PAUSE)
        });
    let connected = timeout(config.request_deadline, options.connect(servers)).await;
    match connected {
        Ok(Ok(client)) => Ok((client, engine)),
        Ok(Err(error))
            if matches!(
                error.kind(),
                async_nats::ConnectErrorKind::AuthorizationViolation
                    | async_nats::ConnectErrorKind::Authentication
            ) =>
        {
            Err(refused(engine, format!("{error}: put USER:PASSWORD@ before the host")))
        }
        Ok(Err(error)) => Err(away(engine, error.to_string())),
        Err(_) => Err(away(engine, "it cannot be connected to in time")),
    }
}

impl Connection {
    pub(super) fn is_up(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    /// Waits for the connection, for what is handed over without one is kept and sent when it is back: long
    /// after we said that it failed.
    pub(super) async fn up(&self, until: Instant) -> Result<(), Fault> {
        while !self.is_up() {
            if Instant::now() >= until {
                return Err(Fault::Silence("not connected".into()));
            }
            sleep(BETWEEN_LOOKS).await;
        }
        Ok(())
    }

    /// Asks JetStream; bounded by the request deadline.
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        verb: &str,
        name: &str,
        question: &Value,
    ) -> Result<T, Fault> {
        let until = Instant::now() + self.config.request_deadline;
        self.up(until).await?;
        let body = if question.is_null() { Bytes::new() } else { question.to_string().into() };
        let subject = format!("$JS.API.{verb}.{name}");
        let message = self.request(subject, None, body, until).await?;
        answer(&message)
    }

    /// One request, over a connection that is up.
    pub(super) async fn request(
        &self,
        subject: String,
        headers: Option<HeaderMap>,
        payload: Bytes,
        until: Instant,
    ) -> Result<Message, Fault> {
        let mut request = Request::new().payload(payload).timeout(None);
        if let Some(headers) = headers {
            request = request.headers(headers);
        }
        let asked = tokio::time::timeout_at(until, self.client.send_request(subject, request));
        match asked.await {
            Ok(Ok(message)) => Ok(message),
            Ok(Err(error)) if error.kind() == RequestErrorKind::NoResponders => {
                Err(Fault::Silence(
                    "JetStream does not answer: is it enabled, and has it a leader?".into(),
                ))
            }
            Ok(Err(error)) => Err(Fault::Silence(error.to_string())),
            Err(_) => Err(Fault::Silence("no answer in time".into())),
        }
    }

    /// The fault in this engine's name.
    pub(super) fn error(&self, fault: Fault) -> BrokerError {
        match fault {
            Fault::Silence(problem) => away(&self.engine, problem),
            Fault::No(error) if error.code >= 500 => away(&self.engine, error.description),
            Fault::No(error) => refused(&self.engine, error.description),
        }
    }

    pub(super) fn away(&self, problem: impl Into<String>) -> BrokerError {
        away(&self.engine, problem)
    }
}

/// What an answer says.
pub(super) fn answer<T: DeserializeOwned>(message: &Message) -> Result<T, Fault> {
    match serde_json::from_slice(&message.payload) {
        Ok(Answer::Yes(answer)) => Ok(answer),
        Ok(Answer::No { error }) => Err(Fault::No(error)),
        Err(error) => Err(Fault::Silence(format!("its answer cannot be read: {error}"))),
    }
}
