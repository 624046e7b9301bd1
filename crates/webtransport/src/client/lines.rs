//! Splits a stream into lines.

use bytes::{Bytes, BytesMut};

/// The most bytes that one read returns.
pub(super) const MAX_READ: usize = 64 << 10;

/// The longest line that is accepted, in bytes.
const MAX_LINE: usize = 16 << 20;

/// The bytes that were read and not returned yet.
#[derive(Default)]
pub(super) struct Lines {
    read: BytesMut,
    /// How many of the bytes are known to have no line end.
    searched: usize,
}

impl Lines {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.read.extend_from_slice(bytes);
    }

    /// The next whole line, without its line end, or `None` if it is not complete. Fails if the line is longer than
    /// [`MAX_LINE`].
    pub(super) fn next(&mut self) -> Option<Result<Bytes, String>> {
        let found = self.read[self.searched..].iter().position(|&byte| byte == b'\n');
        let Some(end) = found.map(|at| self.searched + at) else {
            self.searched = self.read.len();
            let is_too_long = self.searched > MAX_LINE;
            return is_too_long.then(|| Err(format!("a line is over {MAX_LINE} bytes long")));
        };
        self.searched = 0;
        let mut line = self.read.split_to(end + 1);
        line.truncate(end);
        Some(Ok(line.freeze()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_found_however_the_bytes_are_cut() {
        let text = b"one\n\nthree\nfo";
        for size in 1..=text.len() {
            let (mut lines, mut found) = (Lines::default(), Vec::new());
            for piece in text.chunks(size) {
                lines.push(piece);
                while let Some(line) = lines.next() {
                    found.push(line.unwrap());
                }
            }
            assert_eq!(found, [&b"one"[..], b"", b"three"], "in pieces of {size}");
        }
    }

    #[test]
    fn a_line_without_end_is_an_error() {
        let mut lines = Lines::default();
        lines.push(&vec![b'x'; MAX_LINE]);
        assert!(lines.next().is_none());
        lines.push(b"x");
        assert!(lines.next().unwrap().is_err());
    }
}
