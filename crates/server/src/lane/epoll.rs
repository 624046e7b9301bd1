//! The epoll of a lane, which tokio's epoll watches.
//!
//! A socket is registered here edge-triggered. It costs an entry in the kernel, but no task, no waker and no
//! registration with tokio.

use std::io;
use std::os::fd::AsRawFd;
use std::task::{Context, Poll};
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Events, Interest, Token};
use socket2::Socket;
use tokio::io::unix::AsyncFd;

/// The key of all listeners, which no connection has.
pub(super) const LISTENER: usize = usize::MAX;

/// An epoll instance.
pub(super) struct Epoll {
    poll: AsyncFd<mio::Poll>,
    events: Events,
}

/// The events of a socket.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ready {
    pub(super) key: usize,
    pub(super) is_readable: bool,
    /// Whether the peer has closed its side.
    pub(super) is_closed: bool,
    pub(super) is_writable: bool,
    /// Whether the socket can no longer be written, because the peer has reset the connection.
    pub(super) is_broken: bool,
}

/// The most sockets that one poll returns.
const EVENTS: usize = 1024;

impl Epoll {
    /// Needs a tokio runtime.
    pub(super) fn new() -> io::Result<Self> {
        let poll = mio::Poll::new()?;
        // SAFETY: the descriptor must stay open and the same for as long as it is registered. The poll
        // owns it, and the `AsyncFd` owns the poll and never gives it out by value. When the `AsyncFd` is
        // dropped, it deregisters the descriptor first.
        #[allow(unsafe_code)]
        let poll = unsafe { AsyncFd::register(poll) }?;
        Ok(Self { poll, events: Events::with_capacity(EVENTS) })
    }

    /// Watches a socket for input, under this key.
    pub(super) fn watch(&self, socket: &Socket, key: usize) -> io::Result<()> {
        let descriptor = socket.as_raw_fd();
        let registry = self.poll.get_ref().registry();
        registry.register(&mut SourceFd(&descriptor), Token(key), Interest::READABLE)
    }

    /// Also watches a full socket for writability. Sockets are not watched for it from the beginning, because each
    /// would then be reported once as writable, and most are never full.
    pub(super) fn watch_room(&self, socket: &Socket, key: usize) -> io::Result<()> {
        let both = Interest::READABLE | Interest::WRITABLE;
        let descriptor = socket.as_raw_fd();
        let registry = self.poll.get_ref().registry();
        registry.reregister(&mut SourceFd(&descriptor), Token(key), both)
    }

    /// Stops watching a socket.
    pub(super) fn forget(&self, socket: &Socket) {
        let descriptor = socket.as_raw_fd();
        // It fails only if epoll no longer has the socket.
        let _ = self.poll.get_ref().registry().deregister(&mut SourceFd(&descriptor));
    }

    /// Appends the sockets with events to `ready`. Pending if there are none.
    pub(super) fn poll(
        &mut self,
        context: &mut Context<'_>,
        ready: &mut Vec<Ready>,
    ) -> Poll<io::Result<()>> {
        let mut guard = std::task::ready!(self.poll.poll_read_ready_mut(context))?;
        guard.get_inner_mut().poll(&mut self.events, Some(Duration::ZERO))?;
        ready.extend(self.events.iter().map(|event| Ready {
            key: event.token().0,
            is_readable: event.is_readable(),
            is_closed: event.is_read_closed(),
            is_writable: event.is_writable(),
            is_broken: event.is_write_closed(),
        }));
        if ready.len() < EVENTS {
            guard.clear_ready();
        }
        Poll::Ready(Ok(()))
    }
}
