//! JetStream: a stored stream, and an ordered consumer for each client.

use async_nats::jetstream::consumer::push::OrderedConfig;
use async_nats::jetstream::consumer::{Consumer, DeliverPolicy};
use async_nats::jetstream::stream::Config;
use async_nats::jetstream::{self, Context};
use async_stream::stream;
use bytes::Bytes;
use futures::StreamExt;
use futures::future::BoxFuture;
use tidings_core::{Epoch, Kind, Position};
use tidings_transport::client::{Arrivals, Client, ClientError, Connecting, Publish, Target};

use super::KEPT;
use super::nats::{broken, connect, received};

/// The stream for all subjects of this kind.
const STREAM: &str = "direct";

/// The number of a stream's history is not on the wire, so all ids are of one.
const HISTORY: Epoch = Epoch::from_number(0);

/// An ordered consumer: every message from a position on, in order, whatever the connection goes through.
/// Ids have the stream's own sequence numbers.
#[derive(Clone, Copy, Debug, Default)]
pub struct JetStreamClient;

/// A publish that is answered once the stream has stored it. It makes the stream where there is none.
#[derive(Debug)]
pub struct JetStreamPublisher {
    context: Context,
    subject: String,
}

impl Client for JetStreamClient {
    fn transport(&self) -> &'static str {
        "message-queue (JetStream)"
    }

    fn connect(&self, target: Target) -> BoxFuture<'static, Result<Arrivals, ClientError>> {
        Box::pin(async move {
            let (client, subject, mut counted) = connect(&target).await?;
            let config = OrderedConfig {
                deliver_subject: client.new_inbox(),
                filter_subject: subject,
                deliver_policy: deliver(target.position),
                ..OrderedConfig::default()
            };
            // It stands with the answer: what is stored from now on waits for the inbox to be listened at.
            let context = jetstream::new(client);
            let consumer = context.create_consumer_on_stream(config, STREAM);
            let consumer: Consumer<OrderedConfig> = consumer.await.map_err(broken)?;
            let mut messages = consumer.messages().await.map_err(broken)?;
            counted.count();
            let arrivals = stream! {
                while let Some(message) = messages.next().await {
                    counted.count();
                    let message = match message {
                        Ok(message) => message,
                        Err(error) => { yield Err(broken(error)); return }
                    };
                    let id = message.info().ok().map(|info| HISTORY.id(info.stream_sequence));
                    yield Ok(received(id, message.message.payload));
                }
            };
            Ok(arrivals.boxed())
        })
    }
}

impl JetStreamPublisher {
    /// Connects it.
    pub fn boxed(target: Target) -> Connecting {
        Box::pin(async move {
            let (client, subject, _) = connect(&target).await?;
            let context = jetstream::new(client);
            let config = Config {
                name: STREAM.to_owned(),
                subjects: vec![format!("{STREAM}.>")],
                max_messages: KEPT.into(),
                ..Config::default()
            };
            context.get_or_create_stream(config).await.map_err(broken)?;
            Ok(Box::new(Self { context, subject }) as Box<dyn Publish>)
        })
    }
}

impl Publish for JetStreamPublisher {
    fn publish(&mut self, _: Kind, payload: Bytes) -> BoxFuture<'_, Result<(), ClientError>> {
        Box::pin(async move {
            let stored = self.context.publish(self.subject.clone(), payload).await;
            stored.map_err(broken)?.await.map(|_| ()).map_err(broken)
        })
    }
}

fn deliver(position: Position) -> DeliverPolicy {
    match position {
        Position::Live => DeliverPolicy::New,
        Position::Earliest => DeliverPolicy::All,
        Position::After(id) => {
            DeliverPolicy::ByStartSequence { start_sequence: id.seq.saturating_add(1) }
        }
    }
}
