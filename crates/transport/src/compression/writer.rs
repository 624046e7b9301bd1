//! Encodes what one client is sent, compressed or not.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tidings_core::{Event, Id};

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
    /// Whether a notification was sent since the last heartbeat.
    has_delivered: bool,
}

impl Writer {
    pub(crate) fn new(encoder: Arc<dyn Encoder>, stream: Option<Arc<CompressedStream>>) -> Self {
        let compressed = stream.map(|stream| Compressed {
            stream,
            place: Place::default(),
            checksum: Checksum::default(),
            has_delivered: false,
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
        if let [Event::Heartbeat { .. }] = events {
            // The notifications have shown that the connection is alive, and a heartbeat would end the sync.
            let is_needless = std::mem::take(&mut compressed.has_delivered);
            if is_needless && compressed.place.is_in_sync() {
                return Bytes::new();
            }
        }
        compressed.has_delivered |= has_notification;
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
            compressed.has_delivered = false;
        }
        self.encode(&[heartbeat], position)
    }

    /// Encodes the reply to a message of the client. Returns no bytes if the format has no replies.
    pub(crate) fn reply(&self, reply: &Message) -> Bytes {
        self.encoder.reply(reply).unwrap_or_default()
    }
}

impl Compressed {
    fn is_body(&self) -> bool {
        self.stream.compression() == Compression::Body
    }

    fn encode(&mut self, events: &[Event], position: Id) -> Bytes {
        self.stream.encode(events, position, &mut self.place, 1)
    }
}
