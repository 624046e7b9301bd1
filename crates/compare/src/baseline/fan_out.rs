//! Fan-out: from the log to every client.

use slab::Slab;

use crate::baseline::connection::{Buffers, Connection};
use crate::baseline::encode::Format;
use crate::baseline::log::{Id, KEPT, Log};

/// The log, and the position up to which it has been delivered.
///
/// A publish only appends to the log. At the end of the pass, everything that was appended is delivered with one write
/// per client.
#[derive(Debug, Default)]
pub(crate) struct FanOut {
    log: Log,
    delivered: u64,
    /// The bytes that the current pass delivers, by format. The buffers are reused, so a steady stream allocates
    /// nothing.
    encoded: [Vec<u8>; Format::COUNT],
    /// The clients to remove after a pass, because a slab cannot be changed during iteration. Kept for its capacity.
    lost: Vec<usize>,
    pub(crate) buffers: Buffers,
}

impl FanOut {
    pub(crate) fn log(&self) -> &Log {
        &self.log
    }

    /// Appends a payload. Delivers first if the log would otherwise evict an undelivered one.
    pub(crate) fn publish(&mut self, payload: &str, connections: &mut Slab<Connection>) -> Id {
        if self.log.newest() - self.delivered == KEPT as u64 {
            self.deliver(connections);
        }
        self.log.push(payload)
    }

    /// Delivers everything that has not been delivered. Encodes once per format and writes once per client, without an
    /// allocation or a copy for a client. All clients receive the same range, because no client joins while something
    /// is undelivered.
    pub(crate) fn deliver(&mut self, connections: &mut Slab<Connection>) {
        if self.delivered == self.log.newest() {
            return;
        }
        self.encoded.iter_mut().for_each(Vec::clear);
        for (key, connection) in connections.iter_mut() {
            let Some(format) = connection.format() else {
                continue;
            };
            // No format encodes a notification to nothing, so an empty buffer has not been requested yet.
            let bytes = &mut self.encoded[format as usize];
            if bytes.is_empty() {
                format.encode(bytes, self.log.after(self.delivered));
            }
            if connection.deliver(bytes, &mut self.buffers).is_err() {
                self.lost.push(key);
            }
        }
        for key in self.lost.drain(..) {
            connections.remove(key);
        }
        self.delivered = self.log.newest();
    }
}
