//! A consumer that requests batches of messages.
//!
//! The library's ordered consumer is recreated after the last message that it received. On a stream that was deleted
//! and created again, it would wait there for ever. This consumer is not recreated: it ends with an error.

use std::time::Duration;

use async_nats::{Client, Message, StatusCode, Subscriber};
use bytes::Bytes;
use futures::StreamExt;
use serde_json::{Value, json};
use tidings_core::BrokerError;
use tokio::time::timeout;

use super::api::ConsumerInfo;
use super::connection::Connection;
use super::fault::Fault;
use super::link::is_up;
use super::message::Place;

/// The interval of the heartbeats of an idle server.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// The consumer has ended if nothing comes for this long, which is more than two heartbeats.
const SILENCE: Duration = Duration::from_millis(2500);
/// How long one request for a batch waits.
const EXPIRES: Duration = Duration::from_secs(30);
/// The server removes a consumer without requests after this time: one of a tail, and one of a replay.
const REMOVED_AFTER: Duration = Duration::from_secs(30);
const REMOVED_SOON: Duration = Duration::from_secs(5);
/// The greatest size of a batch, unless one message may be larger: for a tail, and for a replay, which shares the
/// connection with others.
const BATCH_BYTES: usize = 16 << 20;
const FEW_BYTES: usize = 1 << 20;

/// A consumer that requests batches of messages.
#[derive(Debug)]
pub(super) struct Pull {
    /// The client that created the consumer. The consumer ends with its connection.
    client: Client,
    inbox: Subscriber,
    inbox_name: String,
    subject: String,
    consumer: String,
    /// The number of messages of one request.
    batch: u64,
    /// The number of requested messages that have not come yet.
    due: u64,
    /// The number of the last message that the server has sent.
    sent: u64,
    /// The number of matching messages when the consumer was created.
    pub(super) pending: u64,
}

/// What a consumer is for.
pub(super) enum Want {
    /// A tail: what is stored now, and then what comes.
    Everything,
    /// A replay: only what is stored now.
    WhatIsThere,
}

impl Pull {
    /// Creates a consumer of the messages after a sequence number. The subjects must be disjoint. Without a subject the
    /// consumer receives all messages.
    pub(super) async fn open(
        connection: &Connection,
        after: u64,
        subjects: &[String],
        batch: u64,
        want: &Want,
    ) -> Result<Self, Fault> {
        let removed_after = match want {
            Want::Everything => REMOVED_AFTER,
            Want::WhatIsThere => REMOVED_SOON,
        };
        let stream = &connection.config.stream;
        let nanos = |span: Duration| u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        let mut config = json!({
            "deliver_policy": "by_start_sequence",
            "opt_start_seq": after + 1,
            "ack_policy": "none",
            "replay_policy": "instant",
            "mem_storage": true,
            "num_replicas": 1,
            "max_deliver": -1,
            "inactive_threshold": nanos(removed_after),
        });
        match subjects {
            [] => {}
            [only] => config["filter_subject"] = only.as_str().into(),
            several => config["filter_subjects"] = several.into(),
        }
        let request: Value = json!({ "stream_name": stream, "config": config });
        let made: ConsumerInfo = connection.request("CONSUMER.CREATE", stream, &request).await?;
        let client = connection.client();
        let inbox_name = client.new_inbox();
        let inbox = client.subscribe(inbox_name.clone()).await;
        let inbox = inbox.map_err(|error| Fault::NoResponse(error.to_string()))?;
        Ok(Self {
            client,
            inbox,
            inbox_name,
            subject: format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{}", made.name),
            consumer: made.name,
            batch,
            due: 0,
            sent: 0,
            pending: made.num_pending,
        })
    }

    /// The next message, or `None` if the consumer of a replay has none left. Cancel safe.
    pub(super) async fn next(
        &mut self,
        connection: &Connection,
        want: &Want,
    ) -> Result<Option<(Place, Message)>, BrokerError> {
        loop {
            // Requested early, so that the server always has a request.
            if self.due <= self.batch / 2 {
                self.request_batch(connection, want).await?;
            }
            let Ok(message) = timeout(SILENCE, self.inbox.next()).await else {
                return Err(connection.away("no heartbeat from its consumer"));
            };
            let Some(message) = message else {
                return Err(connection.away("the connection was closed"));
            };
            if let Some(status) = message.status {
                match (status, want) {
                    (StatusCode::IDLE_HEARTBEAT, _) => {}
                    (StatusCode::NOT_FOUND, Want::WhatIsThere) => return Ok(None),
                    _ if is_end_of_request(&message) => self.settle(&message),
                    _ => {
                        let words = message.description.as_deref().unwrap_or("no reason given");
                        return Err(connection.away(format!("its consumer ended: {words}")));
                    }
                }
                continue;
            }
            let place = message.reply.as_ref().and_then(|reply| Place::parse(reply));
            let Some(place) = place else {
                // Any client may write to an inbox.
                continue;
            };
            if place.sent != self.sent + 1 {
                return Err(connection.away("a message of its consumer was lost"));
            }
            self.sent = place.sent;
            self.due = self.due.saturating_sub(1);
            return Ok(Some((place, message)));
        }
    }

    /// Removes the consumer on the server, without waiting for the response.
    pub(super) async fn close(self, connection: &Connection) {
        let subject =
            format!("$JS.API.CONSUMER.DELETE.{}.{}", connection.config.stream, self.consumer);
        if is_up(&self.client) {
            let _ = self.client.publish(subject, Bytes::new()).await;
        }
    }

    async fn request_batch(
        &mut self,
        connection: &Connection,
        want: &Want,
    ) -> Result<(), BrokerError> {
        let bytes = match want {
            Want::Everything => BATCH_BYTES,
            Want::WhatIsThere => FEW_BYTES,
        };
        let most = self.client.max_payload().saturating_add(64 << 10).max(bytes);
        let mut request = json!({ "batch": self.batch, "max_bytes": most });
        match want {
            Want::Everything => {
                request["expires"] = (EXPIRES.as_nanos() as u64).into();
                request["idle_heartbeat"] = (HEARTBEAT.as_nanos() as u64).into();
            }
            Want::WhatIsThere => request["no_wait"] = true.into(),
        }
        if !is_up(&self.client) {
            return Err(connection.away("not connected"));
        }
        let (subject, inbox) = (self.subject.clone(), self.inbox_name.clone());
        let body = Bytes::from(request.to_string());
        let sent = self.client.publish_with_reply(subject, inbox, body).await;
        sent.map_err(|error| connection.away(error.to_string()))?;
        self.due += self.batch;
        Ok(())
    }

    /// Handles the end of a request, whose header contains the number of messages that were not sent.
    fn settle(&mut self, message: &Message) {
        let headers = message.headers.as_ref();
        let left = headers.and_then(|headers| headers.get("Nats-Pending-Messages"));
        let left = left.and_then(|left| left.as_str().parse().ok());
        self.due = left.map_or(0, |left| self.due.saturating_sub(left));
    }
}

/// Returns `true` if a request expired or its batch was full. The consumer itself goes on.
fn is_end_of_request(message: &Message) -> bool {
    let words = message.description.as_deref().unwrap_or_default();
    let is_full = words.contains("MaxBytes") || words.contains("Batch Completed");
    match message.status {
        Some(StatusCode::TIMEOUT | StatusCode::NOT_FOUND) => true,
        Some(StatusCode::REQUEST_TERMINATED) => is_full,
        _ => false,
    }
}
