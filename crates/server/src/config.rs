//! The configuration of a server.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use tidings_core::{Hub, SlowPolicy, Topic};
use tidings_transport::compression::CompressionConfig;
use tidings_transport::mount::Mount;
use tidings_transport::{Authorizer, Hosts, OnMessage, Origins, Transport};

use crate::transports;

/// The configuration of a [`Server`](crate::Server). Each field can be changed by
/// [`Builder::configure`](crate::Builder::configure).
///
/// ```
/// use std::time::Duration;
/// use tidings_core::Hub;
/// use tidings_server::Server;
///
/// let server = Server::builder(Hub::default()).configure(|config| config.write_deadline = Duration::from_secs(10));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// The hub that is served.
    pub hub: Hub,
    /// The transports. The first one that claims a request serves it. Default: all.
    pub transports: Vec<Arc<dyn Transport>>,
    /// Decides which requests may publish, subscribe or read pages. Default: all of them. `/healthz`, `/readyz`,
    /// `/favicon.ico`, `/client.js` and `/webtransport.js` are open to everyone. So is the preflight of a browser,
    /// because the request that follows it is checked.
    pub authorizer: Authorizer,
    /// Which web pages may connect, read and publish, on every transport. Default: pages of the same host.
    pub origins: Origins,
    /// By which names the server may be addressed. Default: by every name, except through a listener without TLS on a
    /// loopback address. Health checks are served for every host.
    pub hosts: Hosts,
    /// The port of `https` to which requests through TCP listeners without TLS are redirected, with `308`. 0 is the
    /// port of the first listener with TLS, and in an [`HttpService`](crate::HttpService) 443. Health checks and
    /// requests through Unix sockets are not redirected. Default `None`: all requests are served.
    pub redirect_to_https: Option<u16>,
    /// What happens if the log has evicted what a client reads next. Default: the client is sent a gap.
    pub slow: SlowPolicy,
    /// Whether a client is also sent the messages that it has sent by WebSocket or WebTransport. Default `true`.
    pub echo: bool,
    /// Compresses what clients are sent, if they accept that: WebSocket messages by permessage-deflate, and event
    /// streams and long answers to polls by gzip. A client opts out by `?compression=off`. Default `None`: nothing is
    /// compressed. See "Compression" in the documentation of the protocol for what it means for security.
    pub compression: Option<CompressionConfig>,
    /// What happens to the messages of WebSocket and WebTransport clients. Default `None`: if a client subscribes to a
    /// single topic and the [authorizer](Self::authorizer) allows it to publish there, its messages are published to
    /// that topic. Other clients may not send messages. If this is set, the authorizer is not called for messages.
    pub on_message: Option<OnMessage>,
    /// How long a client may read nothing while bytes wait for it. After that it is disconnected. Default 30 s.
    pub write_deadline: Duration,
    /// How long the head of a request may take, counted from its first byte. It is also the limit of a TLS handshake.
    /// Default 10 s.
    pub head_deadline: Duration,
    /// How long a connection may idle before its first request and between two requests. Each response announces it as
    /// `Keep-Alive: timeout=SECONDS`. Default 75 s. Most proxies and clients close an idle connection earlier than
    /// that, so a request rarely meets a connection that the server is closing.
    pub idle_timeout: Duration,
    /// How long the body of a request may take. Default 30 s.
    pub body_deadline: Duration,
    /// The largest head of a request, in bytes, at least 8,192. Default 16 KiB.
    pub max_head: usize,
    /// The most open connections, of subscribers and publishers together. A further one gets a `503` and is closed.
    /// Default 100,000.
    pub max_connections: usize,
    /// The most open streams of one HTTP/2 connection, which are its subscribers and its pending requests together. A
    /// client opens another connection for more. Default 100.
    pub max_streams: u32,
    /// How long the server still accepts clients after the shutdown signal, while `/readyz` responds with `503`. A load
    /// balancer can stop sending clients in that time. Default 0.
    pub drain_delay: Duration,
    /// The time over which goodbyes are spread at the shutdown, so that clients do not all reconnect to another server
    /// at the same moment. Default 1 s.
    pub drain: Duration,
    /// The number of threads that serve, each with one lane. Default: one for each core.
    pub workers: NonZeroUsize,
    /// Whether `/` serves the live page. Otherwise it serves a help text. Default `true`.
    pub live_page: bool,
    /// A topic with regular notifications, which the live page follows. It is listed at `/transports`. Default: none.
    pub demo: Option<Topic>,
}

impl Config {
    /// Returns the defaults for this hub.
    pub fn new(hub: Hub) -> Self {
        let listed = transports();
        Self {
            hub,
            transports: listed.into_iter().map(|listed| listed.server).collect(),
            authorizer: Authorizer::allow_all(),
            origins: Origins::default(),
            hosts: Hosts::default(),
            redirect_to_https: None,
            slow: SlowPolicy::default(),
            echo: true,
            compression: None,
            on_message: None,
            write_deadline: Duration::from_secs(30),
            head_deadline: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            body_deadline: Duration::from_secs(30),
            max_head: 16 << 10,
            max_connections: 100_000,
            max_streams: 100,
            drain_delay: Duration::ZERO,
            drain: Duration::from_secs(1),
            workers: std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
            live_page: true,
            demo: None,
        }
    }

    /// The mount of all transports, without compression.
    pub(crate) fn mount(&self) -> Mount {
        self.mount_of(&self.transports)
    }

    pub(crate) fn mount_of(&self, transports: &[Arc<dyn Transport>]) -> Mount {
        let mount = Mount::new(self.hub.clone())
            .authorizer(self.authorizer.clone())
            .origins(self.origins.clone())
            .slow(self.slow)
            .echo(self.echo)
            .write_deadline(self.write_deadline)
            .body_deadline(self.body_deadline);
        let mount = match &self.on_message {
            Some(on_message) => mount.on_message(on_message.clone()),
            None => mount,
        };
        transports.iter().cloned().fold(mount, Mount::shared_transport)
    }
}
