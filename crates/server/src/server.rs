//! The server as its users see it: configured, bound, and served.

use std::io;
use std::net::{SocketAddr, TcpListener as StdTcpListener};

use tidings_core::Hub;
use tidings_transport::{Authorize, Authorizer, Hosts, OnMessage, Origins};
use tokio::net::{TcpListener, ToSocketAddrs};

use crate::config::Config;
use crate::metrics::Metrics;
use crate::run::run;

/// A server with its listeners, which accept connections from now on. They wait until it [serves](Self::serve).
///
/// ```
/// use tidings_core::Hub;
/// use tidings_server::{Origins, Server};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let server = Server::builder(Hub::default())
///     .origins(Origins::Listed(vec!["https://shop.example".to_owned()]))
///     .bind("127.0.0.1:0")
///     .await?;
/// println!("listening on {:?}", server.local_addrs());
/// let handle = server.handle();
/// let shutdown = async move { assert_eq!(handle.connections(), 0) };
/// server.serve(shutdown).await
/// # }
/// ```
#[derive(Debug)]
pub struct Server {
    pub(crate) config: Config,
    pub(crate) listeners: Vec<StdTcpListener>,
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) metrics: Metrics,
}

/// The configuration of a [`Server`], before it has a listener.
#[derive(Clone, Debug)]
pub struct Builder {
    config: Config,
}

/// Reads the state of a server, also while it serves. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Handle {
    config: Config,
    metrics: Metrics,
}

impl Server {
    /// Begins the configuration of a server for this hub, with every transport.
    pub fn builder(hub: Hub) -> Builder {
        Builder { config: Config::new(hub) }
    }

    /// Adds a listener at this address. Port 0 takes a free port.
    ///
    /// Cancel safe: no listener is left.
    ///
    /// # Errors
    /// If the address cannot be bound.
    pub async fn bind(self, address: impl ToSocketAddrs) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?.into_std()?;
        self.listen(listener)
    }

    /// Adds a listener that was made elsewhere, for example inherited from systemd.
    ///
    /// # Errors
    /// If it has no address, or cannot be set to non-blocking.
    pub fn listen(mut self, listener: StdTcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        self.addresses.push(listener.local_addr()?);
        self.listeners.push(listener);
        Ok(self)
    }

    /// Returns the address of each listener, with the ports that were chosen for port 0.
    pub fn local_addrs(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Returns a handle that reads the state of the server.
    pub fn handle(&self) -> Handle {
        Handle { config: self.config.clone(), metrics: self.metrics.clone() }
    }

    /// Serves the hub until `shutdown` resolves, then shuts down in three steps:
    ///
    /// 1. For [`Config::drain_delay`] everything is served as before, except that `GET /readyz` answers `503`.
    /// 2. The listeners are closed, and so is the hub: it takes no further clients or notifications. The goodbyes
    ///    are spread over [`Config::drain`].
    /// 3. Connections have four more seconds to end. Then the rest are cut off, and this returns.
    ///
    /// Each step is logged at INFO. A shutdown that is already complete when this is called is fine.
    ///
    /// Dropping the future before that ends the workers as well, without a goodbye.
    ///
    /// # Errors
    /// Returns an error if there is no listener, if one cannot be shared among the workers, or if a worker fails.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) -> io::Result<()> {
        run(self, shutdown).await
    }
}

impl Builder {
    /// Decides who may subscribe, publish and read pages. Default: everyone.
    pub fn authorize(self, authorize: impl Authorize) -> Self {
        self.configure(|config| config.authorizer = Authorizer::new(authorize))
    }

    /// What happens to the messages of WebSocket clients, and what they are replied. Default: see [`Config::on_message`].
    pub fn on_message(self, on_message: OnMessage) -> Self {
        self.configure(|config| config.on_message = Some(on_message))
    }

    /// Which web pages may connect, read and publish. Default: pages of the same host.
    pub fn origins(self, origins: Origins) -> Self {
        self.configure(|config| config.origins = origins)
    }

    /// By which names the server may be addressed. Default: by every name, except if it listens on loopback addresses alone.
    pub fn hosts(self, hosts: Hosts) -> Self {
        self.configure(|config| config.hosts = hosts)
    }

    /// Changes any field of the configuration.
    pub fn configure(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.config);
        self
    }

    /// Returns a server that listens at this address. Port 0 takes a free port. [`Server::bind`] adds further listeners.
    ///
    /// # Errors
    /// If the address cannot be bound.
    pub async fn bind(self, address: impl ToSocketAddrs) -> io::Result<Server> {
        self.build().bind(address).await
    }

    /// Returns a server with a listener that was made elsewhere.
    ///
    /// # Errors
    /// As [`Server::listen`].
    pub fn listen(self, listener: StdTcpListener) -> io::Result<Server> {
        self.build().listen(listener)
    }

    /// Returns a server without a listener, which [`Server::bind`] and [`Server::listen`] add.
    pub fn build(self) -> Server {
        let Self { config } = self;
        let metrics = Metrics::new(&config);
        Server { config, listeners: Vec::new(), addresses: Vec::new(), metrics }
    }
}

impl Handle {
    /// Returns the number of open connections.
    pub fn connections(&self) -> usize {
        usize::try_from(self.metrics.connections.get()).unwrap_or(0)
    }

    /// Returns the metrics in the text format of OpenMetrics, as `GET /metrics` does.
    ///
    /// # Errors
    /// If a metric cannot be formatted.
    pub fn metrics(&self) -> Result<String, std::fmt::Error> {
        self.metrics.text(&self.config)
    }
}
