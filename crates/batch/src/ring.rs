//! The ring. All that is unsafe in it is to lend the kernel bytes, and they are lent for one call.

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsRawFd, BorrowedFd};

use io_uring::{IoUring, Probe, opcode, squeue, types};

/// How many sends go in one system call. Far beyond it nothing more is saved, and a thread that sends to many
/// looks at its other work in between.
const SENDS: usize = 256;

/// What a place among the results holds until the kernel has answered.
const OPEN: i32 = i32::MIN;

/// Never blocks, and never raises a signal where the peer is gone.
const FLAGS: i32 =
    (rustix::net::SendFlags::DONTWAIT.bits() | rustix::net::SendFlags::NOSIGNAL.bits()) as i32;

/// Sends to many sockets at once. It belongs to the thread that made it.
pub struct Batch {
    ring: IoUring,
    /// What each send of the present call came to, as the kernel says it: bytes, or an error negated.
    results: Vec<i32>,
    /// The kernel takes calls from the thread alone that made the ring.
    _of_one_thread: PhantomData<*const ()>,
}

impl Batch {
    /// A ring of this thread's own; about 20 KiB that the kernel shares with it.
    ///
    /// # Errors
    /// Where the kernel has no io_uring with sends, or refuses it. That is no fault: write one by one then.
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
        // Some sandboxes allow a ring to be made, and not to be entered.
        batch.push(&opcode::Nop::new().build());
        batch.ring.submit_and_wait(1)?;
        batch.ring.completion().for_each(drop);
        Ok(batch)
    }

    /// Sends each of these bytes to its socket, and then says of each, in the order given, how many bytes the
    /// socket took; [`WouldBlock`](io::ErrorKind::WouldBlock) where it is full. Never waits for a peer.
    pub fn send<'a>(
        &mut self,
        sends: impl IntoIterator<Item = (BorrowedFd<'a>, &'a [u8])>,
        mut done: impl FnMut(usize, io::Result<usize>),
    ) {
        let mut sends = sends.into_iter();
        let mut first = 0;
        loop {
            // Foreign code runs here and in `done`, and never between lending bytes and getting them back.
            let mut lent = Vec::with_capacity(SENDS.min(sends.size_hint().0.max(1)));
            lent.extend(sends.by_ref().take(SENDS));
            self.lend(&lent);
            for (index, &result) in self.results.iter().enumerate() {
                done(first + index, outcome(result));
            }
            if lent.len() < SENDS {
                return;
            }
            first += SENDS;
        }
    }

    /// One call: returns when the kernel has answered all of it.
    fn lend(&mut self, sends: &[(BorrowedFd<'_>, &[u8])]) {
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
        let mut answered = 0;
        while answered < sends.len() {
            match self.ring.submit_and_wait(sends.len() - answered) {
                Ok(_) => {}
                Err(error) if is_passing(&error) => {}
                // The kernel may still read the bytes, and nobody can say until when: to return would give
                // them back to their owner under its eyes. A ring that was made does not fail otherwise.
                Err(error) => give_up(&format!("cannot be entered: {error}")),
            }
            for answer in self.ring.completion() {
                if let Some(result) = self.results.get_mut(answer.user_data() as usize) {
                    *result = answer.result();
                    answered += 1;
                }
            }
        }
    }

    /// Puts a send into the queue, which has room for all of one call: each call leaves it empty.
    #[allow(unsafe_code)]
    fn push(&mut self, entry: &squeue::Entry) {
        // SAFETY: what the entry points to must live until the kernel has answered it. `lend` borrows the
        // bytes and returns only once every entry that it pushed is answered, or not at all.
        let pushed = unsafe { self.ring.submission().push(entry) };
        if pushed.is_err() {
            give_up("has no room, and each call leaves it empty");
        }
    }
}

/// Ends the process, where to go on would let the kernel read bytes that are somebody else's by then.
fn give_up(why: &str) -> ! {
    eprintln!("tidings: the io_uring of this thread {why}");
    std::process::abort();
}

/// Whether the same call may succeed at once: it was interrupted, or the kernel was short of something.
fn is_passing(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let passing = [Errno::INTR, Errno::AGAIN, Errno::BUSY, Errno::NOMEM];
    Errno::from_io_error(error).is_some_and(|errno| passing.contains(&errno))
}

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

    /// Where the kernel refuses io_uring there is nothing to test; the probe has said so.
    fn batch() -> Option<Batch> {
        Batch::new().inspect_err(|error| eprintln!("no io_uring here: {error}")).ok()
    }

    #[test]
    fn more_sends_than_a_call_takes_all_arrive_and_are_told_in_order() {
        let Some(mut batch) = batch() else { return };
        let pairs: Vec<_> = (0..SENDS * 2 + 3).map(|_| UnixStream::pair().unwrap()).collect();
        let words: Vec<_> = (0..pairs.len()).map(|index| format!("to {index}")).collect();
        let sends =
            pairs.iter().zip(&words).map(|((ours, _), word)| (ours.as_fd(), word.as_bytes()));
        let mut told = Vec::new();
        batch.send(sends, |index, sent| told.push((index, sent.unwrap())));
        let expected: Vec<_> = words.iter().map(String::len).enumerate().collect();
        assert_eq!(told, expected);
        for ((ours, mut theirs), word) in pairs.into_iter().zip(words) {
            drop(ours);
            let mut heard = String::new();
            theirs.read_to_string(&mut heard).unwrap();
            assert_eq!(heard, word);
        }
    }

    #[test]
    fn a_full_socket_and_a_closed_one_are_told_and_disturb_nobody() {
        let Some(mut batch) = batch() else { return };
        let (full, _held) = UnixStream::pair().unwrap();
        let (broken, gone) = UnixStream::pair().unwrap();
        let (well, mut theirs) = UnixStream::pair().unwrap();
        drop(gone);
        let much = vec![0; 1 << 20];
        let mut first = 0;
        batch.send([(full.as_fd(), &much[..])], |_, sent| first = sent.unwrap());
        assert!(first < much.len(), "a part of it");

        let sends = [(full.as_fd(), &much[..]), (broken.as_fd(), b"x"), (well.as_fd(), b"y")];
        let mut told = Vec::new();
        batch.send(sends, |_, sent| told.push(sent.map_err(|error| error.kind())));
        let expected = [Err(io::ErrorKind::WouldBlock), Err(io::ErrorKind::BrokenPipe), Ok(1)];
        assert_eq!(told, expected);
        let mut heard = [0];
        theirs.read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"y");
    }

    #[test]
    fn nothing_to_send_is_no_call() {
        let Some(mut batch) = batch() else { return };
        batch.send([], |_, _| panic!("there was nothing"));
    }
}
