//! A TCP or Unix stream socket that is registered with tokio.

use std::io;
#[cfg(unix)]
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll};

use socket2::{SockRef, Socket};
use tidings_transport::ListenerKind;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf, Ready};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;

/// A stream socket.
#[derive(Debug)]
pub(crate) enum Stream {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

/// Evaluates an expression for a stream of either kind.
macro_rules! either {
    ($stream:expr, $inner:ident => $value:expr) => {
        match $stream {
            Stream::Tcp($inner) => $value,
            #[cfg(unix)]
            Stream::Unix($inner) => $value,
        }
    };
}

impl Stream {
    /// Registers a non-blocking socket with tokio. `listener` is the kind of the listener that has accepted it.
    pub(crate) fn new(socket: Socket, listener: ListenerKind) -> io::Result<Self> {
        match listener {
            #[cfg(unix)]
            ListenerKind::Unix => UnixStream::from_std(socket.into()).map(Self::Unix),
            _ => TcpStream::from_std(socket.into()).map(Self::Tcp),
        }
    }

    /// Removes the registration with tokio.
    pub(crate) fn into_socket(self) -> io::Result<Socket> {
        either!(self, stream => Ok(stream.into_std()?.into()))
    }

    /// For operations that tokio does not offer.
    pub(crate) fn as_socket(&self) -> SockRef<'_> {
        either!(self, stream => SockRef::from(stream))
    }

    /// Waits for input, which stays in the socket. Returns `false` at the end of the stream.
    ///
    /// Cancel safe.
    pub(crate) async fn has_input(&self) -> io::Result<bool> {
        let count = match self {
            Self::Tcp(stream) => stream.peek(&mut [0]).await,
            #[cfg(unix)]
            Self::Unix(stream) => {
                let mut byte = [MaybeUninit::uninit()];
                let mut peek = || SockRef::from(stream).peek(&mut byte);
                stream.async_io(Interest::READABLE, &mut peek).await
            }
        };
        Ok(count? > 0)
    }

    /// Waits until the socket is ready for one of these interests.
    ///
    /// Cancel safe.
    pub(crate) async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        either!(self, stream => stream.ready(interest).await)
    }

    /// Takes the pending error of the socket (`SO_ERROR`).
    pub(crate) fn take_error(&self) -> io::Result<Option<io::Error>> {
        either!(self, stream => stream.take_error())
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        either!(self.get_mut(), stream => Pin::new(stream).poll_read(context, buffer))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        either!(self.get_mut(), stream => Pin::new(stream).poll_write(context, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self.get_mut(), stream => Pin::new(stream).poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self.get_mut(), stream => Pin::new(stream).poll_shutdown(context))
    }
}
