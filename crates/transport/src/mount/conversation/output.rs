//! Writes to a client that may read slowly.

use std::io;
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

/// The most bytes of one write. To a stream of HTTP/2, hyper accepts a few writes of any size before it waits for the
/// client.
const MAX_WRITE: usize = 64 << 10;

/// The writing side of a conversation.
pub(super) struct Output<W> {
    pub(super) writer: W,
    pub(super) write_deadline: Duration,
}

impl<W: AsyncWrite + Unpin> Output<W> {
    /// Writes and flushes these bytes. Each write that makes progress starts the deadline again, so a slow client is
    /// not cut off. Fails with [`TimedOut`](io::ErrorKind::TimedOut) if the client reads nothing for the write
    /// deadline.
    pub(super) async fn write(&mut self, mut bytes: Bytes) -> io::Result<()> {
        while !bytes.is_empty() {
            let part = &bytes[..bytes.len().min(MAX_WRITE)];
            let count = timeout(self.write_deadline, self.writer.write(part)).await??;
            if count == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            bytes.advance(count);
        }
        timeout(self.write_deadline, self.writer.flush()).await?
    }

    /// Closes the writing side, within the write deadline.
    pub(super) async fn shutdown(&mut self) -> io::Result<()> {
        timeout(self.write_deadline, self.writer.shutdown()).await?
    }
}
