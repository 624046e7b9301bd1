//! What a hub's server allows, and how long it waits.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use tidings_core::{Hub, SlowPolicy, Topic};
use tidings_transport::{Refusal, Transport};
use tidings_websocket::Origins;

use crate::transports;

/// The configuration of [`run`](crate::run). Public fields with sound defaults.
///
/// ```
/// use std::time::Duration;
/// use tidings_core::Hub;
/// use tidings_hub::Config;
///
/// let mut config = Config::new(Hub::default());
/// config.write_deadline = Duration::from_secs(10);
/// ```
#[derive(Clone, Debug)]
pub struct Config {
    /// The stream that is served.
    pub hub: Hub,
    /// The transports, in the order in which a request is offered to them. Default: all.
    pub transports: Vec<Arc<dyn Transport>>,
    /// Who may do what. Default: everyone everything.
    pub access: Access,
    /// From which web pages a notification may be published, and which may read streams and polls. Default:
    /// those of the same host. For WebSockets their own transport has the same policy.
    pub origins: Origins,
    /// What becomes of clients that are too slow. Default: they are told the gap.
    pub slow: SlowPolicy,
    /// Whether WebSocket clients get back what they sent themselves. Default true.
    pub echo: bool,
    /// How long a client may take nothing of what is written to it. Default 30 s. A reader that silently
    /// stalls is found by this, on every transport.
    pub write_deadline: Duration,
    /// How long the head of a request may take, and how long a connection may idle between two requests.
    /// Default 30 s.
    pub head_deadline: Duration,
    /// How long the body of a publish may take. Default 30 s.
    pub body_deadline: Duration,
    /// The largest head of a request, in bytes, at least 8,192. Default 16 KiB.
    pub max_head: usize,
    /// The most connections, clients of every transport and publishers together. Default 100,000. One
    /// more is answered `503` and closed.
    pub max_connections: usize,
    /// Over how long the goodbyes are spread when the hub shuts down, so that not all clients come back
    /// somewhere else in the same moment. Default 1 s.
    pub drain: Duration,
    /// How many threads serve, each with a lane of its own. Default: one a core.
    pub workers: NonZeroUsize,
    /// Whether a lane sends what a pass has for its clients by io_uring, many sends in one system call. Where
    /// the kernel has none or refuses it, and with `false`, it is one call each. Default true.
    pub io_uring: bool,
    /// Whether `/` is a page that shows every transport side by side. Default true; with `false` it is some
    /// lines of text, and the rest of the hub is as it was.
    pub live_page: bool,
    /// A topic where something is always going on, which the live page then follows; it is told at
    /// `/transports`. Default: none.
    pub demo: Option<Topic>,
    /// Serve through the stream adapters, as a mounted transport is, and not through lanes. For
    /// comparing the two. Default false.
    pub general_path: bool,
}

/// What a request wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send notifications.
    Publish,
    /// Follow notifications.
    Subscribe,
}

/// Who may do what.
#[derive(Clone)]
pub struct Access(Arc<Check>);

type Check = dyn Fn(&Parts, Action) -> Result<(), Refusal> + Send + Sync;

impl Config {
    /// The defaults, for this hub.
    pub fn new(hub: Hub) -> Self {
        let listed = transports(hub.heartbeat(), Origins::default());
        Self {
            hub,
            transports: listed.into_iter().map(|listed| listed.server).collect(),
            access: Access::default(),
            origins: Origins::default(),
            slow: SlowPolicy::default(),
            echo: true,
            write_deadline: Duration::from_secs(30),
            head_deadline: Duration::from_secs(30),
            body_deadline: Duration::from_secs(30),
            max_head: 16 << 10,
            max_connections: 100_000,
            drain: Duration::from_secs(1),
            workers: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            io_uring: true,
            live_page: true,
            demo: None,
            general_path: false,
        }
    }
}

impl Access {
    /// Decided by this function; it refuses with `401` or `403`.
    pub fn new(
        check: impl Fn(&Parts, Action) -> Result<(), Refusal> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(check))
    }

    pub(crate) fn check(&self, request: &Parts, action: Action) -> Result<(), Refusal> {
        (self.0)(request, action)
    }
}

impl Default for Access {
    fn default() -> Self {
        Self::new(|_, _| Ok(()))
    }
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Access")
    }
}
