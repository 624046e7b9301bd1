//! The end of a text that is cut anywhere, until the text continues.

use crate::load::gone::Gone;

/// The bytes that a reader has not used. Takes no memory while there are none.
#[derive(Debug, Default)]
pub(crate) struct Rest(Vec<u8>);

impl Rest {
    /// Passes the kept bytes and `part` to `take`, which returns how many it has used, and keeps the others.
    pub(crate) fn take(
        &mut self,
        part: &[u8],
        take: impl FnOnce(&[u8]) -> Result<usize, Gone>,
    ) -> Result<(), Gone> {
        if self.0.is_empty() {
            let used = take(part)?;
            self.0.extend_from_slice(&part[used..]);
            return Ok(());
        }
        let mut joined = std::mem::take(&mut self.0);
        joined.extend_from_slice(part);
        let used = take(&joined)?;
        self.0.extend_from_slice(&joined[used..]);
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        self.0 = Vec::new();
    }
}
