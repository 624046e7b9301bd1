//! Core NATS: a subscription, and nothing kept.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use async_nats::{Client, ConnectOptions, Statistics};
use async_stream::stream;
use bytes::Bytes;
use futures::StreamExt;
use futures::future::BoxFuture;
use tidings_core::Kind;
use tidings_transport::client::{
    self, Arrival, Arrivals, ClientError, Connecting, Meter, Publish, Received, Target,
};

use super::parts;

/// A plain subscription. It has no history to read from, whatever position is asked for, and what arrives
/// has no id.
#[derive(Clone, Copy, Debug, Default)]
pub struct NatsClient;

/// A plain publish, which the server does not answer: it is done once it is on its way.
#[derive(Debug)]
pub struct NatsPublisher {
    client: Client,
    subject: String,
}

/// What a connection has cost so far, passed on to a [`Meter`]: the crate counts at its socket.
#[derive(Debug)]
pub(super) struct Counted {
    statistics: Arc<Statistics>,
    meter: Arc<Meter>,
    received: u64,
    sent: u64,
}

impl client::Client for NatsClient {
    fn transport(&self) -> &'static str {
        "message-queue (NATS)"
    }

    fn connect(&self, target: Target) -> BoxFuture<'static, Result<Arrivals, ClientError>> {
        Box::pin(async move {
            let (client, subject, mut counted) = connect(&target).await?;
            let mut messages = client.subscribe(subject).await.map_err(broken)?;
            stands(&client).await?;
            counted.count();
            let arrivals = stream! {
                while let Some(message) = messages.next().await {
                    counted.count();
                    if counted.was_connected_anew() {
                        yield Err(broken("it was made anew, and what came meanwhile is lost"));
                        return;
                    }
                    yield Ok(received(None, message.payload));
                }
            };
            Ok(arrivals.boxed())
        })
    }
}

impl NatsPublisher {
    /// Connects it.
    pub fn boxed(target: Target) -> Connecting {
        Box::pin(async move {
            let (client, subject, _) = connect(&target).await?;
            Ok(Box::new(Self { client, subject }) as Box<dyn Publish>)
        })
    }
}

impl Publish for NatsPublisher {
    fn publish(&mut self, _: Kind, payload: Bytes) -> BoxFuture<'_, Result<(), ClientError>> {
        Box::pin(async move {
            self.client.publish(self.subject.clone(), payload).await.map_err(broken)?;
            self.client.flush().await.map_err(broken)
        })
    }
}

/// One connection, its subject, and its counter.
pub(super) async fn connect(target: &Target) -> Result<(Client, String, Counted), ClientError> {
    let (server, subject) = parts(&target.url, '.')?;
    // A connection that is lost must not be replaced silently for long.
    let mut options = ConnectOptions::new().max_reconnects(1);
    if let Some(ip) = target.local {
        options = options.local_address(SocketAddr::new(ip, 0));
    }
    let client = options.connect(&server).await.map_err(|error| ClientError::Connect {
        address: server,
        source: std::io::Error::other(error),
    })?;
    let (statistics, meter) = (client.statistics(), target.meter.clone());
    meter.requests.fetch_add(1, Relaxed);
    Ok((client, subject, Counted { statistics, meter, received: 0, sent: 0 }))
}

pub(super) fn received(id: Option<tidings_core::Id>, payload: Bytes) -> Arrival {
    // The engine knows bytes only.
    Arrival::Notification(Received { id, topic: None, kind: Kind::Binary, payload })
}

pub(super) fn broken(problem: impl std::fmt::Display) -> ClientError {
    ClientError::Broken(problem.to_string())
}

/// Resolves once the server has dealt with everything that this connection has asked so far: it takes one
/// thing after the other, so a message to oneself comes back behind all of it. (Its own `flush` only
/// waits for the socket.)
async fn stands(client: &Client) -> Result<(), ClientError> {
    let inbox = client.new_inbox();
    let mut back = client.subscribe(inbox.clone()).await.map_err(broken)?;
    back.unsubscribe_after(1).await.map_err(broken)?;
    client.publish(inbox, Bytes::new()).await.map_err(broken)?;
    back.next().await.map(|_| ()).ok_or_else(|| broken("it ended before the subscription stood"))
}

impl Counted {
    /// Passes on what has been added since.
    pub(super) fn count(&mut self) {
        let (received, sent) =
            (self.statistics.in_bytes.load(Relaxed), self.statistics.out_bytes.load(Relaxed));
        self.meter.received.fetch_add(received - self.received, Relaxed);
        self.meter.sent.fetch_add(sent - self.sent, Relaxed);
        (self.received, self.sent) = (received, sent);
    }

    fn was_connected_anew(&self) -> bool {
        self.statistics.connects.load(Relaxed) > 1
    }
}
