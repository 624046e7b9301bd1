//! Clients by WebTransport. Their tasks run on the thread of the event loop, while it waits.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use anyhow::Context;
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Connection, Endpoint, TransportConfig};
use rustix::fd::OwnedFd;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use url::Url;
use web_transport_quinn::proto::ConnectRequest;
use web_transport_quinn::{ALPN, Session as WebTransport};

use super::gone::Gone;
use super::inbox::Inbox;
use super::session_event::{Event, SessionEvent, Traffic};
use super::tls::Tls;
use super::wire::Reader;
use super::wire::http::Events;
use super::wire::rest::Rest;

/// How many clients share a UDP socket. More would lose datagrams of a burst in the receive buffer of the kernel, and
/// fewer would need much memory, because the library has a large buffer for each socket.
const CLIENTS_PER_SOCKET: usize = 16;

/// The most events between two turns of the event loop.
const SESSION_EVENTS: usize = 1024;

/// The most bytes of one read.
const READ: usize = 64 * 1024;

/// The sockets and tasks of all clients.
#[derive(Debug)]
pub(crate) struct Quic {
    /// The epoll of all other connections. It is dropped before the runtime.
    epoll: AsyncFd<Rc<OwnedFd>>,
    runtime: Runtime,
    config: ClientConfig,
    /// The socket of the next client, and how many share it already.
    socket: Option<(Endpoint, usize)>,
    began: Instant,
    sender: mpsc::Sender<SessionEvent>,
    session_events: mpsc::Receiver<SessionEvent>,
}

/// The session of one client. Dropping it closes it.
#[derive(Debug)]
pub(crate) struct Session {
    task: AbortHandle,
    /// Set when the handshake is complete.
    connection: Arc<OnceLock<Connection>>,
    /// An incomplete stamp.
    rest: Rest,
    /// The traffic before the current stage.
    before: Traffic,
}

impl Quic {
    /// Creates the runtime of the clients, which is woken by `epoll` as well.
    ///
    /// # Errors
    /// Fails if the system has no free file descriptor, or if there is no certificate.
    pub(crate) fn new(
        tls: Option<&Tls>,
        epoll: Rc<OwnedFd>,
        began: Instant,
    ) -> anyhow::Result<Self> {
        let tls = tls.context("WebTransport needs a certificate")?.config(ALPN.as_bytes());
        let mut config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls)?));
        let mut transport = TransportConfig::default();
        transport.max_idle_timeout(None);
        config.transport_config(Arc::new(transport));
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let epoll = {
            let _guard = runtime.enter();
            // SAFETY: the `AsyncFd` shares the ownership of the file descriptor, and nothing replaces it, so it stays
            // open and the same for as long as the `AsyncFd` exists.
            #[expect(unsafe_code, reason = "tokio has no safe way to wait for a file descriptor")]
            let registered = unsafe { AsyncFd::register_with_interest(epoll, Interest::READABLE) };
            registered.map_err(io::Error::from).context("cannot wait for an epoll")?
        };
        let (sender, session_events) = mpsc::channel(SESSION_EVENTS);
        Ok(Self { epoll, runtime, config, socket: None, began, sender, session_events })
    }

    /// Starts to open the session of a client.
    ///
    /// # Errors
    /// Fails if the system has no free port or file descriptor.
    pub(crate) fn open(
        &mut self,
        client: usize,
        server: SocketAddr,
        url: &str,
    ) -> anyhow::Result<Session> {
        let _guard = self.runtime.enter();
        let endpoint = match &mut self.socket {
            Some((endpoint, count)) if *count < CLIENTS_PER_SOCKET => {
                *count += 1;
                endpoint.clone()
            }
            full => full.insert((Endpoint::client(any(server))?, 1)).0.clone(),
        };
        let connecting =
            endpoint.connect_with(self.config.clone(), server, &server.ip().to_string())?;
        let request = ConnectRequest::new(url.parse::<Url>()?);
        let (sender, began) = (self.sender.clone(), self.began);
        let connection = Arc::new(OnceLock::new());
        let connected = connection.clone();
        let task = async move {
            let report = async |event| {
                let now = began.elapsed().as_nanos() as u64;
                // The receiver exists as long as the runtime.
                let _ = sender.send(SessionEvent { client, now, event }).await;
            };
            let ended = async {
                let connection = connecting.await.map_err(broken)?;
                let connection = connected.get_or_init(|| connection);
                report(Event::Connected).await;
                let session = WebTransport::connect(connection.clone(), request);
                let session = session.await.map_err(broken)?;
                let mut stream = session.accept_uni().await.map_err(broken)?;
                while let Some(chunk) = stream.read_chunk(READ, true).await.map_err(broken)? {
                    report(Event::Received(chunk.bytes)).await;
                }
                Err::<(), Gone>(Gone::Closed)
            };
            if let Err(gone) = ended.await {
                report(Event::Ended(gone)).await;
            }
        };
        let task = self.runtime.spawn(task).abort_handle();
        Ok(Session { task, connection, rest: Rest::default(), before: Traffic::default() })
    }

    /// Runs the tasks until the epoll has events or a session has, which are appended to `session_events`. If `waits`
    /// is `false`, runs a bounded number of tasks instead.
    pub(crate) fn run(
        &mut self,
        waits: bool,
        session_events: &mut Vec<SessionEvent>,
    ) -> io::Result<()> {
        let Self { runtime, epoll, session_events: receiver, .. } = self;
        runtime.block_on(async {
            tokio::select! {
                ready = epoll.readable() => ready?.clear_ready(),
                _ = receiver.recv_many(session_events, SESSION_EVENTS) => {}
                () = tokio::task::yield_now(), if !waits => {}
            }
            Ok(())
        })
    }

    /// Discards what has arrived for sessions that are dropped.
    pub(crate) fn clear(&mut self) {
        while self.session_events.try_recv().is_ok() {}
    }
}

impl Session {
    /// Records the stamps in received bytes.
    pub(crate) fn take(&mut self, bytes: &[u8], inbox: &mut Inbox<'_>) -> Result<(), Gone> {
        self.rest.take(bytes, |bytes| Events::default().take(bytes, inbox))
    }

    /// Begins a stage, whose traffic is counted.
    pub(crate) fn begin(&mut self) {
        self.before = self.total();
    }

    /// The traffic of the current stage.
    pub(crate) fn traffic(&self) -> Traffic {
        let (total, before) = (self.total(), self.before);
        Traffic { received: total.received - before.received, sent: total.sent - before.sent }
    }

    fn total(&self) -> Traffic {
        self.connection.get().map_or(Traffic::default(), |connection| {
            let stats = connection.stats();
            Traffic { received: stats.udp_rx.bytes, sent: stats.udp_tx.bytes }
        })
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.task.abort();
        if let Some(connection) = self.connection.get() {
            connection.close(0_u32.into(), b"");
        }
    }
}

fn any(server: SocketAddr) -> SocketAddr {
    let any: IpAddr =
        if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    (any, 0).into()
}

fn broken(error: impl std::error::Error + Send + Sync + 'static) -> Gone {
    Gone::Broken(io::Error::other(error))
}
