//! A consumer of our own that is asked for batches.
//!
//! The library's ordered consumer makes itself anew behind the last message it has. On a stream that was
//! deleted and made again it would wait there for ever, so this one ends with an error and makes nothing.

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

/// How often an idle server says that it is there.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// Silence for so long is an end: more than two heartbeats.
const SILENCE: Duration = Duration::from_millis(2500);
/// How long one request for a batch waits.
const EXPIRES: Duration = Duration::from_secs(30);
/// A consumer that nobody asks is removed by the server after this: of who reads on and on, of who reads once.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(30);
const FORGOTTEN_SOON: Duration = Duration::from_secs(5);
/// No batch is of more bytes than this, or than one message may be: of who reads on and on, of who reads once
/// and shares the connection.
const BATCH_BYTES: usize = 16 << 20;
const FEW_BYTES: usize = 1 << 20;

/// A consumer that is asked for batches.
#[derive(Debug)]
pub(super) struct Pull {
    /// The one it was made with: it ends with that one's connection.
    client: Client,
    inbox: Subscriber,
    inbox_name: String,
    subject: String,
    consumer: String,
    /// How many messages one request is for.
    batch: u64,
    /// How many the server may still send.
    due: u64,
    /// The number of the last one that it sent.
    sent: u64,
    /// How many lay before it when it was made.
    pub(super) pending: u64,
}

/// What a consumer is for.
pub(super) enum Want {
    /// Batch after batch, and waiting for more.
    Everything,
    /// Only what is there.
    WhatIsThere,
}

impl Pull {
    /// Makes a consumer for what follows the sequence number, on subjects that are disjoint; on all where
    /// there are none.
    pub(super) async fn open(
        connection: &Connection,
        after: u64,
        subjects: &[String],
        batch: u64,
        want: &Want,
    ) -> Result<Self, Fault> {
        let forgotten = match want {
            Want::Everything => FORGOTTEN_AFTER,
            Want::WhatIsThere => FORGOTTEN_SOON,
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
            "inactive_threshold": nanos(forgotten),
        });
        match subjects {
            [] => {}
            [only] => config["filter_subject"] = only.as_str().into(),
            several => config["filter_subjects"] = several.into(),
        }
        let question: Value = json!({ "stream_name": stream, "config": config });
        let made: ConsumerInfo = connection.ask("CONSUMER.CREATE", stream, &question).await?;
        let client = connection.client();
        let inbox_name = client.new_inbox();
        let inbox = client.subscribe(inbox_name.clone()).await;
        let inbox = inbox.map_err(|error| Fault::Silence(error.to_string()))?;
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

    /// The next message; `None` where nothing is left and only that was wanted. Cancel safe.
    pub(super) async fn next(
        &mut self,
        connection: &Connection,
        want: &Want,
    ) -> Result<Option<(Place, Message)>, BrokerError> {
        loop {
            // Asked for in good time, so that the server need not wait for us.
            if self.due <= self.batch / 2 {
                self.ask(connection, want).await?;
            }
            let Ok(message) = timeout(SILENCE, self.inbox.next()).await else {
                return Err(connection.away("its consumer fell silent"));
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
                        let words = message.description.as_deref().unwrap_or("no reason is given");
                        return Err(connection.away(format!("its consumer ended: {words}")));
                    }
                }
                continue;
            }
            let place = message.reply.as_ref().and_then(|reply| Place::parse(reply));
            let Some(place) = place else {
                // Anybody may write to an inbox.
                continue;
            };
            if place.sent != self.sent + 1 {
                return Err(connection.away("a message was lost on its way"));
            }
            self.sent = place.sent;
            self.due = self.due.saturating_sub(1);
            return Ok(Some((place, message)));
        }
    }

    /// Has the consumer removed, without waiting for it.
    pub(super) async fn close(self, connection: &Connection) {
        let subject =
            format!("$JS.API.CONSUMER.DELETE.{}.{}", connection.config.stream, self.consumer);
        if is_up(&self.client) {
            let _ = self.client.publish(subject, Bytes::new()).await;
        }
    }

    async fn ask(&mut self, connection: &Connection, want: &Want) -> Result<(), BrokerError> {
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

    /// A request is over, with so many messages not sent.
    fn settle(&mut self, message: &Message) {
        let headers = message.headers.as_ref();
        let left = headers.and_then(|headers| headers.get("Nats-Pending-Messages"));
        let left = left.and_then(|left| left.as_str().parse().ok());
        self.due = left.map_or(0, |left| self.due.saturating_sub(left));
    }
}

/// It expired, or the batch was full in bytes; the consumer is well.
fn is_end_of_request(message: &Message) -> bool {
    let words = message.description.as_deref().unwrap_or_default();
    let is_full = words.contains("MaxBytes") || words.contains("Batch Completed");
    match message.status {
        Some(StatusCode::TIMEOUT | StatusCode::NOT_FOUND) => true,
        Some(StatusCode::REQUEST_TERMINATED) => is_full,
        _ => false,
    }
}
