//! Sends by io_uring: up to 256 of a pass as one system call.

use std::io;

use slab::Slab;
use tidings_batch::Batch;

use crate::baseline::connection::Connection;
use crate::baseline::wave::Wave;

/// Sends a wave to all clients, as [`Connection::deliver`] does to one.
#[derive(Debug)]
pub(crate) struct Ring {
    batch: Batch,
    /// The result of each send, kept for its capacity.
    sent: Vec<io::Result<usize>>,
}

impl Ring {
    /// Fails if the kernel has no io_uring: a measurement of it must not measure something else.
    pub(crate) fn new() -> io::Result<Self> {
        let batch = Batch::new().map_err(|error| {
            let message = format!("the kernel has no io_uring for this process: {error}");
            io::Error::new(error.kind(), message)
        })?;
        Ok(Self { batch, sent: Vec::new() })
    }

    /// Sends the wave to all clients that wait, each in its format. Adds to `lost` the keys of those that did not take
    /// it completely.
    pub(crate) fn send(
        &mut self,
        wave: &Wave,
        connections: &mut Slab<Connection>,
        lost: &mut Vec<usize>,
    ) {
        let sends = connections
            .iter()
            .filter_map(|(_, client)| Some((client.socket(), wave.encoded(client.format()?))));
        self.batch.send(sends, |_, sent| self.sent.push(sent));

        let waiting = connections
            .iter_mut()
            .filter_map(|(key, client)| Some((key, client.format()?, client)));
        for ((key, format, client), sent) in waiting.zip(self.sent.drain(..)) {
            let whole = sent.is_ok_and(|length| length == wave.encoded(format).len());
            if !whole || client.delivered().is_err() {
                lost.push(key);
            }
        }
    }
}
