//! Sending by io_uring: one walk's writes as one system call for up to 256 of them.

use std::io;

use slab::Slab;
use tidings_batch::Batch;

use crate::limit::connection::Connection;
use crate::limit::wave::Wave;

/// Sends a wave to everyone, as [`Connection::deliver`] does to one.
#[derive(Debug)]
pub(crate) struct Ring {
    batch: Batch,
    /// What each send came to, kept for its capacity.
    sent: Vec<io::Result<usize>>,
}

impl Ring {
    /// Fails where the kernel refuses io_uring: a measurement that asks for it must not get something else.
    pub(crate) fn new() -> io::Result<Self> {
        let batch = Batch::new().map_err(|error| {
            let message = format!("the kernel refuses io_uring ({error}); leave --io-uring out");
            io::Error::new(error.kind(), message)
        })?;
        Ok(Self { batch, sent: Vec::new() })
    }

    /// Sends what `wave` has been asked for by the clients that wait; adds the keys of those to `lost` that did not
    /// take it whole.
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
