//! Sends the bytes of a stream as its window allows.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use h2::{Reason, SendStream};
use tidings_transport::mount::Observer;
use tokio::time::timeout;

use super::{SEND_BUFFER, io_error};

/// The sending side of a stream. A write that waits for the window for longer than the deadline fails, and each part
/// that is sent starts the deadline again.
pub(super) struct Window<'a> {
    pub(super) stream: SendStream<Bytes>,
    pub(super) deadline: Duration,
    pub(super) observer: &'a dyn Observer,
}

impl Window<'_> {
    /// Sends these bytes. With `is_last` the stream ends after them.
    ///
    /// Not cancel safe: if the future is dropped, a part of the bytes was sent.
    ///
    /// # Errors
    /// Fails if the stream or its connection has ended, or if the peer reads nothing for the deadline. In the second
    /// case the stream is reset, which drops the bytes that wait for the socket.
    pub(super) async fn send(&mut self, mut bytes: Bytes, is_last: bool) -> io::Result<()> {
        if bytes.is_empty() && is_last {
            return self.stream.send_data(bytes, true).map_err(io_error);
        }
        while !bytes.is_empty() {
            let room = poll_fn(|context| poll_room(&mut self.stream, bytes.len(), context));
            let Ok(room) = timeout(self.deadline, room).await else {
                self.observer.cut_off();
                self.stream.send_reset(Reason::CANCEL);
                return Err(io::ErrorKind::TimedOut.into());
            };
            let part = bytes.split_to(room?.min(bytes.len()));
            self.stream.send_data(part, is_last && bytes.is_empty()).map_err(io_error)?;
        }
        Ok(())
    }

    /// Waits until the peer resets the stream, or the connection ends.
    ///
    /// Cancel safe.
    pub(super) async fn reset(&mut self) {
        // Both results end the stream.
        let _ = poll_fn(|context| self.stream.poll_reset(context)).await;
    }
}

/// Waits until at least one of `wanted` bytes can be sent, and returns how many can.
///
/// # Errors
/// Fails if the stream or its connection has ended.
pub(super) fn poll_room(
    stream: &mut SendStream<Bytes>,
    wanted: usize,
    context: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    stream.reserve_capacity(wanted.min(SEND_BUFFER));
    loop {
        match stream.capacity() {
            0 => match ready!(stream.poll_capacity(context)) {
                Some(Ok(_)) => {}
                Some(Err(error)) => return Poll::Ready(Err(io_error(error))),
                None => return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            },
            room => return Poll::Ready(Ok(room)),
        }
    }
}
