//! The bytes that a socket has not taken yet.

use bytes::{Buf, Bytes, BytesMut};

/// What is to be written to one connection, in order.
#[derive(Debug, Default)]
pub(super) struct Output {
    /// Often a part of bytes that others share.
    unsent: Bytes,
    /// Whether the last write left something, and the socket has not been writable since.
    is_full: bool,
    /// Whether the write deadline runs: from the first write that left something until all is written.
    is_stalled: bool,
}

/// What a write came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// Everything is written.
    All,
    /// Everything is written, and the write deadline no longer runs.
    Recovered,
    /// The socket is full, and the write deadline starts. Each bit of progress starts it again.
    Some,
    /// The socket is full, and nothing was written.
    Nothing,
}

impl Output {
    /// Adds bytes after those that wait.
    pub(super) fn append(&mut self, bytes: Bytes) {
        if self.unsent.is_empty() {
            self.unsent = bytes;
        } else if !bytes.is_empty() {
            self.write_with(|unsent| unsent.extend_from_slice(&bytes));
        }
    }

    /// Has `write` add bytes after those that wait. Copies those only if they are shared.
    pub(super) fn write_with(&mut self, write: impl FnOnce(&mut BytesMut)) {
        let mut unsent = match std::mem::take(&mut self.unsent) {
            empty if empty.is_empty() => BytesMut::new(),
            bytes => bytes.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&shared[..])),
        };
        write(&mut unsent);
        self.unsent = unsent.freeze();
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.unsent
    }

    pub(super) fn len(&self) -> usize {
        self.unsent.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.unsent.is_empty()
    }

    /// Returns `true` if there is something to write, and the socket may take some of it.
    pub(super) fn is_writable(&self) -> bool {
        !self.unsent.is_empty() && !self.is_full
    }

    /// Returns `true` while the write deadline runs.
    pub(super) fn is_stalled(&self) -> bool {
        self.is_stalled
    }

    /// The socket can be written again.
    pub(super) fn mark_writable(&mut self) {
        self.is_full = false;
    }

    /// The socket has taken the first `count` bytes, and no more if there are more.
    pub(super) fn written(&mut self, count: usize) -> Progress {
        if count == self.unsent.len() {
            // Dropped, and not kept as an empty part of bytes that others share.
            self.unsent = Bytes::new();
            self.is_full = false;
            let was_stalled = std::mem::take(&mut self.is_stalled);
            return if was_stalled { Progress::Recovered } else { Progress::All };
        }
        self.unsent.advance(count);
        self.is_full = true;
        let was_stalled = std::mem::replace(&mut self.is_stalled, true);
        if count == 0 && was_stalled { Progress::Nothing } else { Progress::Some }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_written_in_order_whatever_the_socket_takes() {
        let mut output = Output::default();
        output.append(Bytes::from_static(b"ab"));
        output.append(Bytes::from_static(b"cd"));
        output.write_with(|unsent| unsent.extend_from_slice(b"ef"));
        let mut taken = Vec::new();
        for count in [0, 1, 4, 1] {
            taken.extend_from_slice(&output.bytes()[..count]);
            output.written(count);
        }
        assert_eq!(taken, b"abcdef");
        assert!(output.is_empty());
    }

    #[test]
    fn the_write_deadline_starts_with_the_first_byte_that_waits_and_again_with_each_progress() {
        let mut output = Output::default();
        output.append(Bytes::from_static(b"abc"));
        assert!(output.is_writable() && !output.is_stalled());
        assert_eq!(output.written(0), Progress::Some);
        assert!(output.is_stalled() && !output.is_writable());
        output.mark_writable();
        assert!(output.is_stalled() && output.is_writable());
        assert_eq!(output.written(0), Progress::Nothing);
        assert_eq!(output.written(2), Progress::Some);
        assert_eq!(output.written(1), Progress::Recovered);
        output.append(Bytes::from_static(b"d"));
        assert_eq!(output.written(1), Progress::All);
    }
}
