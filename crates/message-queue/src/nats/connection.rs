//! One connection to a cluster, and questions over it.

use std::sync::Arc;

use async_nats::client::RequestErrorKind;
use async_nats::{Client, HeaderMap, Message, Request};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tidings_core::BrokerError;
use tokio::time::{Instant, timeout_at};

use super::NatsConfig;
use super::epoch::epoch;
use super::events::{Events, denied};
use super::fault::{Fault, answer};
use super::link::Link;
use crate::address::{Address, BrokerKind};
use crate::fault::away;
use crate::seen::Witness;

/// What all that this node does with the stream has in common.
#[derive(Debug)]
pub(super) struct Connection {
    link: Arc<Link>,
    pub(super) config: NatsConfig,
    /// For errors: which broker, and where.
    pub(super) broker: String,
    pub(super) witness: Witness,
}

impl Connection {
    /// Connects to whichever server answers.
    pub(super) async fn open(config: NatsConfig) -> Result<Self, BrokerError> {
        let name = Address::name(BrokerKind::Nats, &config.servers);
        let broker = format!("{name}, stream {}", config.stream);
        let until = Instant::now() + config.request_deadline;
        let events = Events::new(broker.clone(), config.stream.clone());
        let link = Link::open(config.clone(), events, until).await;
        let link = Arc::new(link.map_err(|fault| fault.named(&broker))?);
        let witness = Witness::new(epoch("", ""));
        Ok(Self { link, config, broker, witness })
    }

    /// The client, connected or not.
    pub(super) fn client(&self) -> Client {
        self.link.client()
    }

    /// A client that is connected, as far as it knows.
    pub(super) async fn up(&self, until: Instant) -> Result<Client, Fault> {
        self.link.up(until).await
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
        answer(&self.request(&client, subject, None, body, until).await?)
    }

    /// The fault in this broker's name.
    pub(super) fn error(&self, fault: Fault) -> BrokerError {
        fault.named(&self.broker)
    }

    /// Sends one request over a connection that is up, and waits for the answer, or for the server to say that
    /// this is not permitted.
    pub(super) async fn request(
        &self,
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
        let denials = self.link.events.denials();
        let asked = timeout_at(until, client.send_request(subject.clone(), request));
        let answer = tokio::select! {
            answer = asked => answer,
            denial = denied(denials, &subject) => return Err(Fault::Refused(denial.to_string())),
        };
        match answer {
            Ok(Ok(message)) => Ok(message),
            Ok(Err(error)) if error.kind() == RequestErrorKind::NoResponders => Err(Fault::Silence(
                "JetStream does not answer: is it enabled (nats-server -js), and has it a leader?"
                    .into(),
            )),
            Ok(Err(error)) => Err(Fault::Silence(error.to_string())),
            Err(_) => Err(Fault::Silence("no answer in time".into())),
        }
    }

    pub(super) fn away(&self, problem: impl Into<String>) -> BrokerError {
        away(&self.broker, problem)
    }
}
