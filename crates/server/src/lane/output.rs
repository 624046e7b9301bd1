//! The unsent bytes of a connection.

use std::io;

use bytes::{Buf, Bytes, BytesMut};

/// The unsent bytes of one connection, in order.
#[derive(Debug, Default)]
pub(super) struct Output {
    /// Often a slice of bytes that are shared with other connections.
    unsent: Bytes,
    /// The number of leading bytes of `unsent` that are TLS records. The others must be sealed before they are written.
    /// Stays 0 without TLS.
    sealed: u32,
    /// Whether the last write left bytes, and the socket has not become writable since.
    is_full: bool,
    /// Whether the write deadline runs. It runs from the first write that left bytes until everything is written.
    is_stalled: bool,
}

/// The outcome of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// Everything is written.
    All,
    /// Everything is written, and the write deadline no longer runs.
    Recovered,
    /// The socket is full, and the write deadline starts again because some bytes were written, or starts for the first
    /// time.
    Some,
    /// The socket is full, and nothing was written.
    Nothing,
}

impl Output {
    /// Appends these bytes.
    pub(super) fn append(&mut self, bytes: Bytes) {
        if self.unsent.is_empty() {
            self.unsent = bytes;
        } else if !bytes.is_empty() {
            self.write_with(|unsent| unsent.extend_from_slice(&bytes));
        }
    }

    /// Lets `write` append bytes. Copies the unsent bytes only if they are shared.
    pub(super) fn write_with(&mut self, write: impl FnOnce(&mut BytesMut)) {
        let mut unsent = match std::mem::take(&mut self.unsent) {
            empty if empty.is_empty() => BytesMut::new(),
            bytes => bytes.try_into_mut().unwrap_or_else(|shared| BytesMut::from(&shared[..])),
        };
        write(&mut unsent);
        self.unsent = unsent.freeze();
    }

    /// Appends TLS records. Bytes that were appended before must be sealed already.
    pub(super) fn append_sealed(&mut self, records: Bytes) {
        debug_assert!(self.is_sealed());
        self.append(records);
        self.set_sealed();
    }

    /// Seals the bytes that are not sealed yet. `seal` appends the records of the given bytes.
    ///
    /// # Errors
    /// Any error of `seal`. The bytes stay unsealed then.
    pub(super) fn seal(
        &mut self,
        seal: impl FnOnce(&[u8], &mut Vec<u8>) -> io::Result<()>,
    ) -> io::Result<()> {
        if self.is_sealed() {
            return Ok(());
        }
        let (sealed, rest) = self.unsent.split_at(self.sealed as usize);
        let mut records = sealed.to_vec();
        seal(rest, &mut records)?;
        self.unsent = records.into();
        self.set_sealed();
        Ok(())
    }

    fn is_sealed(&self) -> bool {
        self.sealed as usize == self.unsent.len()
    }

    /// Records that all unsent bytes are sealed. They are bounded by the size of an answer or of a portion.
    fn set_sealed(&mut self) {
        self.sealed = u32::try_from(self.unsent.len()).unwrap_or(u32::MAX);
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

    pub(super) fn is_writable(&self) -> bool {
        !self.unsent.is_empty() && !self.is_full
    }

    pub(super) fn is_stalled(&self) -> bool {
        self.is_stalled
    }

    /// Records that the socket has become writable.
    pub(super) fn mark_writable(&mut self) {
        self.is_full = false;
    }

    /// Removes the first `count` bytes, which were written. If bytes are left, the socket is full.
    pub(super) fn written(&mut self, count: usize) -> Progress {
        self.sealed = self.sealed.saturating_sub(u32::try_from(count).unwrap_or(u32::MAX));
        if count == self.unsent.len() {
            // An empty slice would keep the shared bytes in memory.
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
    fn bytes_are_written_in_order_however_many_the_socket_takes_at_once() {
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
    fn bytes_are_sealed_once_and_in_order_whatever_is_written_between() {
        let seal = |bytes: &[u8], records: &mut Vec<u8>| {
            records.extend_from_slice(&bytes.to_ascii_uppercase());
            Ok(())
        };
        let mut output = Output::default();
        output.append_sealed(Bytes::from_static(b"12"));
        output.append(Bytes::from_static(b"ab"));
        output.seal(seal).unwrap();
        assert_eq!(output.bytes(), b"12AB");
        output.written(1);
        output.append(Bytes::from_static(b"cd"));
        output
            .seal(|bytes, records| {
                assert_eq!(bytes, b"cd");
                seal(bytes, records)
            })
            .unwrap();
        assert_eq!(output.bytes(), b"2ABCD");
        output.written(5);
        output.seal(|_, _| panic!("there is nothing to seal")).unwrap();
    }

    #[test]
    fn the_write_deadline_starts_with_the_first_unsent_byte_and_again_with_each_progress() {
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
