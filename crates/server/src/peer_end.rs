//! The end of a peer's side of a connection.

/// How the peer has closed its side. It may still read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum PeerEnd {
    /// It has not.
    None,
    /// By the `close_notify` of TLS. The end of the stream may come much later.
    Notified,
    /// By the end of the stream.
    Stream,
}
