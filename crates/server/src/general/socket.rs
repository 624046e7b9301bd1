//! The socket of a connection on the general path.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::BytesMut;
use tidings_transport::ListenerKind;
use tidings_transport::mount::{Observer, WriteDeadline};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use super::stream::Stream;
use crate::connection_limit::ConnectionPermit;

/// A socket with its permit, and the bytes that were read from it and not used.
pub(crate) struct Socket {
    pub(crate) io: WriteDeadline<Stream>,
    /// Bytes that were read and not used. Reads return them first.
    pub(crate) early: BytesMut,
    /// Counts deliveries and goodbyes of the client.
    pub(crate) observer: Arc<dyn Observer>,
    /// The kind of the listener that accepted it.
    pub(crate) listener: ListenerKind,
    pub(crate) permit: ConnectionPermit,
}

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
    /// Reads more bytes into `early`. Returns their number, which is 0 if the peer has closed its side.
    ///
    /// Cancel safe.
    pub(crate) async fn fill(&mut self) -> io::Result<usize> {
        self.early.reserve(4096);
        self.io.read_buf(&mut self.early).await
    }

    /// Waits until the peer closes its side or resets the connection. Bytes that the peer sends stay in the socket, and
    /// a close after them is not noticed.
    ///
    /// Cancel safe.
    pub(crate) async fn peer(&self) -> PeerState {
        match self.io.get_ref().has_input().await {
            Ok(false) => PeerState::HalfClosed,
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
        if self.early.is_empty() {
            return Pin::new(&mut self.io).poll_read(context, buffer);
        }
        let count = self.early.len().min(buffer.remaining());
        buffer.put_slice(&self.early.split_to(count));
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
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

    /// Returns `true` if a write waits for the peer.
    pub(crate) fn is_waiting(&self) -> bool {
        self.0.borrow().socket.io.is_waiting()
    }

    /// Returns the socket if hyper has released it, otherwise `None`.
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
