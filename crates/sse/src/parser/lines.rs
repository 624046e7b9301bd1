//! Splits an event stream into lines.

use std::mem::take;

use super::TooLong;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// The largest buffer, in bytes, that is kept for the next line that is cut. Most lines are not cut.
const KEPT: usize = 4096;

/// Splits a stream, which may be cut anywhere, into lines.
#[derive(Debug)]
pub(super) struct Lines {
    limit: usize,
    /// The beginning of a line that is not complete.
    partial: Vec<u8>,
    /// The last line ended with CR. An LF that follows belongs to the same line ending.
    is_after_cr: bool,
    /// `true` until the first line is complete. Only the first line may begin with a byte order mark.
    is_first: bool,
}

impl Lines {
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, partial: Vec::new(), is_after_cr: false, is_first: true }
    }

    /// Calls `on_line` with each line that these bytes complete, without its ending. Fails if a line is longer than the
    /// limit, and with the first error of `on_line`.
    pub(super) fn feed(
        &mut self,
        mut bytes: &[u8],
        mut on_line: impl FnMut(&[u8]) -> Result<(), TooLong>,
    ) -> Result<(), TooLong> {
        if self.is_after_cr && !bytes.is_empty() {
            self.is_after_cr = false;
            bytes = bytes.strip_prefix(b"\n").unwrap_or(bytes);
        }
        while let Some(end) = bytes.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
            let (line, ending) = bytes.split_at(end);
            if self.partial.is_empty() {
                on_line(self.complete(line)?)?;
            } else {
                self.keep(line)?;
                let mut line = take(&mut self.partial);
                on_line(self.complete(&line)?)?;
                if line.capacity() <= KEPT {
                    line.clear();
                    self.partial = line;
                }
            }
            bytes = match ending {
                [b'\r', b'\n', rest @ ..] => rest,
                [b'\r'] => {
                    self.is_after_cr = true;
                    &[]
                }
                [_, rest @ ..] => rest,
                [] => &[],
            };
        }
        self.keep(bytes)
    }

    /// Appends to the line that is not complete.
    fn keep(&mut self, bytes: &[u8]) -> Result<(), TooLong> {
        TooLong::check(self.partial.len() + bytes.len(), self.limit)?;
        self.partial.extend_from_slice(bytes);
        Ok(())
    }

    /// Checks a whole line, and removes the byte order mark of the first.
    fn complete<'a>(&mut self, line: &'a [u8]) -> Result<&'a [u8], TooLong> {
        TooLong::check(line.len(), self.limit)?;
        match take(&mut self.is_first) {
            true => Ok(line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line)),
            false => Ok(line),
        }
    }
}
