//! Input that a connection has received too early: further requests, or the first bytes of a client.

use bytes::Bytes;

/// Bytes that were read and not handled yet, and whether more may be in the socket.
#[derive(Debug, Default)]
pub(super) struct Input {
    /// Boxed, because most connections have none. Never empty.
    held: Option<Box<Bytes>>,
    /// Whether input was left in the socket to be read later. epoll does not report that input again.
    pub(super) has_unread: bool,
}

impl Input {
    /// Replaces the bytes that are kept.
    pub(super) fn put_back(&mut self, bytes: Bytes) {
        self.held = if bytes.is_empty() { None } else { Some(Box::new(bytes)) };
    }

    /// Takes the bytes that are kept.
    pub(super) fn take(&mut self) -> Bytes {
        self.held.take().map_or_else(Bytes::new, |bytes| *bytes)
    }

    pub(super) fn has_buffered(&self) -> bool {
        self.held.is_some()
    }

    pub(super) fn has_more(&self) -> bool {
        self.has_unread || self.has_buffered()
    }
}
