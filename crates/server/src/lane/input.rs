//! Input that a connection has received too early: further requests, or the first bytes of a client.

use bytes::Bytes;

/// Bytes that were read and not handled yet, and whether more may be in the socket.
#[derive(Debug, Default)]
pub(super) struct Input {
    held: Bytes,
    /// Whether input was left in the socket to be read later. epoll does not report that input again.
    pub(super) has_unread: bool,
}

impl Input {
    /// Replaces the bytes that are kept.
    pub(super) fn put_back(&mut self, bytes: Bytes) {
        self.held = bytes;
    }

    /// Takes the bytes that are kept.
    pub(super) fn take(&mut self) -> Bytes {
        std::mem::take(&mut self.held)
    }

    pub(super) fn has_buffered(&self) -> bool {
        !self.held.is_empty()
    }

    pub(super) fn has_more(&self) -> bool {
        self.has_unread || self.has_buffered()
    }
}
