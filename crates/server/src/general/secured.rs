//! TLS on the general path: the session of a connection, and its records that are not sent yet.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::tls::{Opened, Session};

/// The TLS of a connection. It reads and writes through the stream below, which the caller passes to each call.
pub(crate) struct Secured {
    session: Session,
    /// Records that are sealed and not sent yet. At most those of one write and of the handshake.
    unsent: BytesMut,
    is_closed: bool,
}

/// The most that one read takes from the stream below, and the most that one write seals.
const CHUNK: usize = 16 << 10;

impl Secured {
    pub(crate) fn new(session: Session) -> Self {
        Self { session, unsent: BytesMut::new(), is_closed: false }
    }

    /// All records must be sent before: see [`poll_send`](Self::poll_send).
    pub(crate) fn into_session(self) -> Session {
        debug_assert!(self.unsent.is_empty());
        self.session
    }

    /// Reads from the stream below, and appends what the peer has sent to `input`. Returns the number of appended
    /// bytes, which is 0 after the peer has sent `close_notify`. Performs the handshake first if it is not complete.
    ///
    /// # Errors
    /// Fails with [`UnexpectedEof`](io::ErrorKind::UnexpectedEof) if the stream ends without `close_notify`, and with
    /// [`InvalidData`](io::ErrorKind::InvalidData) if the peer violates the protocol. In the second case the alert was
    /// sent if the stream had room.
    pub(crate) fn poll_open(
        &mut self,
        mut io: Pin<&mut (impl AsyncRead + AsyncWrite)>,
        context: &mut Context<'_>,
        input: &mut BytesMut,
    ) -> Poll<io::Result<usize>> {
        let before = input.len();
        while input.len() == before && !self.session.is_ended() {
            ready!(self.poll_records(io.as_mut(), context, input))?;
        }
        Poll::Ready(Ok(input.len() - before))
    }

    /// Performs the handshake. Appends what the peer has sent after it to `input`.
    ///
    /// # Errors
    /// Any error of [`poll_open`](Self::poll_open).
    pub(crate) fn poll_handshake(
        &mut self,
        mut io: Pin<&mut (impl AsyncRead + AsyncWrite)>,
        context: &mut Context<'_>,
        input: &mut BytesMut,
    ) -> Poll<io::Result<()>> {
        while self.session.is_handshaking() && !self.session.is_ended() {
            ready!(self.poll_records(io.as_mut(), context, input))?;
        }
        self.poll_send(io, context)
    }

    /// Reads records once from the stream below, and appends their content to `input`.
    fn poll_records(
        &mut self,
        mut io: Pin<&mut (impl AsyncRead + AsyncWrite)>,
        context: &mut Context<'_>,
        input: &mut BytesMut,
    ) -> Poll<io::Result<()>> {
        // The peer may wait for these records. If the stream is full, it wakes the task when it has room.
        if let Poll::Ready(Err(error)) = self.poll_send(io.as_mut(), context) {
            return Poll::Ready(Err(error));
        }
        let mut chunk = [MaybeUninit::uninit(); CHUNK];
        let mut chunk = ReadBuf::uninit(&mut chunk);
        ready!(io.as_mut().poll_read(context, &mut chunk))?;
        if chunk.filled().is_empty() {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        let mut opened = Opened::default();
        let result = self.session.open(chunk.filled_mut(), &mut opened);
        input.extend_from_slice(&opened.input);
        self.unsent.extend_from_slice(&opened.records);
        let sent = self.poll_send(io, context);
        match (result, sent) {
            (Err(error), _) => Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, error))),
            (Ok(()), Poll::Ready(Err(error))) => Poll::Ready(Err(error)),
            (Ok(()), _) => Poll::Ready(Ok(())),
        }
    }

    /// Seals at most [`CHUNK`] bytes, and sends as much as the stream below takes at once. Returns the number of bytes
    /// that were sealed.
    pub(crate) fn poll_write(
        &mut self,
        mut io: Pin<&mut impl AsyncWrite>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_send(io.as_mut(), context))?;
        let bytes = &bytes[..bytes.len().min(CHUNK)];
        let mut records = Vec::new();
        self.session.seal(bytes, &mut records)?;
        self.unsent = BytesMut::from(&records[..]);
        match self.poll_send(io, context) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            _ => Poll::Ready(Ok(bytes.len())),
        }
    }

    /// Sends the records that are not sent yet.
    pub(crate) fn poll_send(
        &mut self,
        mut io: Pin<&mut impl AsyncWrite>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while !self.unsent.is_empty() {
            let count = ready!(io.as_mut().poll_write(context, &self.unsent))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.unsent.advance(count);
        }
        // A quiet connection has no buffer.
        self.unsent = BytesMut::new();
        Poll::Ready(Ok(()))
    }

    /// Sends `close_notify` after everything else.
    pub(crate) fn poll_close(
        &mut self,
        io: Pin<&mut impl AsyncWrite>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if !std::mem::replace(&mut self.is_closed, true) {
            let mut records = Vec::new();
            self.session.close(&mut records);
            self.unsent.extend_from_slice(&records);
        }
        self.poll_send(io, context)
    }
}
