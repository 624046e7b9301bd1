//! Systems without io_uring.

use std::convert::Infallible;
use std::io;
use std::os::fd::BorrowedFd;

/// Sends to many sockets at once. There is none on this system.
#[derive(Debug)]
pub struct Batch(Infallible);

impl Batch {
    /// Nothing to be had here.
    ///
    /// # Errors
    /// Always, on this system.
    pub fn new() -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Cannot be called, for there is no batch.
    pub fn send<'a>(
        &mut self,
        _: impl IntoIterator<Item = (BorrowedFd<'a>, &'a [u8])>,
        _: impl FnMut(usize, io::Result<usize>),
    ) {
        match self.0 {}
    }
}
