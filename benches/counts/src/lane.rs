//! The server's path from the log to sockets, through its public interface.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use tidings_core::{Event, Hub, Id, Notification};
use tidings_counts::mark::mark;
use tidings_counts::{json, topic};
use tidings_sse::Sse;
use tidings_transport::{Accepted, Decoder, Encoder, Rejection, SubscribeRequest, Transport};

use crate::served::{ASLEEP, Client, Served, quiet_hub};
use crate::tls;

/// The number of clients of each of the two transports.
const CLIENTS: usize = 64;

/// The number of publishes before those that are counted, so that all buffers have grown.
const WARM_UP: u64 = 8;

/// The number of publishes that are counted.
const COUNTED: u64 = 64;

const SSE: &str = "GET /topics/orders.new?after=earliest HTTP/1.1\r\nHost: hub\r\n\
    Accept: text/event-stream\r\n\r\n";

const WEBSOCKET: &str = "GET /topics/orders.new?after=earliest HTTP/1.1\r\nHost: hub\r\n\
    Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// Publishes one notification after another and waits each time until the last of 64 SSE and 64 WebSocket clients has
/// it. Counts the instructions of the server's thread, from the encoding for SSE in one pass to that in a later pass.
/// That is a whole number of passes.
pub(crate) fn lane_128() {
    let hub = quiet_hub();
    let served = Served::new(hub.clone(), Marking::default());
    run_passes(&hub, || Client::connect(served.address));
    served.stop();
}

/// The same over TLS 1.3.
pub(crate) fn lane_tls_128() {
    let hub = quiet_hub();
    let certificate = tls::Certificate::new();
    let served = Served::with_tls(hub.clone(), Marking::default(), &certificate.server());
    run_passes(&hub, || Client::over(certificate.connect(served.address)));
    served.stop();
}

fn run_passes<S: Read + Write>(hub: &Hub, connect: impl Fn() -> Client<S>) {
    let requests = [SSE, WEBSOCKET].into_iter().cycle().take(2 * CLIENTS);
    let subscribe = |request: &str| {
        let mut client = connect();
        client.request(request);
        client
    };
    let mut clients: Vec<_> = requests.map(subscribe).collect();
    // Counting begins in the first pass after the warm-up and ends in the last pass.
    for number in 0..=WARM_UP + COUNTED {
        let end = format!("publish {number:04}");
        let published = hub.publish(Notification::text(topic(), json() + &end)).try_outcome();
        published.expect("the hub has no broker").expect("the hub is open");
        clients.iter_mut().for_each(|client| client.read_until(&end));
        thread::sleep(ASLEEP);
    }
}

/// SSE transport that calls [`mark`] at the beginning and at the end of counting.
#[derive(Debug, Default)]
struct Marking {
    sse: Sse,
    encoder: OnceLock<Arc<dyn Encoder>>,
}

#[derive(Debug)]
struct MarkingEncoder {
    encoder: Arc<dyn Encoder>,
    /// The sequence number at which it last called `mark`.
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
        // The same encoder for all clients, so that they are one group.
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
    fn opening(&self, position: Option<Id>, heartbeat: Duration) -> Bytes {
        self.encoder.opening(position, heartbeat)
    }

    fn encode(&self, events: &[Event], position: Id) -> Bytes {
        if let [Event::Deliver(entry)] = events
            && [WARM_UP + 1, WARM_UP + 1 + COUNTED].contains(&entry.id().seq)
            // Only once, even if a pass encodes the entry several times.
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
