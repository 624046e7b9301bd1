//! The brokers that the tests of one program share. They are started by the first test that needs them, and ended after
//! the last one.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tidings_core::{Hub, HubConfig};
use tidings_message_queue::{BrokerConfig, Keep, connect};
use tidings_testkit::{LocalConfig, LocalNats, LocalRedis};
use tokio::runtime::{Builder, Runtime};
use url::Url;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broker {
    Nats,
    Redis,
}

/// Both brokers. They end when the last test drops its handle.
pub(crate) struct Brokers {
    nats: LocalNats,
    redis: LocalRedis,
    /// Lives longer than the runtimes of the tests.
    _runtime: Runtime,
}

static STARTED: Mutex<Weak<Brokers>> = Mutex::new(Weak::new());

impl Brokers {
    /// Starts the brokers if they do not run.
    pub(crate) fn started() -> Arc<Self> {
        let mut started = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(brokers) = started.upgrade() {
            return brokers;
        }
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (nats, redis) = runtime.block_on(async {
            let config = LocalConfig { flush_each_write: false, ..LocalConfig::default() };
            let nats = LocalNats::start(config.clone()).await.unwrap();
            (nats, LocalRedis::start(config).await.unwrap())
        });
        let brokers = Arc::new(Self { nats, redis, _runtime: runtime });
        *started = Arc::downgrade(&brokers);
        brokers
    }
}

impl Broker {
    /// A hub over a new stream.
    pub(crate) async fn hub(self, config: HubConfig) -> Hub {
        static STREAMS: AtomicUsize = AtomicUsize::new(0);
        let name = format!("stream-{}", STREAMS.fetch_add(1, Ordering::Relaxed));
        self.hub_on(&name, config).await
    }

    /// A hub over this stream, which keeps as many messages as the hub retains.
    pub(crate) async fn hub_on(self, stream: &str, config: HubConfig) -> Hub {
        let messages = Some(config.retention.entries as u64);
        hub_at(&self.url(), stream, messages, config).await
    }

    pub(crate) fn url(self) -> Url {
        let brokers = STARTED.lock().unwrap_or_else(PoisonError::into_inner).upgrade();
        let brokers = brokers.expect("the test has started them");
        match self {
            Self::Nats => brokers.nats.url(),
            Self::Redis => brokers.redis.url(),
        }
    }
}

/// A hub over this stream of a broker. A new stream keeps this number of messages.
pub(crate) async fn hub_at(
    broker: &Url,
    stream: &str,
    messages: Option<u64>,
    config: HubConfig,
) -> Hub {
    let keep = Keep::default().messages(messages).age(None).bytes(None);
    let url = format!("{}?stream={stream}", broker.as_str().trim_end_matches('/'));
    let broker = connect(&url, BrokerConfig::default().keep(keep)).await.unwrap();
    Hub::connect(broker, config).await.unwrap()
}
