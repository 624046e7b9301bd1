//! What a hub's server allows, and how long it waits.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use tidings_core::{Filters, Hub, SlowPolicy, Topic};
use tidings_transport::{Hosts, Origins, Rejection, Transport};

use crate::transports;

/// The configuration of [`run`](crate::run). Public fields with sound defaults.
///
/// ```
/// use std::time::Duration;
/// use tidings_core::Hub;
/// use tidings_server::Config;
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
    /// Which web pages may connect, read and publish, on every transport. Default: those of the same host.
    pub origins: Origins,
    /// By which names the hub may be addressed. Default: by every name, except on a loopback listener. Health
    /// checks are answered for every host.
    pub hosts: Hosts,
    /// What becomes of clients that are too slow. Default: they are told the gap.
    pub slow: SlowPolicy,
    /// Whether WebSocket clients get back what they sent themselves. Default true.
    pub echo: bool,
    /// How long a client may take nothing of what is written to it. Default 30 s. A reader that silently
    /// stalls is found by this, on every transport.
    pub write_deadline: Duration,
    /// How long the head of a request may take, from its first byte on. Default 10 s.
    pub head_deadline: Duration,
    /// How long a connection may idle before its first request and between two. Default 75 s, which is longer than most proxies
    /// and clients keep an idle connection: they are to close it first. Each answer announces it as
    /// `Keep-Alive: timeout=SECONDS`.
    pub idle_timeout: Duration,
    /// How long the body of a request may take. Default 30 s.
    pub body_deadline: Duration,
    /// The largest head of a request, in bytes, at least 8,192. Default 16 KiB.
    pub max_head: usize,
    /// The most connections, clients of every transport and publishers together. Default 100,000. One
    /// more is answered `503` and closed.
    pub max_connections: usize,
    /// For how long the hub goes on serving after the shutdown signal, with `503` at `/readyz`, so that a
    /// balancer stops sending clients before the listener closes. Default 0.
    pub drain_delay: Duration,
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
    /// comparing the two. Default false. On other systems than Linux there are no lanes, and it is always so.
    pub general_path: bool,
}

/// What a request wants to do, as the hub understands it. Decide by these values and not by the path. A path can
/// name several filters, and each of them can be percent-encoded.
///
/// Some requests are not decided. `/healthz`, `/readyz` and `/favicon.ico` have nothing in them that could be kept
/// from anyone, and a browser's preflight only announces the request that is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action<'a> {
    /// Publish to this topic. Also asked when a client that may send messages subscribes to one topic.
    Publish(&'a Topic),
    /// Follow what these filters match.
    Subscribe(&'a Filters),
    /// Open the live page, one of its files, the lines of help, or `/transports`. They hold no notification.
    /// `/client.js` is open to everyone.
    Page,
    /// Read `/metrics`.
    Metrics,
}

/// Who may do what.
///
/// ```
/// use tidings_core::Filters;
/// use tidings_server::{Access, Action};
/// use tidings_transport::Rejection;
///
/// let public: Filters = "public.>".parse()?;
/// let access = Access::new(move |_request, action| match action {
///     Action::Subscribe(filters) if public.contains(filters) => Ok(()),
///     Action::Page => Ok(()),
///     _ => Err(Rejection::new(http::StatusCode::FORBIDDEN, "forbidden", "public topics can be read")),
/// });
/// # drop(access);
/// # Ok::<(), tidings_core::ParseTopicError>(())
/// ```
#[derive(Clone)]
pub struct Access(Arc<Check>);

type Check = dyn Fn(&Parts, Action<'_>) -> Result<(), Rejection> + Send + Sync;

impl Config {
    /// The defaults, for this hub.
    pub fn new(hub: Hub) -> Self {
        let listed = transports(hub.heartbeat());
        Self {
            hub,
            transports: listed.into_iter().map(|listed| listed.server).collect(),
            access: Access::default(),
            origins: Origins::default(),
            hosts: Hosts::default(),
            slow: SlowPolicy::default(),
            echo: true,
            write_deadline: Duration::from_secs(30),
            head_deadline: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            body_deadline: Duration::from_secs(30),
            max_head: 16 << 10,
            max_connections: 100_000,
            drain_delay: Duration::ZERO,
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
    /// Access decided by this function, which rejects a request with `401` or `403`.
    pub fn new(
        check: impl Fn(&Parts, Action<'_>) -> Result<(), Rejection> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(check))
    }

    pub(crate) fn check(&self, request: &Parts, action: Action<'_>) -> Result<(), Rejection> {
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
