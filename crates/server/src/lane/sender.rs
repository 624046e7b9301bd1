//! How the bytes of a pass get to their sockets: one by one, or many in one system call.

use std::io;
use std::os::fd::BorrowedFd;

use rustix::net::{SendFlags, send};
use tidings_batch::Batch;

/// Never waits, and raises no signal where the peer is gone: that is told by the outcome.
pub(super) const FLAGS: SendFlags = SendFlags::NOSIGNAL.union(SendFlags::DONTWAIT);

/// Both ways say of each send, in order, what it came to, and neither ever waits.
#[derive(Debug)]
pub(crate) enum Sender {
    /// One system call each.
    OneByOne,
    /// One system call for many.
    Batched(Box<Batch>),
}

impl Sender {
    /// Batches where they are wanted and the kernel has them. It stays on the thread that makes it.
    pub(crate) fn new(wants_batches: bool) -> Self {
        if !wants_batches {
            return Self::OneByOne;
        }
        match Batch::new() {
            Ok(batch) => Self::Batched(Box::new(batch)),
            Err(error) => {
                tracing::debug!(%error, "no io_uring: one write each");
                Self::OneByOne
            }
        }
    }

    /// Sends each of these bytes to its socket.
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
