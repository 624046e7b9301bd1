//! Encodes what one client is sent, compressed or not.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tidings_core::{Event, Id};
use tokio::time::Instant;

use super::gzip::{self, Checksum};
use super::{CompressedStream, Place};
use crate::{Compression, Encoder, Message};

/// Encodes what one client is sent. With a compressed stream, the client is a reader of it.
#[derive(Debug)]
pub(crate) struct Writer {
    encoder: Arc<dyn Encoder>,
    compressed: Option<Compressed>,
}

/// The state of a client that is sent compressed bytes.
#[derive(Debug)]
struct Compressed {
    stream: Arc<CompressedStream>,
    place: Place,
    checksum: Checksum,
    /// When a notification was sent last.
    delivered_at: Option<Instant>,
}

impl Writer {
    pub(crate) fn new(encoder: Arc<dyn Encoder>, stream: Option<Arc<CompressedStream>>) -> Self {
        let compressed = stream.map(|stream| Compressed {
            stream,
            place: Place::default(),
            checksum: Checksum::default(),
            delivered_at: None,
        });
        Self { encoder, compressed }
    }

    /// Returns the bytes to send directly after the head, as [`Encoder::opening`] does.
    pub(crate) fn opening(&mut self, position: Option<Id>, heartbeat: Duration) -> Bytes {
        let plain = self.encoder.opening(position, heartbeat);
        match &mut self.compressed {
            Some(compressed) if compressed.is_body() => {
                compressed.checksum.add(&plain);
                gzip::begin(&plain)
            }
            _ => plain,
        }
    }

    /// Encodes these events for one write. `position` is the client's position after them.
    pub(crate) fn encode(&mut self, events: &[Event], position: Id) -> Bytes {
        let Some(compressed) = &mut self.compressed else {
            return self.encoder.encode(events, position);
        };
        let has_notification = events.iter().any(|event| matches!(event, Event::Deliver(_)));
        if !compressed.is_body() {
            return compressed.encode(events, position);
        }
        if let [Event::Heartbeat { interval, .. }] = events
            && compressed.place.is_in_sync()
            && compressed.delivered_at.is_some_and(|at| is_alive(at.elapsed(), *interval))
        {
            return Bytes::new();
        }
        if has_notification {
            compressed.delivered_at = Some(Instant::now());
        }
        compressed.checksum.add(&self.encoder.encode(events, position));
        let bytes = compressed.encode(events, position);
        match events.last() {
            Some(Event::Goodbye(_)) => {
                let mut all = BytesMut::from(bytes);
                all.extend_from_slice(&compressed.checksum.end());
                all.freeze()
            }
            _ => bytes,
        }
    }

    /// Encodes a heartbeat that is sent even if notifications have shown that the connection is alive, because it shows
    /// whether a peer that has closed its side still reads.
    pub(crate) fn probe(&mut self, heartbeat: Event, position: Id) -> Bytes {
        if let Some(compressed) = &mut self.compressed {
            compressed.delivered_at = None;
        }
        self.encode(&[heartbeat], position)
    }

    /// Encodes the reply to a message of the client. Returns no bytes if the format has no replies.
    pub(crate) fn reply(&self, reply: &Message) -> Bytes {
        self.encoder.reply(reply).unwrap_or_default()
    }
}

/// Whether a client in sync needs no heartbeat, because the last notification shows that its connection is alive. In a
/// gzip body a heartbeat would end the sync. The next heartbeat is due an interval later, so the client is sent something
/// within four thirds of an interval, which is less than clients wait.
pub fn is_alive(since_delivery: Duration, interval: Duration) -> bool {
    since_delivery < interval / 3
}

impl Compressed {
    fn is_body(&self) -> bool {
        self.stream.compression() == Compression::Body
    }

    fn encode(&mut self, events: &[Event], position: Id) -> Bytes {
        self.stream.encode(events, position, &mut self.place, 1)
    }
}
