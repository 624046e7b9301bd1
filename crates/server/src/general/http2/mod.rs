//! One HTTP/2 connection (RFC 9113). It is one task, which serves all of its streams.
//!
//! ```text
//! socket ─► h2 ─┬─ stream ─► head: well-formed? ─► routes ─► the response, as its window allows
//!               ├─ stream ─► …                         └─► a subscriber, until it leaves
//! ```
//!
//! The crate `h2`, on which hyper is built, implements the protocol. hyper cannot end a stream whose window stays
//! closed, because its tasks wait for the window without a limit. Here each stream has the write deadline, so a peer
//! that reads some of its streams and not others loses only the others.

mod body;
mod duplex;
mod head;
mod stream;
mod window;

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use h2::server::{Builder, Connection};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep_until, timeout};

use super::socket::Socket;
use crate::config::Config;
use crate::listener::ListenerRef;
use crate::shared::Shared;

/// The bytes with which a client begins an HTTP/2 connection (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How many bytes of a stream a peer may send before they are read. It is the initial window of RFC 9113.
const STREAM_WINDOW: u32 = (1 << 16) - 1;

/// How many bytes of all streams of a connection together a peer may send before they are read. This is more than for
/// one stream, because a stream whose bytes are not read yet, such as a WebSocket whose message the application is
/// handling, must not stop the others.
const CONNECTION_WINDOW: u32 = 1 << 20;

/// The most bytes of a stream that wait for the socket.
pub(super) const SEND_BUFFER: usize = 1 << 16;

/// The most streams that the peer may reset before they are begun. After that the connection ends (CVE-2023-44487).
const PENDING_RESETS: usize = 20;

/// The most streams of a connection that are reset because the peer violated the protocol. After that the connection
/// ends (RUSTSEC-2024-0003).
const ERROR_RESETS: usize = 1024;

/// How long a connection without streams may take to end after the peer was sent a `GOAWAY`.
const LINGER: Duration = Duration::from_secs(2);

/// The part of a connection that its streams need.
#[derive(Clone, Copy)]
pub(super) struct Peer {
    listener: ListenerRef,
    /// Whether it is over the limit, so that its only response is `503`.
    is_surplus: bool,
    /// How long it may be without a stream.
    idle_timeout: Duration,
}

pub(super) fn is_preface(bytes: &[u8]) -> bool {
    bytes.starts_with(PREFACE)
}

/// Whether these bytes are a part of the preface, which more bytes can complete.
pub(super) fn may_become_preface(bytes: &[u8]) -> bool {
    PREFACE.starts_with(bytes)
}

impl Peer {
    pub(super) fn of(socket: &Socket, config: &Config) -> Self {
        let idle_timeout = socket.permit.idle_timeout(config.idle_timeout);
        Self { listener: socket.listener, is_surplus: socket.permit.is_surplus(), idle_timeout }
    }
}

/// Serves an HTTP/2 connection until it ends. `io` begins with the preface, of which nothing was taken.
///
/// After the server has stopped, and after the idle timeout, the peer is sent a `GOAWAY`, and the connection ends with
/// its last stream. The caller closes the socket.
///
/// Not cancel safe: dropping the future ends the streams without a goodbye.
///
/// # Errors
/// Fails if the socket breaks, the peer reads nothing for the write deadline, or it violates the protocol. In the last
/// case it was sent a `GOAWAY` with the reason.
pub(super) async fn serve<S>(io: S, peer: Peer, shared: &Shared) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let config = &shared.config;
    let Ok(begun) = timeout(config.head_deadline, builder(config).handshake(io)).await else {
        return Ok(());
    };
    serve_streams(begun.map_err(io_error)?, peer, shared).await.map_err(io_error)
}

fn builder(config: &Config) -> Builder {
    let mut builder = Builder::new();
    builder
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_concurrent_streams(config.max_streams)
        .max_header_list_size(u32::try_from(config.max_head).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(PENDING_RESETS)
        .max_local_error_reset_streams(Some(ERROR_RESETS))
        .max_send_buffer_size(SEND_BUFFER)
        .enable_connect_protocol();
    builder
}

async fn serve_streams<S>(
    mut connection: Connection<S, Bytes>,
    peer: Peer,
    shared: &Shared,
) -> Result<(), h2::Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut stopping = shared.is_stopping.clone();
    let mut streams = FuturesUnordered::new();
    let (mut is_ending, mut patience) = (false, peer.idle_timeout);
    let mut idle_until = Instant::now() + patience;
    loop {
        // Each branch also drives the connection, because `accept` does and is polled every time.
        let must_end = tokio::select! {
            accepted = connection.accept() => match accepted {
                Some(accepted) => {
                    let (request, respond) = accepted?;
                    streams.push(stream::serve(request, respond, peer, shared));
                    false
                }
                None => return Ok(()),
            },
            Some(()) = streams.next() => {
                idle_until = Instant::now() + patience;
                peer.is_surplus
            }
            _ = stopping.wait_for(|stopping| *stopping), if !is_ending => true,
            () = sleep_until(idle_until), if streams.is_empty() => {
                // The last bytes of a stream may still wait for the socket, which has its own deadline.
                if is_ending && !connection.has_streams() {
                    return Ok(());
                }
                idle_until = Instant::now() + LINGER;
                !connection.has_streams()
            }
        };
        if must_end && !is_ending {
            connection.graceful_shutdown();
            (is_ending, patience) = (true, LINGER);
            idle_until = Instant::now() + patience;
        }
    }
}

fn io_error(error: h2::Error) -> io::Error {
    if error.is_io() {
        return error.into_io().unwrap_or_else(|| io::ErrorKind::BrokenPipe.into());
    }
    io::Error::other(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_preface_is_recognized_once_it_is_complete() {
        let all = [PREFACE, b"\0\0\0"].concat();
        for length in 0..all.len() {
            let bytes = &all[..length];
            assert_eq!(is_preface(bytes), length >= PREFACE.len(), "{length}");
            assert_eq!(may_become_preface(bytes), length <= PREFACE.len(), "{length}");
        }
        for other in ["PRI * HTTP/1.1\r\n", "PRI * HTTP/2.0\r\nHost: hub\r\n", "POST /"] {
            assert!(!is_preface(other.as_bytes()) && !may_become_preface(other.as_bytes()));
        }
    }
}
