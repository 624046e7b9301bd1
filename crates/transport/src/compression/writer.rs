//! Encodes what one client is sent, compressed or not.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tidings_core::{Event, Id};
use tokio::time::Instant;

use super::{CompressedStream, GzipBody, Place};
use crate::{Compression, Encoder, Message};

/// Encodes what one client is sent. With a compressed stream, the client is a reader of it.
#[derive(Debug)]
pub(crate) struct Writer {
    encoder: Arc<dyn Encoder>,
    stream: Option<Arc<CompressedStream>>,
    place: Place,
    /// `None` if the bytes are not a gzip body.
    body: Option<GzipBody>,
    /// When a notification was sent last.
    delivered_at: Option<Instant>,
}

impl Writer {
    /// Creates a writer. Without a stream, a gzip body has stored blocks only.
    pub(crate) fn new(encoder: Arc<dyn Encoder>, stream: Option<Arc<CompressedStream>>) -> Self {
        let is_body = encoder.compression() == Some(Compression::Body);
        let body = is_body.then(GzipBody::default);
        Self { encoder, stream, place: Place::default(), body, delivered_at: None }
    }

    /// Returns the bytes to send directly after the head, as [`Encoder::opening`] does.
    pub(crate) fn opening(&mut self, position: Option<Id>, heartbeat: Duration) -> Bytes {
        let plain = self.encoder.opening(position, heartbeat);
        match &mut self.body {
            Some(body) => body.begin(&plain),
            None => plain,
        }
    }

    /// Encodes these events for one write. `position` is the client's position after them.
    pub(crate) fn encode(&mut self, events: &[Event], position: Id) -> Bytes {
        if self.needs_no_heartbeat(events) {
            return Bytes::new();
        }
        if events.iter().any(|event| matches!(event, Event::Deliver(_))) {
            self.delivered_at = Some(Instant::now());
        }
        let bytes = match (&self.stream, &mut self.body) {
            (None, None) => self.encoder.encode(events, position),
            (None, Some(body)) => body.append(&self.encoder.encode(events, position)),
            (Some(stream), body) => {
                let encoded = stream.encode(events, position, &mut self.place, 1);
                if let Some(body) = body {
                    body.record(&encoded.plain);
                }
                encoded.bytes
            }
        };
        match (self.body, events.last()) {
            (Some(body), Some(Event::Goodbye(_))) => body.end(bytes),
            _ => bytes,
        }
    }

    /// Encodes a heartbeat that is sent even if notifications have shown that the connection is alive, because it shows
    /// whether a peer that has closed its side still reads.
    pub(crate) fn probe(&mut self, heartbeat: Event, position: Id) -> Bytes {
        self.delivered_at = None;
        self.encode(&[heartbeat], position)
    }

    /// Encodes the reply to a message of the client. Returns no bytes if the format has no replies.
    pub(crate) fn reply(&self, reply: &Message) -> Bytes {
        self.encoder.reply(reply).unwrap_or_default()
    }

    /// Whether these events are a heartbeat that would end the sync and is not needed: see [`is_alive`].
    fn needs_no_heartbeat(&self, events: &[Event]) -> bool {
        let [Event::Heartbeat { interval, .. }] = events else { return false };
        self.body.is_some()
            && self.place.is_in_sync()
            && self.delivered_at.is_some_and(|at| is_alive(at.elapsed(), *interval))
    }
}

/// Whether a client in sync needs no heartbeat, because the last notification shows that its connection is alive. In a
/// gzip body a heartbeat would end the sync. The next heartbeat is due an interval later, so the client is sent
/// something within four thirds of an interval, which is less than clients wait.
pub fn is_alive(since_delivery: Duration, interval: Duration) -> bool {
    since_delivery < interval / 3
}
