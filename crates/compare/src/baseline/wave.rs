//! A wave: what one pass delivers, encoded once for each format that a client reads.

use crate::baseline::encode::Format;
use crate::baseline::log::Notification;

/// The bytes of one pass, by format. The buffers outlive the pass, so a steady stream allocates nothing.
#[derive(Debug, Default)]
pub(crate) struct Wave {
    bytes: [Vec<u8>; Format::COUNT],
}

impl Wave {
    /// Clears the buffers.
    pub(crate) fn clear(&mut self) {
        self.bytes.iter_mut().for_each(Vec::clear);
    }

    /// Returns the bytes in `format`. The first call encodes, the others share its bytes. No format encodes a
    /// notification to nothing, so an empty buffer is one that has not been requested yet.
    pub(crate) fn bytes<'a, I: Iterator<Item = Notification<'a>>>(
        &mut self,
        format: Format,
        notifications: impl FnOnce() -> I,
    ) -> &[u8] {
        let bytes = &mut self.bytes[format as usize];
        if bytes.is_empty() {
            format.encode(bytes, notifications());
        }
        bytes
    }
}
