//! A forwarder by which clients of a scenario that speak plain HTTP/1.1 reach a server that compresses. It adds to
//! their requests that they accept compression, and decodes what the server sends. So every scenario checks the decoded
//! bytes, and the forwarder checks that they are well-formed: it panics at whatever a receiver could not decode.

mod gunzip;
mod requests;
mod responses;
mod websocket;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::timeout;

pub(crate) use self::gunzip::Gunzip;
use self::requests::Requests;
use self::responses::Responses;
pub(crate) use self::websocket::Frames;
use super::forwarder::{forward_both, set_buffers};

/// The requests of a connection whose responses have not come yet, in their order.
type Pending = Arc<Mutex<VecDeque<Added>>>;

/// What the forwarder has added to a request, so what it decodes of the response.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Added {
    encoding: bool,
    extension: bool,
    /// The request is a `HEAD`, so its response has no body.
    is_head: bool,
    /// The query of the request has `compression=off`, so nothing may be compressed.
    is_off: bool,
}

/// Whether a connection of the forwarder has failed.
#[derive(Clone, Default)]
pub(crate) struct Failure(Arc<AtomicBool>);

impl Failure {
    /// Panics if a connection has failed.
    pub(crate) fn check(&self) {
        assert!(!self.0.load(Ordering::Acquire), "the forwarder has failed; its panic is above");
    }
}

/// How long the connections may take to forward the last bytes of a server that has ended.
const LAST_BYTES: Duration = Duration::from_millis(100);

/// Accepts connections until `server_ended`, and forwards each to the server. Each socket has buffers of `buffer`
/// bytes.
pub(crate) async fn forward(
    listener: TcpListener,
    server: SocketAddr,
    buffer: usize,
    failure: Failure,
    mut server_ended: oneshot::Receiver<()>,
) {
    let mut connections = JoinSet::new();
    loop {
        let client = tokio::select! {
            accepted = listener.accept() => accepted.unwrap().0,
            _ = &mut server_ended => break,
        };
        let failure = failure.clone();
        let forwarding = AssertUnwindSafe(forward_one(client, server, buffer)).catch_unwind();
        connections.spawn(async move {
            if forwarding.await.is_err() {
                failure.0.store(true, Ordering::Release);
            }
        });
    }
    drop(listener);
    let ended = async { while connections.join_next().await.is_some() {} };
    let _ = timeout(LAST_BYTES, ended).await;
}

/// Appends to `out` the next bytes of the input, `rest` at most. Returns `true` if there are no more to forward.
fn forward_rest(input: &mut &[u8], rest: &mut usize, out: &mut Vec<u8>) -> bool {
    let (now, later) = input.split_at(input.len().min(*rest));
    out.extend_from_slice(now);
    *input = later;
    *rest -= now.len();
    *rest == 0
}

/// Moves bytes of the input to a part of this length. Returns `true` if it has them all.
fn take(input: &mut &[u8], part: &mut Vec<u8>, length: usize) -> bool {
    let mut rest = length - part.len();
    forward_rest(input, &mut rest, part)
}

async fn forward_one(client: TcpStream, server: SocketAddr, buffer: usize) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    set_buffers(&client, &server, buffer);
    let pending = Pending::default();
    let changes = (Requests::new(pending.clone()), Responses::new(pending));
    forward_both(client, server, |server| server, changes).await;
}
