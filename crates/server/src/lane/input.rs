//! What has come on a connection before it is due: further requests, or a client's first bytes.

use bytes::Bytes;

/// Bytes that were read too early, and whether more were left in the socket.
#[derive(Debug, Default)]
pub(super) struct Input {
    held: Bytes,
    /// Whether the socket has input that was left there until it is due. epoll does not report that again.
    pub(super) has_unread: bool,
}

impl Input {
    /// Keeps these bytes, in place of what was kept.
    pub(super) fn put_back(&mut self, bytes: Bytes) {
        self.held = bytes;
    }

    /// Takes the bytes that were kept.
    pub(super) fn take(&mut self) -> Bytes {
        std::mem::take(&mut self.held)
    }

    /// Returns `true` if bytes are kept.
    pub(super) fn has_buffered(&self) -> bool {
        !self.held.is_empty()
    }

    /// Returns `true` if there is more to read, here or in the socket.
    pub(super) fn has_more(&self) -> bool {
        self.has_unread || self.has_buffered()
    }
}
