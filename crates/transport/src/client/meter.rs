//! What a client costs on the wire.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What a client costs on the wire, counted at the socket.
#[derive(Debug, Default)]
pub struct Meter {
    /// Bytes received.
    pub received: AtomicU64,
    /// Bytes sent.
    pub sent: AtomicU64,
    /// Requests made, a handshake included.
    pub requests: AtomicU64,
}

/// A byte stream whose bytes are counted.
#[derive(Debug)]
pub struct Metered<T> {
    inner: T,
    meter: Arc<Meter>,
}

impl<T> Metered<T> {
    /// Counts the bytes of `inner` into `meter`, which several streams may share.
    pub fn new(inner: T, meter: Arc<Meter>) -> Self {
        Self { inner, meter }
    }

    /// The byte stream itself.
    pub fn inner(&self) -> &T {
        &self.inner
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Metered<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(cx, buf);
        let read = buf.filled().len() - before;
        self.meter.received.fetch_add(read as u64, Relaxed);
        polled
    }
}

impl<T: AsyncWrite + Unpin> Metered<T> {
    fn count(&self, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(written)) = polled {
            self.meter.sent.fetch_add(written as u64, Relaxed);
        }
        polled
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Metered<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.count(polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        self.count(polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn every_byte_is_counted_once_in_each_direction() {
        let meter = Arc::new(Meter::default());
        let (near, mut far) = tokio::io::duplex(4);
        let mut near = Metered::new(near, meter.clone());
        let far = async {
            far.write_all(b"seven bytes").await.unwrap();
            let mut heard = [0; 5];
            far.read_exact(&mut heard).await.unwrap();
        };
        let near = async {
            let mut heard = [0; 11];
            near.read_exact(&mut heard).await.unwrap();
            near.write_all(b"hello").await.unwrap();
        };
        tokio::join!(near, far);
        assert_eq!(meter.received.load(Relaxed), 11);
        assert_eq!(meter.sent.load(Relaxed), 5);
    }
}
