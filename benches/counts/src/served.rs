//! A server on a separate thread and its clients, through the public interface.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tidings_core::{Heartbeat, Hub, HubConfig};
use tidings_server::{Config, ServeBy, Server, Tls};
use tidings_transport::Transport;
use tokio::sync::oneshot;

/// A pause after each step, in which the server's thread goes to sleep. The counts would differ if the thread were
/// sometimes still awake.
pub(crate) const ASLEEP: Duration = Duration::from_millis(4);

/// A hub without heartbeats, because those would be counted.
pub(crate) fn quiet_hub() -> Hub {
    let heartbeat = Heartbeat::default().interval(Duration::from_secs(3600));
    Hub::new(HubConfig::default().heartbeat(heartbeat))
}

/// A server with one lane.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    stop: oneshot::Sender<()>,
    thread: thread::JoinHandle<()>,
}

impl Served {
    /// Starts a server. `transport` replaces the listed transport of the same name.
    pub(crate) fn new(hub: Hub, transport: impl Transport) -> Self {
        Self::start(hub, transport, Server::listen)
    }

    pub(crate) fn with_tls(hub: Hub, transport: impl Transport, tls: &Tls) -> Self {
        let tls = tls.clone();
        Self::start(hub, transport, move |server, listener| server.listen_tls(listener, &tls))
    }

    fn start(
        hub: Hub,
        transport: impl Transport,
        listen: impl FnOnce(Server, TcpListener) -> io::Result<Server> + Send + 'static,
    ) -> Self {
        let mut config = Config::new(hub);
        config.workers = NonZeroUsize::MIN;
        config.drain = Duration::ZERO;
        config.transports.retain(|listed| listed.name() != transport.name());
        config.transports.insert(0, Arc::new(transport));
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("the listener is bound");
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let served = runtime.expect("a runtime").block_on(async {
                let builder = Server::builder(config.hub.clone()).configure(|own| *own = config);
                // The same code path on every kernel.
                let builder = builder.serve_by(ServeBy::LanesWithoutIoUring);
                let server = listen(builder.build(), listener)?;
                server.serve(async { drop(stopped.await) }).await
            });
            served.expect("it serves");
        });
        Self { address, stop, thread }
    }

    pub(crate) fn stop(self) {
        self.stop.send(()).expect("it runs");
        self.thread.join().expect("the server has not panicked");
    }
}

/// A client that reads until a text has arrived.
pub(crate) struct Client<S = TcpStream> {
    socket: S,
    read: Vec<u8>,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::over(TcpStream::connect(address).expect("it listens"))
    }
}

impl<S: Read + Write> Client<S> {
    pub(crate) fn over(socket: S) -> Self {
        Self { socket, read: Vec::new() }
    }

    /// Sends a request and reads the head of the response.
    pub(crate) fn request(&mut self, request: &str) {
        self.socket.write_all(request.as_bytes()).expect("it reads");
        self.read_until("\r\n\r\n");
    }

    pub(crate) fn read_until(&mut self, end: &str) {
        self.read.clear();
        let mut piece = [0; 4096];
        while !self.read.windows(end.len()).any(|window| window == end.as_bytes()) {
            let count = self.socket.read(&mut piece).expect("the client is connected");
            assert_ne!(count, 0, "the server has closed the connection");
            self.read.extend_from_slice(&piece[..count]);
        }
    }
}
