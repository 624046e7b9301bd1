//! What happens to a client by WebTransport.

use bytes::Bytes;

use super::gone::Gone;

/// An event of a client.
#[derive(Debug)]
pub(crate) struct SessionEvent {
    /// The index of the client.
    pub(crate) client: usize,
    /// The time, in nanoseconds since the load started.
    pub(crate) now: u64,
    pub(crate) event: Event,
}

#[derive(Debug)]
#[cfg_attr(not(feature = "webtransport"), expect(dead_code, reason = "there are no sessions"))]
pub(crate) enum Event {
    /// The handshake of QUIC is complete, and the client subscribes.
    Connected,
    /// These bytes have arrived on the stream of notifications.
    Received(Bytes),
    Ended(Gone),
}

/// Bytes of UDP datagrams, without their headers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Traffic {
    pub(crate) received: u64,
    pub(crate) sent: u64,
}
