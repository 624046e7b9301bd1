//! One connection to a cluster, and questions over it.

use std::sync::Arc;

use async_nats::client::RequestErrorKind;
use async_nats::{Client, ConnectError, ConnectErrorKind, HeaderMap, Message, Request};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tidings_core::BrokerError;
use tokio::time::{Instant, timeout_at};

use super::NatsConfig;
use super::api::{Answer, ApiError, TOO_MANY_REPLICAS};
use super::epoch::epoch;
use super::link::{Link, connect};
use crate::address::Address;
use crate::fault::{away, refused};
use crate::seen::Witness;

/// What all that this node does with the stream has in common.
#[derive(Debug)]
pub(super) struct Connection {
    link: Arc<Link>,
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

impl Connection {
    /// Connects to whichever server answers.
    pub(super) async fn open(config: NatsConfig) -> Result<Self, BrokerError> {
        let address = Address { servers: config.servers.clone(), stream: config.stream.clone() };
        let engine = format!("{}, stream {}", address.name("NATS"), config.stream);
        let until = Instant::now() + config.request_deadline;
        let client = match timeout_at(until, connect(&config)).await {
            Ok(Ok(client)) => client,
            Ok(Err(error)) if is_refusal(&error) => {
                let problem = format!("{error}: put USER:PASSWORD@ before the host");
                return Err(refused(engine, problem));
            }
            Ok(Err(error)) => return Err(away(engine, error.to_string())),
            Err(_) => return Err(away(engine, "it cannot be connected to in time")),
        };
        let witness = Witness::new(epoch("", ""));
        let link = Arc::new(Link::new(client, config.clone()));
        Ok(Self { link, config, engine, witness })
    }

    /// The client, connected or not.
    pub(super) fn client(&self) -> Client {
        self.link.client()
    }

    /// A client that is connected, as far as it knows.
    pub(super) async fn up(&self, until: Instant) -> Result<Client, Fault> {
        self.link.up(until).await.map_err(Fault::Silence)
    }

    /// Asks JetStream; bounded by the request deadline.
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        verb: &str,
        name: &str,
        question: &Value,
    ) -> Result<T, Fault> {
        let until = Instant::now() + self.config.request_deadline;
        let client = self.up(until).await?;
        let body = if question.is_null() { Bytes::new() } else { question.to_string().into() };
        let subject = format!("$JS.API.{verb}.{name}");
        answer(&request(&client, subject, None, body, until).await?)
    }

    /// The fault in this engine's name.
    pub(super) fn error(&self, fault: Fault) -> BrokerError {
        match fault {
            Fault::Silence(problem) => away(&self.engine, problem),
            Fault::No(error) if error.err_code == TOO_MANY_REPLICAS => {
                refused(&self.engine, format!("{}: --replicas 1, or a cluster", error.description))
            }
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

/// One request, over a connection that is up.
pub(super) async fn request(
    client: &Client,
    subject: String,
    headers: Option<HeaderMap>,
    payload: Bytes,
    until: Instant,
) -> Result<Message, Fault> {
    let mut request = Request::new().payload(payload).timeout(None);
    if let Some(headers) = headers {
        request = request.headers(headers);
    }
    let asked = timeout_at(until, client.send_request(subject, request));
    match asked.await {
        Ok(Ok(message)) => Ok(message),
        Ok(Err(error)) if error.kind() == RequestErrorKind::NoResponders => Err(Fault::Silence(
            "JetStream does not answer: is it enabled (nats-server -js), and has it a leader?"
                .into(),
        )),
        Ok(Err(error)) => Err(Fault::Silence(error.to_string())),
        Err(_) => Err(Fault::Silence("no answer in time".into())),
    }
}

fn is_refusal(error: &ConnectError) -> bool {
    use ConnectErrorKind::{Authentication, AuthorizationViolation};
    matches!(error.kind(), Authentication | AuthorizationViolation)
}
