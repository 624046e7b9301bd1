//! Fan-out: from the log to every client.

use slab::Slab;

use crate::limit::connection::Connection;
use crate::limit::log::{Id, KEPT, Log};
use crate::limit::ring::Ring;
use crate::limit::wave::Wave;

/// The log, and how far it has been delivered.
///
/// A publish only joins the log; the end of the pass delivers it. With or without `--batch` it is the same walk, and
/// the option only says how much one walk carries.
#[derive(Debug)]
pub(crate) struct FanOut {
    log: Log,
    delivered: u64,
    batch: bool,
    wave: Wave,
    /// Sends for all at once, where it is asked for.
    ring: Option<Ring>,
    /// The clients a walk lost, kept for its capacity: a slab cannot lose entries while it is walked.
    lost: Vec<usize>,
}

impl FanOut {
    pub(crate) fn new(batch: bool, ring: Option<Ring>) -> Self {
        Self {
            log: Log::default(),
            delivered: 0,
            batch,
            wave: Wave::default(),
            ring,
            lost: Vec::new(),
        }
    }

    pub(crate) fn log(&self) -> &Log {
        &self.log
    }

    /// Accepts a payload. Delivers first where the log would otherwise evict what nobody has been sent.
    pub(crate) fn publish(&mut self, payload: &str, connections: &mut Slab<Connection>) -> Id {
        if self.log.newest() - self.delivered == KEPT as u64 {
            self.deliver(connections);
        }
        self.log.push(payload)
    }

    /// Sends what has not been sent: one encoding a format, one write a client, no allocation or copy for any of
    /// them. Every client gets the same range, because nobody joins while something is undelivered.
    pub(crate) fn deliver(&mut self, connections: &mut Slab<Connection>) {
        while self.delivered < self.log.newest() {
            let first = self.delivered;
            let count = if self.batch { KEPT } else { 1 };
            self.wave.clear();
            for (key, connection) in connections.iter_mut() {
                let Some(format) = connection.format() else {
                    continue;
                };
                let bytes = self.wave.bytes(format, || self.log.after(first).take(count));
                if self.ring.is_none() && connection.deliver(bytes).is_err() {
                    self.lost.push(key);
                }
            }
            if let Some(ring) = &mut self.ring {
                ring.send(&self.wave, connections, &mut self.lost);
            }
            for key in self.lost.drain(..) {
                connections.remove(key);
            }
            self.delivered = self.log.newest().min(first + count as u64);
        }
    }
}
