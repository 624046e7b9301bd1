//! The server's path from the log to sockets, through its public interface.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use tidings_core::{Event, Id, Notification};
use tidings_counts::mark::mark;
use tidings_counts::{json, topic};
use tidings_sse::Sse;
use tidings_transport::{Accepted, Decoder, Encoder, Rejection, SubscribeRequest, Transport};

use crate::served::{ASLEEP, Client, Served, quiet_hub};

/// Clients of each of the two transports.
const CLIENTS: usize = 64;

/// Publishes before those that count: what grows once has grown by then.
const WARM_UP: u64 = 8;

/// Publishes that count.
const COUNTED: u64 = 64;

const SSE: &str = "GET /topics/orders.new?after=earliest HTTP/1.1\r\nHost: hub\r\n\
    Accept: text/event-stream\r\n\r\n";

const WEBSOCKET: &str = "GET /topics/orders.new?after=earliest HTTP/1.1\r\nHost: hub\r\n\
    Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// One publish after the other, each until the last of 64 clients by SSE and 64 by WebSocket has it.
/// Counted are the instructions of the hub's thread, from the encoding for SSE of one pass to that of a
/// later one: as many whole passes, wherever in a pass that is.
pub(crate) fn lane_128() {
    let hub = quiet_hub();
    let served = Served::new(hub.clone(), Marking::default());
    let requests = [SSE, WEBSOCKET].into_iter().cycle().take(2 * CLIENTS);
    let connect = |request: &str| {
        let mut client = Client::connect(served.address);
        client.request(request);
        client
    };
    let mut clients: Vec<_> = requests.map(connect).collect();
    // Counting begins within the first pass after the warm-up, and ends within the last of all.
    for number in 0..=WARM_UP + COUNTED {
        let end = format!("publish {number:04}");
        let published = hub.publish(Notification::text(topic(), json() + &end)).try_outcome();
        published.expect("it has no broker").expect("it is open");
        clients.iter_mut().for_each(|client| client.read_until(&end));
        thread::sleep(ASLEEP);
    }
    drop(clients);
    served.stop();
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
    fn opening(&self, position: Option<Id>, heartbeat: Duration) -> Bytes {
        self.encoder.opening(position, heartbeat)
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
