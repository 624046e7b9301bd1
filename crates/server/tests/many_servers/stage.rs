//! A stream of a real broker that several servers share, with what an operator may do to it.

use std::sync::atomic::{AtomicUsize, Ordering};

use tidings_core::HubConfig;
use tidings_testkit::{LocalConfig, LocalNats, LocalRedis};
use url::Url;

use crate::support::{Broker, Mover, Running, hub_at};

/// A stream of a broker.
pub(super) struct Shared {
    broker: Broker,
    url: Url,
    name: String,
    /// The number of messages that the broker keeps.
    messages: Option<u64>,
}

/// A broker of one scenario, which may be stopped.
pub(super) enum Own {
    Nats(LocalNats),
    Redis(LocalRedis),
}

impl Shared {
    /// A new stream of the broker that all tests share.
    pub(super) fn new(broker: Broker, messages: Option<u64>) -> Self {
        Self::at(broker, broker.url(), messages)
    }

    fn at(broker: Broker, url: Url, messages: Option<u64>) -> Self {
        static STREAMS: AtomicUsize = AtomicUsize::new(0);
        let name = format!("shared-{}", STREAMS.fetch_add(1, Ordering::Relaxed));
        Self { broker, url, name, messages }
    }

    /// Starts a server of this stream.
    pub(super) async fn running(&self, mover: Mover, config: HubConfig) -> Running {
        let hub = hub_at(&self.url, &self.name, self.messages, config).await;
        Running::start(mover.config_of(hub)).await
    }

    /// Removes the oldest messages up to this sequence number.
    pub(super) async fn purge(&self, upto: u64) {
        match self.broker {
            Broker::Nats => {
                let stream = self.jetstream().await.get_stream(&self.name).await.unwrap();
                stream.purge().sequence(upto + 1).await.unwrap();
            }
            Broker::Redis => {
                let mut trim = redis::cmd("XTRIM");
                trim.arg(self.key("log")).arg("MINID").arg(format!("{}-0", upto + 1));
                self.command(trim).await;
            }
        }
    }

    /// Deletes the stream.
    pub(super) async fn delete(&self) {
        match self.broker {
            Broker::Nats => {
                self.jetstream().await.delete_stream(&self.name).await.unwrap();
            }
            Broker::Redis => {
                let mut delete = redis::cmd("DEL");
                delete.arg(self.key("log")).arg(self.key("meta"));
                self.command(delete).await;
            }
        }
    }

    async fn jetstream(&self) -> async_nats::jetstream::Context {
        async_nats::jetstream::new(async_nats::connect(self.url.as_str()).await.unwrap())
    }

    fn key(&self, part: &str) -> String {
        format!("{{{}}}:{part}", self.name)
    }

    async fn command(&self, command: redis::Cmd) {
        let client = redis::Client::open(self.url.as_str()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let _: redis::Value = command.query_async(&mut connection).await.unwrap();
    }
}

impl Own {
    pub(super) async fn start(broker: Broker) -> Self {
        let config = LocalConfig::default();
        match broker {
            Broker::Nats => Self::Nats(LocalNats::start(config).await.unwrap()),
            Broker::Redis => Self::Redis(LocalRedis::start(config).await.unwrap()),
        }
    }

    pub(super) fn stream(&self) -> Shared {
        match self {
            Self::Nats(nats) => Shared::at(Broker::Nats, nats.url(), None),
            Self::Redis(redis) => Shared::at(Broker::Redis, redis.url(), None),
        }
    }

    pub(super) async fn stop(&mut self) {
        match self {
            Self::Nats(nats) => nats.stop().await.unwrap(),
            Self::Redis(redis) => redis.stop().await.unwrap(),
        }
    }

    pub(super) async fn start_again(&mut self) {
        match self {
            Self::Nats(nats) => nats.start_again().await.unwrap(),
            Self::Redis(redis) => redis.start_again().await.unwrap(),
        }
    }
}
