//! Many non-blocking sends in **one system call**, with Linux's io_uring.
//!
//! ```text
//! [(socket, bytes), (socket, bytes), …] ─► Batch::send ─► one io_uring_enter for up to 256 of them
//!                                                     └─► the result of each send, in order
//! ```
//!
//! A fan-out writes the same bytes to a thousand sockets. The kernel does the same work for each write either way. A
//! batch saves the cost of entering and leaving the kernel for each socket.
//!
//! [`Batch::new`] fails if the kernel has no io_uring, is older than 6.1, or does not permit its use, as in many
//! containers. The caller should then use one `write` for each socket.
//!
//! ```
//! use std::io::Read;
//! use std::os::fd::AsFd;
//! use std::os::unix::net::UnixStream;
//! use tidings_batch::Batch;
//!
//! # fn main() -> std::io::Result<()> {
//! let Ok(mut batch) = Batch::new() else { return Ok(()) };
//! let (ours, mut theirs) = UnixStream::pair()?;
//! batch.send([(ours.as_fd(), &b"hello"[..])], |index, sent| {
//!     assert_eq!((index, sent.ok()), (0, Some(5)));
//! });
//! let mut received = [0; 5];
//! theirs.read_exact(&mut received)?;
//! assert_eq!(&received, b"hello");
//! # Ok(())
//! # }
//! ```

#![cfg(target_os = "linux")]

mod ring;

pub use ring::Batch;
