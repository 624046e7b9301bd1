//! Sends the bytes of a pass to their sockets, each in one system call or many in one.

use std::io;
use std::os::fd::BorrowedFd;

use rustix::net::{SendFlags, send};
use tidings_batch::Batch;

/// The flags of each send. It does not block, and it returns an error instead of raising a signal if the peer is gone.
pub(super) const FLAGS: SendFlags = SendFlags::NOSIGNAL.union(SendFlags::DONTWAIT);

/// Sends bytes to sockets without blocking, and reports the result of each send in order.
#[derive(Debug)]
pub(crate) enum Sender {
    /// By one system call for each send.
    OneByOne,
    /// By one system call for many sends, with io_uring.
    Batched(Box<Batch>),
}

impl Sender {
    /// Batches if `wants_batches` and the kernel allows io_uring. The sender stays on the thread that creates it.
    pub(crate) fn new(wants_batches: bool) -> Self {
        if !wants_batches {
            return Self::OneByOne;
        }
        match Batch::new() {
            Ok(batch) => Self::Batched(Box::new(batch)),
            Err(error) => {
                tracing::debug!(%error, "io_uring is not available: sends are not batched");
                Self::OneByOne
            }
        }
    }

    /// Sends these bytes to their sockets. Calls `done` with the index and the result of each send.
    pub(super) fn send<'a>(
        &mut self,
        sends: impl IntoIterator<Item = (BorrowedFd<'a>, &'a [u8])>,
        mut done: impl FnMut(usize, io::Result<usize>),
    ) {
        match self {
            Self::OneByOne => {
                for (index, (socket, bytes)) in sends.into_iter().enumerate() {
                    done(index, send(socket, bytes, FLAGS).map_err(io::Error::from));
                }
            }
            Self::Batched(batch) => batch.send(sends, done),
        }
    }
}
