//! The chunks of a body (RFC 9112, section 7.1).

use super::line;
use crate::load::gone::Gone;

/// Finds the content in chunks.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    /// How many bytes of the current chunk are missing.
    left: usize,
}

impl Chunks {
    /// Passes the content to `take` and returns the number of used bytes.
    pub(super) fn take(
        &mut self,
        input: &[u8],
        mut take: impl FnMut(&[u8]) -> Result<(), Gone>,
    ) -> Result<usize, Gone> {
        let mut at = 0;
        loop {
            let part = &input[at..input.len().min(at + self.left)];
            if !part.is_empty() {
                take(part)?;
                at += part.len();
                self.left -= part.len();
            }
            if self.left > 0 {
                return Ok(at);
            }
            let Some((line, length)) = line(&input[at..])? else { return Ok(at) };
            at += length;
            // The line end after a chunk is an empty line.
            if !line.is_empty() {
                let size = line.split(|&byte| byte == b';').next().unwrap_or_default();
                let size = str::from_utf8(size).ok();
                let size = size.and_then(|size| usize::from_str_radix(size.trim(), 16).ok());
                self.left = size.ok_or(Gone::Invalid("the size of a chunk is not a number"))?;
                if self.left == 0 {
                    return Err(Gone::Closed);
                }
            }
        }
    }
}
