//! Closes a connection whose peer may still be sending.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout_at};

use super::socket::Socket;

/// How long the peer may send nothing before the connection is closed. A client that has many uploads under way
/// sends to one of them after the other.
const SILENCE: Duration = Duration::from_secs(30);

/// How long the peer may send nothing if the server stops.
const SILENCE_AT_THE_END: Duration = Duration::from_secs(2);

/// How long the peer may continue to send.
const LINGER: Duration = Duration::from_secs(60);

/// The most bytes that the peer may still send.
const MAX_DISCARDED: usize = 64 << 20;

/// Closes a connection in stages (RFC 9112, section 9.6): first this side, and the whole connection after the peer has
/// closed its side. Input until then is read and discarded, for a bounded time and size. The system responds to input
/// that comes after a close with a reset, and a client that is still sending could lose the response then.
pub(crate) async fn close(mut socket: Socket, is_stopping: bool) {
    if socket.shutdown().await.is_err() {
        return;
    }
    let mut buffer = vec![0; 16 << 10];
    let mut discarded = 0;
    let silence = if is_stopping { SILENCE_AT_THE_END } else { SILENCE };
    let end = Instant::now() + LINGER;
    while discarded < MAX_DISCARDED {
        let until = end.min(Instant::now() + silence);
        match timeout_at(until, socket.read(&mut buffer)).await {
            Ok(Ok(count)) if count > 0 => discarded += count,
            _ => return,
        }
    }
}
