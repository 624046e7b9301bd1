//! TLS on a lane: records are opened after a read, and sealed before a write.
//!
//! ```text
//! socket ─► buffer ─► Session::open ─► Connection::on_readable
//! pass or output ─► Session::seal ─► Lane::sealed ─► socket
//! ```
//!
//! A connection handles only the bytes of the application. It keeps unsent bytes, sealed or not, until they are written.
//! All other opened or sealed bytes are in buffers of the lane, so a quiet client has no buffer.

use std::ops::Range;

use super::Lane;
use super::client::SpareDecoder;
use super::connection::Connection;
use super::fan_out::Encoding;
use super::next::Next;
use super::peer::{self, Peer};
use super::status::Status;
use crate::peer_end::PeerEnd;
use crate::tls::{Opened, Session};

/// When the sealed bytes of a pass exceed this size, they are sent before more are sealed.
const MAX_SEALED: usize = 256 << 10;

/// The most reads of connections in their handshakes in one turn. A handshake costs as much time as hundreds of sends,
/// and clients that reconnect at the same moment must not delay a pass.
const HANDSHAKES: usize = 16;

/// Handles records that were read. `opened` is a buffer that is used again: its content is replaced, and the caller
/// does not need it.
pub(super) fn on_records(
    session: &mut Session,
    connection: &mut Connection,
    records: &mut [u8],
    opened: &mut Opened,
    spare: &mut SpareDecoder,
    status: &Status,
) -> Next {
    // Unsent bytes are sealed first, because the records that rustls returns below must be sent after them, and before
    // anything that is sealed later.
    if connection.seal(session).is_err() {
        return Next::Remove;
    }
    let was_handshaking = session.is_handshaking();
    let result = session.open(records, opened);
    connection.append_records(&opened.records);
    if let Err(error) = result {
        tracing::debug!(%error, "a TLS connection failed");
        return connection.on_failed_session(status);
    }
    if was_handshaking && !session.is_handshaking() {
        connection.on_handshake();
    }
    if opened.input.is_empty() {
        return connection.advance(status);
    }
    connection.on_readable(&mut opened.input, spare, status)
}

/// The records of a pass, and the part of each send. Kept between passes so that its memory is used again.
#[derive(Debug, Default)]
pub(super) struct Sealed {
    records: Vec<u8>,
    /// The records of each send, in order. Empty if the session could not seal, `None` if the connection has no TLS.
    ranges: Vec<Option<Range<usize>>>,
}

impl Sealed {
    fn iter(&self) -> impl Iterator<Item = Option<&[u8]>> + Clone {
        self.ranges.iter().map(|range| range.clone().map(|range| &self.records[range]))
    }
}

impl Lane {
    /// Sends the encodings of a pass to clients of which some use TLS.
    pub(super) fn send_sealed(&mut self, sends: &[(usize, usize)], encodings: &mut [Encoding]) {
        let mut sealed = std::mem::take(&mut self.sealed);
        let mut unsent = sends;
        while !unsent.is_empty() {
            self.seal(unsent, encodings, &mut sealed);
            let (portion, rest) = unsent.split_at(sealed.ranges.len());
            self.send_each(portion, encodings, sealed.iter());
            unsent = rest;
        }
        sealed.records.shrink_to(MAX_SEALED);
        self.sealed = sealed;
    }

    /// Seals the first of these sends, at least one and at most about [`MAX_SEALED`] bytes.
    fn seal(&mut self, sends: &[(usize, usize)], encodings: &[Encoding], sealed: &mut Sealed) {
        let Sealed { records, ranges } = sealed;
        records.clear();
        ranges.clear();
        for &(key, encoding) in sends {
            if records.len() > MAX_SEALED {
                return;
            }
            ranges.push(self.peers[key].tls.as_mut().map(|session| {
                let start = records.len();
                if let Err(error) = session.seal(&encodings[encoding].bytes, records) {
                    tracing::debug!(%error, "a TLS session cannot seal");
                }
                start..records.len()
            }));
        }
    }

    /// Counts a read of a connection that is in its handshake. If this turn has had [`HANDSHAKES`] of them, returns
    /// `true` and keeps the connection busy, so that the next turn reads it.
    pub(super) fn postpones_handshake(&mut self, key: usize) -> bool {
        let session = self.peers.get(key).and_then(|peer| peer.tls.as_ref());
        if !session.is_some_and(Session::is_handshaking) {
            return false;
        }
        self.handshakes += 1;
        let postpones = self.handshakes > HANDSHAKES;
        if postpones {
            self.keep_busy(key);
        }
        postpones
    }

    /// Handles the `close_notify` of a peer, which may come in the same read as its last bytes, or long before the end
    /// of the stream.
    pub(super) fn end_if_notified(&mut self, key: usize) {
        if let Some(Peer { tls: Some(session), connection, .. }) = self.peers.get_mut(key)
            && session.is_ended()
        {
            let next = connection.on_end(PeerEnd::Notified, &self.status);
            if matches!(next, Next::Remove) {
                self.notify_close(key);
            }
            self.apply(key, next);
        }
    }

    /// Performs what follows from the timer of a connection or the end of the server. A connection that is removed
    /// between two requests is sent `close_notify` first.
    pub(super) fn end_properly(&mut self, key: usize, next: Next) {
        if matches!(next, Next::Remove) && self.peers[key].connection.has_no_client() {
            self.notify_close(key);
        }
        self.apply(key, next);
    }

    /// Sends `close_notify` if the connection has TLS, so that the peer can distinguish the end from a truncation (RFC
    /// 8446, section 6.1). Sends nothing if the socket is full.
    pub(super) fn notify_close(&mut self, key: usize) {
        let Peer { socket, tls, .. } = &mut self.peers[key];
        if let Some(session) = tls {
            let mut records = Vec::new();
            session.close(&mut records);
            // An error means that the peer is gone.
            let _ = peer::write(socket, &records);
        }
    }
}
