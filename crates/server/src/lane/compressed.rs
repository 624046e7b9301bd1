//! A group whose notifications are compressed: members in sync are sent the chunks of the compressed stream, and the
//! others plain bytes until a chunk begins with a reset.

use std::sync::Arc;

use bytes::Bytes;
use slab::Slab;
use tidings_core::{Event, Id};
use tidings_transport::Compression;
use tidings_transport::compression::{CompressedStream, Encoded, GzipBody, Place};
use tokio::time::Instant;

use super::fan_out::{Deliveries, Encoding};
use super::peer::Peer;

/// The members of a group as readers of a compressed stream.
pub(super) struct Compressed {
    stream: Arc<CompressedStream>,
    /// The place of the members that are in sync.
    place: Place,
    /// When the members were last sent a notification.
    delivered_at: Instant,
}

/// What a member of such a group needs besides its position. Stays at its default for other clients.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SyncState {
    /// Whether the member was sent each chunk since the last reset.
    pub(super) is_in_sync: bool,
    /// Its body, if that is gzip.
    body: GzipBody,
}

/// The sends of a pass to the members of one group, from `first` on in the deliveries.
pub(super) struct Takers {
    pub(super) group: usize,
    pub(super) first: usize,
}

impl Compressed {
    pub(super) fn new(stream: Arc<CompressedStream>) -> Self {
        Self { stream, place: Place::default(), delivered_at: Instant::now() }
    }

    /// Whether the body of each member is gzip.
    pub(super) fn is_body(&self) -> bool {
        self.stream.compression() == Compression::Body
    }

    pub(super) fn delivered_at(&self) -> Instant {
        self.delivered_at
    }

    /// Encodes the events of a pass twice, for the takers that are in sync and for the others, and assigns each taker
    /// its encoding.
    pub(super) fn encode(
        &mut self,
        events: &[Event],
        position: Id,
        takers: &Takers,
        peers: &mut Slab<Peer>,
        deliveries: &mut Deliveries,
    ) {
        self.delivered_at = Instant::now();
        let Deliveries { encodings, sends, .. } = deliveries;
        let sends = &mut sends[takers.first..];
        let in_sync = encodings.len();
        for (key, encoding) in &mut *sends {
            *encoding = in_sync + usize::from(!peers[*key].connection.sync.is_in_sync);
        }
        let count = sends.iter().filter(|(_, encoding)| *encoding == in_sync).count();
        let encode = |place: &mut Place, clients| match clients {
            0 => Encoded::default(),
            clients => self.stream.encode(events, position, place, clients),
        };
        // If no member is in sync now, there is no place to keep.
        let mut place = if count > 0 { self.place } else { Place::default() };
        let mut waiting = Place::default();
        let both = [(&mut place, count), (&mut waiting, sends.len() - count)]
            .map(|(place, clients)| encode(place, clients));
        // Members that joined are at the same place as the others, unless those were sent other chunks.
        if place.is_in_sync() && waiting != place {
            waiting = Place::default();
        }
        for encoded in &both {
            let (bytes, notifications) = (encoded.bytes.clone(), events.len() as u64);
            encodings.push(Encoding { bytes, group: takers.group, notifications, clients: 0 });
        }
        self.place = if place.is_in_sync() { place } else { waiting };
        let is_body = self.is_body();
        if is_body || place.is_in_sync() != (count > 0) || waiting.is_in_sync() {
            for &(key, encoding) in &*sends {
                let place = if encoding == in_sync { place } else { waiting };
                let sync = &mut peers[key].connection.sync;
                sync.is_in_sync = place.is_in_sync();
                if is_body {
                    sync.body.record(&both[encoding - in_sync].plain);
                }
            }
        }
    }
}

impl SyncState {
    /// Encodes the beginning of a gzip body.
    pub(super) fn begin(&mut self, plain: &[u8]) -> Bytes {
        self.body.begin(plain)
    }

    /// Encodes bytes of a gzip body that only this member is sent. They end the sync. If they are the last ones, the
    /// body ends.
    pub(super) fn encode_alone(&mut self, plain: &[u8], is_last: bool) -> Bytes {
        self.is_in_sync = false;
        let bytes = self.body.append(plain);
        if is_last { self.body.end(bytes) } else { bytes }
    }
}
