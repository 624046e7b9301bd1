//! The engines that hubs of the tests share, started with the first test that needs one and ended with the
//! last.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tidings_core::{Hub, HubConfig};
use tidings_message_queue::{EngineConfig, Keep, connect};
use tidings_testkit::{LocalConfig, LocalNats, LocalRedis};
use tokio::runtime::{Builder, Runtime};
use url::Url;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    Nats,
    Redis,
}

/// Both engines. They end when the last test lets go of them.
pub(crate) struct Engines {
    nats: LocalNats,
    redis: LocalRedis,
    /// Outlives the runtimes of the tests.
    _runtime: Runtime,
}

static STARTED: Mutex<Weak<Engines>> = Mutex::new(Weak::new());

impl Engines {
    pub(crate) fn started() -> Arc<Self> {
        let mut started = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(engines) = started.upgrade() {
            return engines;
        }
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (nats, redis) = runtime.block_on(async {
            let config = LocalConfig { flush_each_write: false, ..LocalConfig::default() };
            let nats = LocalNats::start(config.clone()).await.unwrap();
            (nats, LocalRedis::start(config).await.unwrap())
        });
        let engines = Arc::new(Self { nats, redis, _runtime: runtime });
        *started = Arc::downgrade(&engines);
        engines
    }
}

impl Engine {
    /// A hub over a stream of its own.
    pub(crate) async fn hub(self, config: HubConfig) -> Hub {
        static STREAMS: AtomicUsize = AtomicUsize::new(0);
        let name = format!("stream-{}", STREAMS.fetch_add(1, Ordering::Relaxed));
        self.hub_on(&name, config).await
    }

    /// A hub over this stream, which keeps what the configuration would have the hub keep.
    pub(crate) async fn hub_on(self, stream: &str, config: HubConfig) -> Hub {
        let messages = Some(config.retention.entries as u64);
        hub_at(&self.url(), stream, messages, config).await
    }

    /// Where the one that all tests share is.
    pub(crate) fn url(self) -> Url {
        let engines = STARTED.lock().unwrap_or_else(PoisonError::into_inner).upgrade();
        let engines = engines.expect("the test has started them");
        match self {
            Self::Nats => engines.nats.url(),
            Self::Redis => engines.redis.url(),
        }
    }
}

/// A hub over this stream of the engine that is there, which keeps so many messages.
pub(crate) async fn hub_at(
    engine: &Url,
    stream: &str,
    messages: Option<u64>,
    config: HubConfig,
) -> Hub {
    let keep = Keep { messages, age: None, bytes: None };
    let url = format!("{}?stream={stream}", engine.as_str().trim_end_matches('/'));
    let broker = connect(&url, EngineConfig { keep, ..EngineConfig::default() }).await.unwrap();
    Hub::connect(broker, config).await.unwrap()
}
