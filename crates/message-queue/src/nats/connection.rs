//! One connection to a cluster, and requests over it.

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

/// The state that the publishes, the tail and the replays of this hub share.
#[derive(Debug)]
pub(super) struct Connection {
    link: Arc<Link>,
    pub(super) config: NatsConfig,
    /// The kind of broker, its servers and the stream, for errors and logs.
    pub(super) broker: String,
    pub(super) witness: Witness,
}

impl Connection {
    /// Connects to the first server that responds.
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

    /// The client may not be connected.
    pub(super) fn client(&self) -> Client {
        self.link.client()
    }

    /// A client whose state is connected. Reconnects until `until` if there is none.
    pub(super) async fn up(&self, until: Instant) -> Result<Client, Fault> {
        self.link.up(until).await
    }

    /// Sends a request to the API of JetStream, within the request deadline.
    pub(super) async fn request<T: DeserializeOwned>(
        &self,
        verb: &str,
        name: &str,
        request: &Value,
    ) -> Result<T, Fault> {
        let until = Instant::now() + self.config.request_deadline;
        let client = self.up(until).await?;
        let body = if request.is_null() { Bytes::new() } else { request.to_string().into() };
        let subject = format!("$JS.API.{verb}.{name}");
        answer(&self.send_request(&client, subject, None, body, until).await?)
    }

    pub(super) fn error(&self, fault: Fault) -> BrokerError {
        fault.named(&self.broker)
    }

    /// Sends one request over a connection that is up, and waits until `until` for the response. Fails earlier if the
    /// server reports that the request is not permitted.
    pub(super) async fn send_request(
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
        let requested = timeout_at(until, client.send_request(subject.clone(), request));
        let answer = tokio::select! {
            answer = requested => answer,
            denial = denied(denials, &subject) => return Err(Fault::Rejected(denial.to_string())),
        };
        match answer {
            Ok(Ok(message)) => Ok(message),
            Ok(Err(error)) if error.kind() == RequestErrorKind::NoResponders => Err(Fault::NoResponse(
                "JetStream does not respond: check that it is enabled (nats-server -js) and has a leader"
                    .into(),
            )),
            Ok(Err(error)) => Err(Fault::NoResponse(error.to_string())),
            Err(_) => Err(Fault::NoResponse("no response in time".into())),
        }
    }

    pub(super) fn away(&self, problem: impl Into<String>) -> BrokerError {
        away(&self.broker, problem)
    }
}
