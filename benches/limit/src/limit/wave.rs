//! A wave: what one round of deliveries sends, encoded once for each format that somebody reads.

use crate::limit::encode::Format;
use crate::limit::log::Notification;

/// The bytes of one round, by format. The buffers outlive the round, so that a steady stream allocates nothing.
#[derive(Debug, Default)]
pub(crate) struct Wave {
    bytes: [Vec<u8>; Format::COUNT],
}

impl Wave {
    /// Forgets the last round.
    pub(crate) fn clear(&mut self) {
        self.bytes.iter_mut().for_each(Vec::clear);
    }

    /// The round in `format`. The first client to ask has it encoded; every other one gets the same bytes. No
    /// format encodes a notification to nothing, so empty means not asked for yet.
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

    /// The round in a `format` that was asked for before.
    pub(crate) fn encoded(&self, format: Format) -> &[u8] {
        &self.bytes[format as usize]
    }
}
