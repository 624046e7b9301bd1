//! Many non-blocking sends in **one system call**, by Linux' io_uring.
//!
//! ```text
//! [(socket, bytes), (socket, bytes), …] ─► Batch::send ─► one io_uring_enter for up to 256 of them
//!                                                     └─► what each send came to, in order
//! ```
//!
//! A fan-out writes the same bytes to a thousand sockets. What it writes is the kernel's work either way; what
//! a batch saves is to enter and leave the kernel for each of them.
//!
//! [`Batch::new`] is the probe: it fails where the kernel has no io_uring, is older than 6.1, or refuses it
//! (containers often do). Whoever calls it goes on with one `write` each then.
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
//! let mut heard = [0; 5];
//! theirs.read_exact(&mut heard)?;
//! # Ok(())
//! # }
//! ```

#![cfg(target_os = "linux")]

mod ring;

pub use ring::Batch;
