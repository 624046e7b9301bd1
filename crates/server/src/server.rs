//! The public types of the server: its builder, the server and its handle.

use std::net::SocketAddr;
#[cfg(unix)]
use std::path::Path;
use std::{fmt, io};

use socket2::SockRef;
use tidings_core::Hub;
use tidings_transport::{Authorize, Authorizer, Hosts, ListenerKind, OnMessage, Origins};
use tokio::net::{TcpListener, ToSocketAddrs, lookup_host};

use crate::bound::{Bound, Listener};
use crate::config::Config;
use crate::connection_limit::ConnectionLimit;
use crate::http_service::HttpService;
use crate::lane::{Balancer, Inbox};
use crate::lanes::Lanes;
use crate::listener::raise_backlog;
use crate::metrics::Metrics;
use crate::quic;
use crate::run::run;
use crate::serve_by::ServeBy;
#[cfg(unix)]
use crate::socket_file::{self, SocketFile};
use crate::tls::Tls;

/// A server with its listeners. They queue connections until the server [serves](Self::serve).
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
pub struct Server {
    pub(crate) config: Config,
    pub(crate) serve_by: ServeBy,
    pub(crate) listeners: Vec<Bound>,
    /// The UDP sockets for WebTransport, one for each listener with TLS if the server has the transport.
    pub(crate) endpoints: Vec<quic::Listener>,
    pub(crate) addresses: Vec<SocketAddr>,
    #[cfg(unix)]
    pub(crate) files: Vec<SocketFile>,
    pub(crate) metrics: Metrics,
    pub(crate) connection_limit: ConnectionLimit,
    pub(crate) balancer: Balancer,
    /// One for each worker. After they are dropped, [`Lanes`] reserves no more places.
    pub(crate) inboxes: Vec<Inbox>,
    /// Whether [`Server::lanes`] was called, so that mounts may hand connections over.
    pub(crate) has_mounts: bool,
}

/// How many free ports are tried for a listener with TLS, if port 0 is given.
const FREE_PORTS: usize = 16;

/// The configuration of a [`Server`], before it has a listener.
#[derive(Clone, Debug)]
pub struct Builder {
    config: Config,
    serve_by: ServeBy,
}

/// Reads the state of a server, also while it serves. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Handle {
    config: Config,
    metrics: Metrics,
}

impl Server {
    /// Returns a builder for a server of this hub, with every transport.
    pub fn builder(hub: Hub) -> Builder {
        Builder { config: Config::new(hub), serve_by: ServeBy::default() }
    }

    /// Adds a TCP listener at this address. Port 0 takes a free port.
    ///
    /// Cancel safe: if the future is dropped, no listener is left.
    ///
    /// # Errors
    /// Fails if the address cannot be bound.
    pub async fn bind(self, address: impl ToSocketAddrs) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?.into_std()?;
        raise_backlog(&SockRef::from(&listener))?;
        self.listen(listener)
    }

    /// Adds a TCP listener at this address whose connections use TLS. Port 0 takes a free port.
    ///
    /// While the server serves, it reloads the certificates when their files change: see [`Tls::watch`].
    ///
    /// With the feature `webtransport`, the server also accepts WebTransport there, over UDP at the same port, unless
    /// [`Config::transports`] does not contain it.
    ///
    /// Cancel safe: if the future is dropped, no listener is left.
    ///
    /// # Errors
    /// Fails if the address cannot be bound. With WebTransport, also fails if the UDP port cannot be bound, or the
    /// configuration of `tls` does not allow TLS 1.3.
    pub async fn bind_tls(self, address: impl ToSocketAddrs, tls: &Tls) -> io::Result<Self> {
        let addresses: Vec<_> = lookup_host(address).await?.collect();
        let takes_any_port = addresses.iter().all(|address| address.port() == 0);
        let mut attempts = if takes_any_port { FREE_PORTS } else { 1 };
        loop {
            let listener = TcpListener::bind(&addresses[..]).await?.into_std()?;
            raise_backlog(&SockRef::from(&listener))?;
            attempts -= 1;
            match quic::Listener::bind(&self.config, &listener, tls) {
                // A port that is free for TCP may be used by UDP.
                Err(error) if attempts > 0 && error.kind() == io::ErrorKind::AddrInUse => {}
                endpoint => return self.add_tls(listener, endpoint?, tls),
            }
        }
    }

    /// Adds a listener at the path of a Unix socket, for a proxy on the same machine.
    ///
    /// If a server that has crashed has left its file there, the file is replaced. The server removes its file when it
    /// stops accepting connections, or when it is dropped.
    ///
    /// The file has the permissions that the umask of the process leaves (`0777 & !umask`). A process can connect if it
    /// has permission to write to the file, so with the usual umask of `022` only processes of the same user can
    /// connect. The server needs permission to write to the directory. If it may read the directory as well, it locks
    /// it (`flock`) while it creates or removes the file, so that only one of several servers that start at once gets
    /// the path. No lock file is left.
    ///
    /// # Errors
    /// Fails with [`AddrInUse`](io::ErrorKind::AddrInUse) if another server listens there, or a file that is not a
    /// socket is there. Fails with another error if the socket cannot be created.
    #[cfg(unix)]
    pub fn bind_unix(self, path: impl AsRef<Path>) -> io::Result<Self> {
        let (listener, file) = socket_file::bind(path.as_ref())?;
        raise_backlog(&SockRef::from(&listener))?;
        let mut server = self.listen(listener)?;
        server.files.push(file);
        Ok(server)
    }

    /// Adds an existing listener, TCP or Unix. For example, the crate `listenfd` returns the listeners that systemd has
    /// passed. The file of a Unix socket is not removed. The backlog of the listener is not changed, while the methods that
    /// bind set the largest that the system allows.
    ///
    /// # Errors
    /// Fails if it does not listen, has no address, or cannot be set to non-blocking.
    pub fn listen(self, listener: impl Into<Listener>) -> io::Result<Self> {
        Ok(self.add(Bound::new(listener.into())?))
    }

    /// Adds an existing TCP listener whose connections use TLS, as [`bind_tls`](Self::bind_tls) does.
    ///
    /// # Errors
    /// Fails if it does not listen, has no address, or cannot be set to non-blocking. With WebTransport, also fails if
    /// the UDP port cannot be bound, or the configuration of `tls` does not allow TLS 1.3.
    pub fn listen_tls(self, listener: std::net::TcpListener, tls: &Tls) -> io::Result<Self> {
        let endpoint = quic::Listener::bind(&self.config, &listener, tls)?;
        self.add_tls(listener, endpoint, tls)
    }

    fn add_tls(
        mut self,
        listener: std::net::TcpListener,
        endpoint: Option<quic::Listener>,
        tls: &Tls,
    ) -> io::Result<Self> {
        // A listener without an index is described as one without an endpoint.
        let next = u16::try_from(self.endpoints.len()).ok();
        let bound = Bound::with_tls(listener, tls, endpoint.as_ref().and(next))?;
        self.endpoints.extend(endpoint);
        Ok(self.add(bound))
    }

    fn add(mut self, (listener, address): (Bound, Option<SocketAddr>)) -> Self {
        self.addresses.extend(address);
        if let Some(tls) = &listener.tls {
            self.metrics.add_certificates(tls.clone());
        }
        self.listeners.push(listener);
        self
    }

    /// Returns the address of each TCP listener, with the ports that were chosen for port 0.
    pub fn local_addrs(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Returns a handle that reads the state of the server.
    pub fn handle(&self) -> Handle {
        Handle { config: self.config.clone(), metrics: self.metrics.clone() }
    }

    /// Returns the lanes of this server, for a [`Mount`](tidings_transport::mount::Mount) in another HTTP server. After
    /// this call the server can serve without a listener.
    pub fn lanes(&mut self) -> Lanes {
        self.has_mounts = true;
        Lanes {
            balancer: self.serve_by.has_lanes().then(|| self.balancer.clone()),
            hub: self.config.hub.clone(),
            connection_limit: self.connection_limit.clone(),
            write_deadline: self.config.write_deadline,
        }
    }

    /// Serves the hub until `shutdown` resolves, then shuts down in three steps:
    ///
    /// 1. For [`Config::drain_delay`] everything is served as before, except that `GET /readyz` responds with `503`.
    /// 2. The listeners are closed, and so is the hub: it takes no further clients or notifications. The files of
    ///    [`bind_unix`](Self::bind_unix) are removed. The goodbyes are spread over [`Config::drain`].
    /// 3. Connections have four more seconds to end. Then the rest are cut off, and this returns.
    ///
    /// Each step is logged at INFO. `shutdown` may be resolved already when this is called.
    ///
    /// Dropping the future before that ends the workers as well, without a goodbye.
    ///
    /// # Errors
    /// Fails if there is no listener, one cannot be shared among the workers, or a worker fails.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) -> io::Result<()> {
        run(self, shutdown).await
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { config, addresses, .. } = self;
        f.debug_struct("Server").field("config", config).field("addresses", addresses).finish()
    }
}

impl Builder {
    /// Sets the check of which requests may subscribe, publish and read pages. Default: all.
    pub fn authorize(self, authorize: impl Authorize) -> Self {
        self.configure(|config| config.authorizer = Authorizer::new(authorize))
    }

    /// Sets what happens to the messages of WebSocket and WebTransport clients, and the replies to them. Default: see
    /// [`Config::on_message`].
    pub fn on_message(self, on_message: OnMessage) -> Self {
        self.configure(|config| config.on_message = Some(on_message))
    }

    /// Sets which web pages may connect, read and publish. Default: pages of the same host.
    pub fn origins(self, origins: Origins) -> Self {
        self.configure(|config| config.origins = origins)
    }

    /// Sets which hosts requests may name. Default: every host, except through a listener without TLS on a loopback
    /// address.
    pub fn hosts(self, hosts: Hosts) -> Self {
        self.configure(|config| config.hosts = hosts)
    }

    /// Changes any field of the configuration.
    pub fn configure(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.config);
        self
    }

    /// Sets how the server serves its connections, to compare the ways.
    #[doc(hidden)]
    pub fn serve_by(mut self, serve_by: ServeBy) -> Self {
        self.serve_by = serve_by;
        self
    }

    /// Returns a server that listens at this address. Port 0 takes a free port. [`Server::bind`], [`Server::bind_unix`]
    /// and [`Server::listen`] add further listeners.
    ///
    /// # Errors
    /// Fails if the address cannot be bound.
    pub async fn bind(self, address: impl ToSocketAddrs) -> io::Result<Server> {
        self.build().bind(address).await
    }

    /// Returns a server that listens at this address with TLS. Port 0 takes a free port.
    ///
    /// # Errors
    /// Any error of [`Server::bind_tls`].
    pub async fn bind_tls(self, address: impl ToSocketAddrs, tls: &Tls) -> io::Result<Server> {
        self.build().bind_tls(address, tls).await
    }

    /// Returns a server that listens at the path of a Unix socket.
    ///
    /// # Errors
    /// Any error of [`Server::bind_unix`].
    #[cfg(unix)]
    pub fn bind_unix(self, path: impl AsRef<Path>) -> io::Result<Server> {
        self.build().bind_unix(path)
    }

    /// Returns a server with an existing listener.
    ///
    /// # Errors
    /// Any error of [`Server::listen`].
    pub fn listen(self, listener: impl Into<Listener>) -> io::Result<Server> {
        self.build().listen(listener)
    }

    /// Returns a server with an existing TCP listener whose connections use TLS.
    ///
    /// # Errors
    /// Any error of [`Server::listen_tls`].
    pub fn listen_tls(self, listener: std::net::TcpListener, tls: &Tls) -> io::Result<Server> {
        self.build().listen_tls(listener, tls)
    }

    /// Returns a service that serves everything that the server serves, for another HTTP server. See [`HttpService`]
    /// for what that server must do. `listener` is the address of its TCP listener, or the kind of its listener. On a
    /// loopback address the service accepts only hosts that no foreign page can have, unless [`hosts`](Self::hosts) is
    /// set.
    pub fn into_service(self, listener: impl Into<ListenerKind>) -> HttpService {
        HttpService::new(self.config, listener.into())
    }

    /// Returns a server without a listener. [`Server::bind`], [`Server::bind_unix`] and [`Server::listen`] add
    /// listeners.
    pub fn build(self) -> Server {
        let Self { config, serve_by } = self;
        let metrics = Metrics::new(&config);
        let (open, workers) = (metrics.connections.clone(), config.workers.get());
        let connection_limit = ConnectionLimit::new(open, config.max_connections);
        let balancer = Balancer::new(workers);
        let inboxes = (0..workers).map(|number| balancer.inbox(number)).collect();
        Server {
            config,
            serve_by,
            listeners: Vec::new(),
            endpoints: Vec::new(),
            addresses: Vec::new(),
            #[cfg(unix)]
            files: Vec::new(),
            metrics,
            connection_limit,
            balancer,
            inboxes,
            has_mounts: false,
        }
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
    /// Fails if a metric cannot be formatted.
    pub fn metrics(&self) -> Result<String, std::fmt::Error> {
        self.metrics.text(&self.config)
    }
}
