//! Sends by io_uring.
//!
//! The only unsafe operation is to give the kernel pointers to the caller's bytes. [`Batch::send`] returns, and calls
//! the caller's code, only when the kernel no longer uses them.

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsRawFd, BorrowedFd};

use io_uring::{IoUring, Probe, opcode, squeue, types};

/// The most sends in one system call. More would save little, and between two calls a thread can do other work.
const SENDS: usize = 256;

/// The result of a send that the kernel has not completed.
const OPEN: i32 = i32::MIN;

/// A send never blocks, and does not raise `SIGPIPE` if the peer has closed the connection.
const FLAGS: i32 =
    (rustix::net::SendFlags::DONTWAIT.bits() | rustix::net::SendFlags::NOSIGNAL.bits()) as i32;

/// Sends to many sockets in one system call.
///
/// Only the thread that created it can use it, so it is neither `Send` nor `Sync`.
pub struct Batch {
    ring: IoUring,
    /// The result of each send of the current system call: the number of bytes, or a negated error code.
    results: Vec<i32>,
    /// The kernel accepts calls only from the thread that created the ring.
    _of_one_thread: PhantomData<*const ()>,
}

impl Batch {
    /// Creates a ring for this thread. The kernel shares about 20 KiB of memory with it.
    ///
    /// # Errors
    /// Fails if the kernel's io_uring is missing, has no sends, or may not be used. The caller should then write to
    /// each socket separately.
    pub fn new() -> io::Result<Self> {
        let ring = IoUring::builder()
            .setup_single_issuer()
            .setup_defer_taskrun()
            .dontfork()
            .build(SENDS as u32)?;
        let mut probe = Probe::new();
        ring.submitter().register_probe(&mut probe)?;
        if !probe.is_supported(opcode::Send::CODE) {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let results = Vec::with_capacity(SENDS);
        let mut batch = Self { ring, results, _of_one_thread: PhantomData };
        // Some sandboxes permit creating a ring but not entering it.
        batch.push(&opcode::Nop::new().build());
        batch.ring.submit_and_wait(1)?;
        batch.ring.completion().for_each(drop);
        Ok(batch)
    }

    /// Sends to each socket its bytes, and calls `done` with the index and the result of each send, in their order. The
    /// result is the number of bytes that the socket accepted, which may be fewer than given, or
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) if the socket is full. Never waits for a peer.
    ///
    /// # Aborts
    /// Ends the process if the kernel returns an unexpected error, because it may then still read the bytes.
    pub fn send<'a>(
        &mut self,
        sends: impl IntoIterator<Item = (BorrowedFd<'a>, &'a [u8])>,
        mut done: impl FnMut(usize, io::Result<usize>),
    ) {
        let mut sends = sends.into_iter();
        let mut first = 0;
        loop {
            // The caller's code runs here and in `done`, but never while the kernel uses the bytes.
            let mut portion = Vec::with_capacity(SENDS.min(sends.size_hint().0.max(1)));
            portion.extend(sends.by_ref().take(SENDS));
            self.send_portion(&portion);
            for (index, &result) in self.results.iter().enumerate() {
                done(first + index, outcome(result));
            }
            if portion.len() < SENDS {
                return;
            }
            first += SENDS;
        }
    }

    /// Submits at most [`SENDS`] sends, and waits until the kernel has completed all of them.
    fn send_portion(&mut self, sends: &[(BorrowedFd<'_>, &[u8])]) {
        self.results.clear();
        self.results.resize(sends.len(), OPEN);
        for (index, (socket, bytes)) in sends.iter().enumerate() {
            let length = bytes.len().min(u32::MAX as usize) as u32;
            let entry = opcode::Send::new(types::Fd(socket.as_raw_fd()), bytes.as_ptr(), length)
                .flags(FLAGS)
                .build()
                .user_data(index as u64);
            self.push(&entry);
        }
        let mut completed = 0;
        while completed < sends.len() {
            match self.ring.submit_and_wait(sends.len() - completed) {
                Ok(_) => {}
                Err(error) if is_temporary(&error) => {}
                // The kernel may still read the bytes, and there is no way to find out until when. If this returned,
                // the caller could free them. A working ring does not return such an error.
                Err(error) => abort(&format!("cannot be entered: {error}")),
            }
            for completion in self.ring.completion() {
                if let Some(result) = self.results.get_mut(completion.user_data() as usize) {
                    *result = completion.result();
                    completed += 1;
                }
            }
        }
    }

    /// Adds an entry to the submission queue. The queue has room for [`SENDS`] entries, and each system call empties
    /// it.
    #[allow(unsafe_code)]
    fn push(&mut self, entry: &squeue::Entry) {
        // SAFETY: the bytes that the entry points to must live until the kernel has completed it. `send_portion`
        // borrows the bytes, and returns only when every entry that it pushed is completed. Otherwise it ends the
        // process.
        let pushed = unsafe { self.ring.submission().push(entry) };
        if pushed.is_err() {
            abort("has a full submission queue, which should be empty before each batch");
        }
    }
}

/// Ends the process. Called if the kernel might otherwise read bytes that have been freed.
fn abort(why: &str) -> ! {
    eprintln!("tidings: the io_uring of this thread {why}");
    std::process::abort();
}

/// Whether the call may succeed when it is repeated: it was interrupted, or the kernel lacked resources.
fn is_temporary(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let temporary = [Errno::INTR, Errno::AGAIN, Errno::BUSY, Errno::NOMEM];
    Errno::from_io_error(error).is_some_and(|errno| temporary.contains(&errno))
}

/// Converts the result of a send: a number of bytes, or a negated error code.
fn outcome(result: i32) -> io::Result<usize> {
    match usize::try_from(result) {
        Ok(sent) => Ok(sent),
        Err(_) => Err(io::Error::from_raw_os_error(-result)),
    }
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Batch")
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use super::*;

    /// `None` if the kernel does not permit io_uring. The test then has nothing to check.
    fn batch() -> Option<Batch> {
        Batch::new().inspect_err(|error| eprintln!("no io_uring here: {error}")).ok()
    }

    #[test]
    fn more_sends_than_fit_in_one_call_arrive_and_are_reported_in_order() {
        let Some(mut batch) = batch() else { return };
        let pairs: Vec<_> = (0..SENDS * 2 + 3).map(|_| UnixStream::pair().unwrap()).collect();
        let words: Vec<_> = (0..pairs.len()).map(|index| format!("to {index}")).collect();
        let sends =
            pairs.iter().zip(&words).map(|((ours, _), word)| (ours.as_fd(), word.as_bytes()));
        let mut results = Vec::new();
        batch.send(sends, |index, sent| results.push((index, sent.unwrap())));
        let expected: Vec<_> = words.iter().map(String::len).enumerate().collect();
        assert_eq!(results, expected);
        for ((ours, mut theirs), word) in pairs.into_iter().zip(words) {
            drop(ours);
            let mut received = String::new();
            theirs.read_to_string(&mut received).unwrap();
            assert_eq!(received, word);
        }
    }

    #[test]
    fn a_full_socket_and_a_closed_one_do_not_affect_other_sends() {
        let Some(mut batch) = batch() else { return };
        let (full, _held) = UnixStream::pair().unwrap();
        let (broken, gone) = UnixStream::pair().unwrap();
        let (open, mut theirs) = UnixStream::pair().unwrap();
        drop(gone);
        let much = vec![0; 1 << 20];
        let mut first = 0;
        batch.send([(full.as_fd(), &much[..])], |_, sent| first = sent.unwrap());
        assert!(first < much.len(), "the socket accepted all of it");

        let sends = [(full.as_fd(), &much[..]), (broken.as_fd(), b"x"), (open.as_fd(), b"y")];
        let mut results = Vec::new();
        batch.send(sends, |_, sent| results.push(sent.map_err(|error| error.kind())));
        let expected = [Err(io::ErrorKind::WouldBlock), Err(io::ErrorKind::BrokenPipe), Ok(1)];
        assert_eq!(results, expected);
        let mut received = [0];
        theirs.read_exact(&mut received).unwrap();
        assert_eq!(&received, b"y");
    }

    #[test]
    fn an_empty_list_of_sends_reports_nothing() {
        let Some(mut batch) = batch() else { return };
        batch.send([], |_, _| panic!("nothing was sent"));
    }
}
