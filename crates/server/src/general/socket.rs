//! The socket of a connection on the general path.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use tidings_transport::mount::{Observer, WriteDeadline};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

use super::secured::Secured;
use super::stream::Stream;
use crate::connection_limit::ConnectionPermit;
use crate::handover::{Admitted, HandOver};
use crate::listener::ListenerRef;
use crate::peer_end::PeerEnd;

/// A socket with its permit, and the bytes that were read from it and not used.
pub(crate) struct Socket {
    pub(crate) io: WriteDeadline<Stream>,
    pub(crate) tls: Option<Secured>,
    /// Bytes that were read and not used. Reads return them first.
    pub(crate) early: BytesMut,
    /// Counts deliveries and goodbyes of the client.
    pub(crate) observer: Arc<dyn Observer>,
    pub(crate) listener: ListenerRef,
    pub(crate) permit: ConnectionPermit,
    pub(crate) peer_end: PeerEnd,
}

/// If more bytes than this were read and not used, a peer that is not read is not read further.
const MAX_EARLY: usize = 16 << 10;

/// What follows after a response.
pub(crate) enum AfterResponse {
    /// The connection is read for its next request.
    NextRequest(Socket),
    /// The connection is closed in stages.
    Close(Socket),
    /// The connection was handed over, or has ended.
    Done,
}

/// What a peer has done while its input is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PeerState {
    /// It has closed its side. It may still read.
    HalfClosed,
    /// It has reset the connection.
    Gone,
}

impl Socket {
    /// Reads more bytes into `early`. Their number is 0 if the peer has closed its side.
    ///
    /// Cancel safe.
    pub(crate) async fn fill(&mut self) -> io::Result<usize> {
        let Self { io, tls, early, .. } = self;
        if let Some(tls) = tls {
            return poll_fn(|context| tls.poll_open(Pin::new(io), context, early)).await;
        }
        early.reserve(4096);
        io.read_buf(early).await
    }

    /// Performs the TLS handshake, if the connection has TLS and none was performed.
    pub(crate) async fn handshake(&mut self) -> io::Result<()> {
        let Self { io, tls, early, .. } = self;
        let Some(tls) = tls else { return Ok(()) };
        poll_fn(|context| tls.poll_handshake(Pin::new(io), context, early)).await
    }

    /// Writes all of these bytes, and flushes them.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes).await?;
        self.flush().await
    }

    /// Flushes the connection and removes it from tokio, so that a lane can serve it.
    ///
    /// # Errors
    /// Fails if the socket cannot be removed from tokio, or the connection is broken.
    pub(crate) async fn into_hand_over(mut self) -> io::Result<HandOver> {
        self.flush().await?;
        let Self { io, tls, early, listener, permit, .. } = self;
        let (socket, tls) = (io.into_inner().into_socket()?, tls.map(Secured::into_session));
        let connection = Admitted { socket, tls, listener, permit };
        Ok(HandOver { connection, input: early.freeze() })
    }

    /// Waits until the peer closes its side or resets the connection. Bytes that the peer sends stay in the socket, and
    /// a close after them is not noticed. With TLS, some of them are read, because they may be the `close_notify`. Then
    /// the end of the stream is another close.
    ///
    /// Cancel safe.
    pub(crate) async fn peer(&mut self) -> PeerState {
        let reads_tls = self.tls.is_some() && self.peer_end == PeerEnd::None;
        let has_input = match self.peer_end {
            PeerEnd::Stream => Ok(true),
            _ if !reads_tls => self.io.get_ref().has_input().await,
            _ if self.early.len() > MAX_EARLY => Ok(true),
            _ => self.fill().await.map(|count| count > 0),
        };
        match has_input {
            Ok(false) => {
                self.peer_end = if reads_tls { PeerEnd::Notified } else { PeerEnd::Stream };
                PeerState::HalfClosed
            }
            Ok(true) => self.broken().await,
            Err(error) => self.gone(&error),
        }
    }

    /// Counts a peer as cut off if the system has ended the connection for its timeout: see
    /// [`prepare`](crate::listener::prepare).
    fn gone(&self, error: &io::Error) -> PeerState {
        if error.kind() == io::ErrorKind::TimedOut {
            self.observer.cut_off();
        }
        PeerState::Gone
    }

    /// Makes the system discard the unsent bytes when the socket is closed, if this error says that the peer has stopped
    /// reading. Otherwise it would keep them, and go on sending for as long as the peer reads some now and then.
    pub(crate) fn drop_unsent_if_stalled<T>(&self, ended: &io::Result<T>) {
        if matches!(ended, Err(error) if error.kind() == io::ErrorKind::TimedOut) {
            // An error means that the connection is gone.
            let _ = self.io.get_ref().as_socket().set_linger(Some(Duration::ZERO));
        }
    }

    /// Waits until the peer has reset the connection.
    ///
    /// Cancel safe.
    pub(crate) async fn broken(&self) -> PeerState {
        // On other systems the next write fails.
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if self.io.get_ref().ready(tokio::io::Interest::ERROR).await.is_ok() {
            return match self.io.get_ref().take_error() {
                Ok(Some(error)) => self.gone(&error),
                _ => PeerState::Gone,
            };
        }
        std::future::pending().await
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { io, tls, early, .. } = &mut *self;
        if early.is_empty() {
            let Some(tls) = tls else { return Pin::new(io).poll_read(context, buffer) };
            let opened = ready!(tls.poll_open(Pin::new(io), context, early));
            if let Err(error) = opened {
                let failed = Err(error);
                self.drop_unsent_if_stalled(&failed);
                return Poll::Ready(failed);
            }
        }
        let count = early.len().min(buffer.remaining());
        buffer.put_slice(&early.split_to(count));
        if early.is_empty() {
            // A quiet connection keeps no buffer.
            *early = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Self { io, tls, .. } = &mut *self;
        let written = ready!(match tls {
            None => Pin::new(io).poll_write(context, bytes),
            Some(tls) => tls.poll_write(Pin::new(io), context, bytes),
        });
        self.drop_unsent_if_stalled(&written);
        Poll::Ready(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { io, tls, .. } = &mut *self;
        if let Some(tls) = tls {
            let sent = ready!(tls.poll_send(Pin::new(&mut *io), context));
            if sent.is_err() {
                self.drop_unsent_if_stalled(&sent);
                return Poll::Ready(sent);
            }
        }
        Pin::new(io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self { io, tls, .. } = &mut *self;
        if let Some(tls) = tls {
            let sent = ready!(tls.poll_close(Pin::new(&mut *io), context));
            if sent.is_err() {
                self.drop_unsent_if_stalled(&sent);
                return Poll::Ready(sent);
            }
        }
        Pin::new(io).poll_shutdown(context)
    }
}

/// A socket that hyper borrows for one request, on the same thread.
#[derive(Clone)]
pub(crate) struct Lent(Rc<RefCell<Loan>>);

struct Loan {
    socket: Socket,
    may_write: bool,
}

impl Lent {
    pub(crate) fn new(socket: Socket) -> Self {
        Self(Rc::new(RefCell::new(Loan { socket, may_write: false })))
    }

    /// Lets hyper's writes reach the peer from now on. Earlier writes are discarded: they are hyper's own response to a
    /// request that it rejects, which has no body.
    pub(crate) fn allow_writes(&self) {
        self.0.borrow_mut().may_write = true;
    }

    /// Whether a write waits for the peer.
    pub(crate) fn is_waiting(&self) -> bool {
        self.0.borrow().socket.io.is_waiting()
    }

    /// `None` if hyper has not released the socket.
    pub(crate) fn into_socket(self) -> Option<Socket> {
        Rc::into_inner(self.0).map(|loan| loan.into_inner().socket)
    }
}

impl AsyncRead for Lent {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.borrow_mut().socket).poll_read(context, buffer)
    }
}

impl AsyncWrite for Lent {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut loan = self.0.borrow_mut();
        if !loan.may_write {
            return Poll::Ready(Ok(bytes.len()));
        }
        Pin::new(&mut loan.socket).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.borrow_mut().socket).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0.borrow_mut().socket).poll_shutdown(context)
    }
}
