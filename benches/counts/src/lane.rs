//! The server's path from the log to sockets, through its public interface.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use tidings_core::{Event, Heartbeat, Hub, HubConfig, Id, Notification};
use tidings_counts::mark::mark;
use tidings_counts::{json, topic};
use tidings_server::{Config, run};
use tidings_sse::Sse;
use tidings_transport::{Accepted, Decoder, Encoder, Rejection, SubscribeRequest, Transport};
use tokio::sync::oneshot;

/// Clients of each of the two transports.
const CLIENTS: usize = 64;

/// Publishes before those that count: what grows once has grown by then.
const WARM_UP: u64 = 8;

/// Publishes that count.
const COUNTED: u64 = 64;

/// How long the server's thread has to fall asleep after each publish. If it were asleep at some publishes and awake at
/// others, the count would differ.
const ASLEEP: Duration = Duration::from_millis(4);

const SSE: &str = "GET /topics/orders.new?after=earliest HTTP/1.1\r\nHost: hub\r\n\
    Accept: text/event-stream\r\n\r\n";

const WEBSOCKET: &str = "GET /topics/orders.new?after=earliest HTTP/1.1\r\nHost: hub\r\n\
    Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// One publish after the other, each until the last of 64 clients by SSE and 64 by WebSocket has it.
/// Counted are the instructions of the hub's thread, from the encoding for SSE of one pass to that of a
/// later one: as many whole passes, wherever in a pass that is.
pub(crate) fn lane_128() {
    let heartbeat = Heartbeat { interval: Duration::from_secs(3600), ..Heartbeat::default() };
    let hub = Hub::new(HubConfig { heartbeat, ..HubConfig::default() });
    let served = Served::new(hub.clone());
    let requests = [SSE, WEBSOCKET].into_iter().cycle().take(2 * CLIENTS);
    let mut clients: Vec<_> = requests.map(|it| Client::connect(served.address, it)).collect();
    // Counting begins within the first pass after the warm-up, and ends within the last of all.
    for number in 0..=WARM_UP + COUNTED {
        let end = format!("publish {number:04}");
        let published = hub.publish(Notification::text(topic(), json() + &end)).now();
        published.expect("it has no broker").expect("it is open");
        clients.iter_mut().for_each(|client| client.read_until(&end));
        thread::sleep(ASLEEP);
    }
    drop(clients);
    served.stop();
}

/// A hub on a thread of its own.
struct Served {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    thread: thread::JoinHandle<()>,
}

impl Served {
    fn new(hub: Hub) -> Self {
        let mut config = Config::new(hub);
        config.workers = NonZeroUsize::MIN;
        config.drain = Duration::ZERO;
        // The same path on every kernel.
        config.io_uring = false;
        config.transports.retain(|transport| transport.name() != "sse");
        config.transports.insert(0, Arc::new(Marking::default()));
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("it can be told so");
        let address = listener.local_addr().expect("it is bound");
        let (stop, stopped) = oneshot::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let served = runtime.expect("a runtime").block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener)?;
                run(listener, config, async { drop(stopped.await) }).await
            });
            served.expect("it serves");
        });
        Self { address, stop, thread }
    }

    fn stop(self) {
        self.stop.send(()).expect("it runs");
        self.thread.join().expect("it has served");
    }
}

/// A client that knows nothing but where what it waits for ends.
struct Client {
    socket: TcpStream,
    read: Vec<u8>,
}

impl Client {
    /// Reads the answer's head, too.
    fn connect(address: SocketAddr, request: &str) -> Self {
        let mut socket = TcpStream::connect(address).expect("it listens");
        socket.write_all(request.as_bytes()).expect("it reads");
        let mut client = Self { socket, read: Vec::new() };
        client.read_until("\r\n\r\n");
        client
    }

    fn read_until(&mut self, end: &str) {
        self.read.clear();
        let mut piece = [0; 4096];
        while !self.read.windows(end.len()).any(|window| window == end.as_bytes()) {
            let count = self.socket.read(&mut piece).expect("it is connected");
            assert_ne!(count, 0, "the hub has closed it");
            self.read.extend_from_slice(&piece[..count]);
        }
    }
}

/// SSE that calls [`mark`] where counting begins and ends.
#[derive(Debug, Default)]
struct Marking {
    sse: Sse,
    encoder: OnceLock<Arc<dyn Encoder>>,
}

#[derive(Debug)]
struct MarkingEncoder {
    encoder: Arc<dyn Encoder>,
    /// The sequence number at which it did so last.
    marked: AtomicU64,
}

impl Transport for Marking {
    fn name(&self) -> &'static str {
        self.sse.name()
    }

    fn claims(&self, request: &Parts) -> bool {
        self.sse.claims(request)
    }

    fn accept(&self, request: &Parts, subscribe: &SubscribeRequest) -> Result<Accepted, Rejection> {
        let accepted = self.sse.accept(request, subscribe)?;
        // One for all: clients of the same encoder are one group.
        let encoder = self.encoder.get_or_init(|| {
            Arc::new(MarkingEncoder {
                encoder: accepted.encoder.clone(),
                marked: AtomicU64::new(0),
            })
        });
        Ok(Accepted { encoder: encoder.clone(), ..accepted })
    }
}

impl Encoder for MarkingEncoder {
    fn opening(&self, position: Id) -> Bytes {
        self.encoder.opening(position)
    }

    fn encode(&self, events: &[Event], position: Id) -> Bytes {
        if let [Event::Deliver(entry)] = events
            && [WARM_UP + 1, WARM_UP + 1 + COUNTED].contains(&entry.id().seq)
            // However often one pass may encode it.
            && self.marked.swap(entry.id().seq, Ordering::Relaxed) != entry.id().seq
        {
            mark();
        }
        self.encoder.encode(events, position)
    }

    fn decoder(&self) -> Option<Box<dyn Decoder>> {
        self.encoder.decoder()
    }
}
