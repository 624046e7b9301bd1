//! The WebSocket handshake: from the bytes of the request to the response, and the pass after it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use http::request::Parts;
use tidings_counts::mark::mark;
use tidings_transport::{Accepted, Rejection, SubscribeRequest, Transport};
use tidings_websocket::WebSocket;

use crate::served::{ASLEEP, Client, Served, quiet_hub};

/// The number of handshakes before those that are counted, so that all buffers have grown.
const WARM_UP: usize = 8;

/// The number of handshakes that are counted.
const COUNTED: usize = 64;

/// The request of a browser on the live page, with the subprotocol.
const REQUEST: &str = "GET /topics/orders.new HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\
    Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Protocol: tidings.v1\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// Sends one handshake after another, each on a connection that is already accepted, so that each is one turn of the
/// lane. Counts the instructions of the server's thread, from the middle of one handshake to the middle of a later one.
pub(crate) fn accept_websocket() {
    let served = Served::new(quiet_hub(), Marking::default());
    let mut clients: Vec<_> =
        (0..=WARM_UP + COUNTED).map(|_| Client::connect(served.address)).collect();
    for client in &mut clients {
        thread::sleep(ASLEEP);
        client.request(REQUEST);
    }
    drop(clients);
    served.stop();
}

/// WebSocket transport that calls [`mark`] at the beginning and at the end of counting.
#[derive(Debug, Default)]
struct Marking {
    websocket: WebSocket,
    accepted: AtomicUsize,
}

impl Transport for Marking {
    fn name(&self) -> &'static str {
        self.websocket.name()
    }

    fn claims(&self, request: &Parts) -> bool {
        self.websocket.claims(request)
    }

    fn accept(&self, request: &Parts, subscribe: &SubscribeRequest) -> Result<Accepted, Rejection> {
        if [WARM_UP, WARM_UP + COUNTED].contains(&self.accepted.fetch_add(1, Ordering::Relaxed)) {
            mark();
        }
        self.websocket.accept(request, subscribe)
    }
}
