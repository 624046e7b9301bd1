//! Sends the bytes of a pass to their sockets, one by one or many in one system call.

use std::io;
use std::os::fd::BorrowedFd;

use rustix::net::{SendFlags, send};
use tidings_batch::Batch;

/// Does not block, and raises no signal if the peer is gone: the result shows that.
pub(super) const FLAGS: SendFlags = SendFlags::NOSIGNAL.union(SendFlags::DONTWAIT);

/// Reports the result of each send, in order. Does not block.
#[derive(Debug)]
pub(crate) enum Sender {
    /// One system call each.
    OneByOne,
    /// One system call for many.
    Batched(Box<Batch>),
}

impl Sender {
    /// Returns a sender that batches if that is wanted and the kernel can. It stays on the thread that makes it.
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
