//! Detects a peer that has stopped reading.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::Observer;

/// A connection on which a write that waits longer than a deadline fails with [`io::ErrorKind::TimedOut`].
///
/// An HTTP server does not detect that the client of an endless body has stopped reading. Wrap the connections that you
/// give to it.
///
/// ```
/// use std::time::Duration;
/// use tidings_transport::mount::WriteDeadline;
///
/// let (connection, _peer) = tokio::io::duplex(64);
/// let connection = WriteDeadline::new(connection, Duration::from_secs(30));
/// ```
#[derive(Debug)]
pub struct WriteDeadline<T> {
    io: T,
    patience: Duration,
    /// The timer that runs while a write waits.
    waiting: Option<Pin<Box<Sleep>>>,
    observer: Option<Arc<dyn Observer>>,
}

impl<T> WriteDeadline<T> {
    /// Wraps a connection on which a write may wait for `patience`.
    pub fn new(io: T, patience: Duration) -> Self {
        Self { io, patience, waiting: None, observer: None }
    }

    /// Sets the observer to which a peer that has stopped reading is reported. The errors that an HTTP server returns
    /// do not show each of them, because it may treat such an error as a normal end.
    pub fn observed_by(self, observer: Arc<dyn Observer>) -> Self {
        Self { observer: Some(observer), ..self }
    }

    /// Returns a reference to the connection.
    pub fn get_ref(&self) -> &T {
        &self.io
    }

    /// Returns a mutable reference to the connection. Writes to it have no deadline.
    pub fn get_mut(&mut self) -> &mut T {
        &mut self.io
    }

    /// Returns the connection.
    pub fn into_inner(self) -> T {
        self.io
    }

    /// Returns `true` if a write waits because the peer does not read.
    pub fn is_waiting(&self) -> bool {
        self.waiting.is_some()
    }

    fn watch<R>(
        &mut self,
        context: &mut Context<'_>,
        written: Poll<io::Result<R>>,
    ) -> Poll<io::Result<R>> {
        if written.is_ready() {
            self.waiting = None;
            return self.observe(written);
        }
        let deadline = Instant::now() + self.patience;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        let late = waiting
            .as_mut()
            .poll(context)
            .map(|()| Err(io::Error::new(io::ErrorKind::TimedOut, "the peer has stopped reading")));
        self.observe(late)
    }

    fn observe<R>(&self, outcome: Poll<io::Result<R>>) -> Poll<io::Result<R>> {
        if let (Some(observer), Poll::Ready(Err(error))) = (&self.observer, &outcome)
            && error.kind() == io::ErrorKind::TimedOut
        {
            observer.cut_off();
        }
        outcome
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for WriteDeadline<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.io).poll_read(context, buffer);
        self.observe(read)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for WriteDeadline<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(context, bytes);
        self.watch(context, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let io = Pin::new(&mut self.io);
        let mut joined = [0; SHORT];
        let written = match join(slices, &mut joined) {
            Some(bytes) => io.poll_write(context, bytes),
            None => io.poll_write_vectored(context, slices),
        };
        self.watch(context, written)
    }
}

/// Slices with at most this many bytes together are joined. hyper writes three slices for each chunk, and copying them
/// costs less than the difference between `writev` and `send`.
const SHORT: usize = 1024;

/// Copies the slices into the buffer. `None` if they do not fit, or there is only one.
fn join<'a>(slices: &[io::IoSlice<'_>], buffer: &'a mut [u8; SHORT]) -> Option<&'a [u8]> {
    let length: usize = slices.iter().map(|slice| slice.len()).sum();
    if slices.len() < 2 || length > SHORT {
        return None;
    }
    let mut at = 0;
    for slice in slices {
        buffer[at..at + slice.len()].copy_from_slice(slice);
        at += slice.len();
    }
    Some(&buffer[..length])
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test(start_paused = true)]
    async fn a_write_that_makes_no_progress_fails_and_a_slow_one_does_not() {
        let (here, mut there) = tokio::io::duplex(10);
        let mut here = WriteDeadline::new(here, Duration::from_secs(5));
        let slow_reader = tokio::spawn(async move {
            let mut buffer = [0; 10];
            for _ in 0..4 {
                tokio::time::sleep(Duration::from_secs(4)).await;
                there.read_exact(&mut buffer).await.unwrap();
            }
            there
        });
        let begun = Instant::now();
        let error = here.write_all(&[0; 60]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(begun.elapsed(), Duration::from_secs(16 + 5));
        drop(slow_reader);
    }
}
