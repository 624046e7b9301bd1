//! How long the steps of a connect take.

use crate::latency::Times;

/// The connects of a stage.
#[derive(Debug, Default)]
pub(crate) struct Handshakes {
    /// From the start until the TCP connection is established.
    pub(crate) tcp: Times,
    /// From then on until the TLS handshake is complete.
    pub(crate) tls: Times,
    /// From then on until the first response.
    pub(crate) request: Times,
    /// The number of TLS sessions that were resumed.
    pub(crate) resumed: u64,
    /// How often a client has connected to another server.
    pub(crate) moved: u64,
}

impl Handshakes {
    /// Begins a stage.
    pub(crate) fn reset(&mut self) {
        [&mut self.tcp, &mut self.tls, &mut self.request].into_iter().for_each(Times::reset);
        (self.resumed, self.moved) = (0, 0);
    }
}
