//! Publishes to the stream. A publish is retried until it is acknowledged, and never stored twice.

use std::time::Duration;

use async_nats::{HeaderMap, header};
use tidings_core::{BrokerError, Id, IdempotencyKey, Kind, Notification};
use tokio::time::{Instant, sleep};

use super::api::PubAck;
use super::connection::Connection;
use super::fault::{Fault, answer};
use super::message::{BINARY, CONTENT_TYPE, KIND, SEAT, name};
use crate::fault::rejected;
use crate::key::random_key;

/// A message without a response is sent again after this time. The key ensures that it is stored once.
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(1500);
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(400);

impl Connection {
    pub(super) async fn publish(
        &self,
        notification: &Notification,
        key: Option<IdempotencyKey>,
        max_payload: usize,
    ) -> Result<Id, BrokerError> {
        let size = notification.payload().len();
        if size > max_payload {
            let problem =
                format!("a payload of {size} bytes is too large: the limit is {max_payload}");
            return Err(rejected(&self.broker, problem));
        }
        let until = Instant::now() + self.config.retry_for;
        let subject = format!("{}.{}", self.config.stream, notification.topic());
        let headers = self.headers(notification, key.as_ref());
        // Read before the message is sent, so the sequence number of the message must be greater.
        let before = self.witness.seen();
        let ack = self.store(&subject, &headers, notification, until).await?;

        let seen = self.witness.seen();
        let is_of_another_history = !ack.duplicate && ack.seq <= before.head;
        let epoch = if is_of_another_history && seen.epoch == before.epoch {
            self.look().await?.epoch
        } else {
            seen.epoch
        };
        let id = epoch.id(ack.seq);
        self.witness.saw(id);
        Ok(id)
    }

    /// Sends the message until it is acknowledged, within the deadline.
    async fn store(
        &self,
        subject: &str,
        headers: &HeaderMap,
        notification: &Notification,
        until: Instant,
    ) -> Result<PubAck, BrokerError> {
        let mut pause = FIRST_PAUSE;
        loop {
            let problem = match self.store_once(subject, headers, notification, until).await {
                Ok(ack) => return Ok(ack),
                Err(Fault::Api(error)) if error.is_passing() => error.to_string(),
                Err(Fault::NoResponse(problem)) => problem,
                Err(fault @ (Fault::Api(_) | Fault::Rejected(_))) => return Err(self.error(fault)),
            };
            if Instant::now() + pause >= until {
                return Err(self.away(problem));
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
            // There is also no response if the stream was deleted. This creates it again.
            if let Ok(Err(rejection @ BrokerError::Rejected { .. })) =
                tokio::time::timeout_at(until, self.stream()).await
            {
                return Err(rejection);
            }
        }
    }

    async fn store_once(
        &self,
        subject: &str,
        headers: &HeaderMap,
        notification: &Notification,
        until: Instant,
    ) -> Result<PubAck, Fault> {
        let client = self.up(until).await?;
        let until = until.min(Instant::now() + TRY_AGAIN_AFTER);
        let payload = notification.payload().clone();
        let message = self
            .send_request(&client, subject.to_owned(), Some(headers.clone()), payload, until)
            .await?;
        answer(&message)
    }

    fn headers(&self, notification: &Notification, key: Option<&IdempotencyKey>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let key = key.map_or_else(random_key, |key| key.as_str().to_owned());
        headers.insert(header::NATS_MESSAGE_ID, key.as_str());
        headers.insert(header::NATS_EXPECTED_STREAM, self.config.stream.as_str());
        if notification.kind() == Kind::Binary {
            headers.insert(CONTENT_TYPE, BINARY);
        }
        if let Some(seat) = notification.origin() {
            headers.insert(SEAT, seat.number().to_string());
        }
        let Some(own) = notification.headers() else { return headers };
        for (header, text) in own.iter() {
            headers.insert(name(header), &*text);
        }
        if own.content_type().is_some() {
            let kind = match notification.kind() {
                Kind::Text => "text",
                Kind::Binary => "binary",
            };
            headers.insert(KIND, kind);
        }
        headers
    }
}
