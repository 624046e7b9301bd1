//! Clients that are sent the same bytes, and how those are encoded.

use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use prometheus_client::metrics::counter::Counter;
use tidings_core::{Event, Id, Interest};
use tidings_transport::compression::{Compressor, is_alive};
use tidings_transport::{Encoder, Message};

use super::client::SpareDecoder;
use super::compressed::{Compressed, SyncState};
use super::status::Status;
use crate::response;

/// Clients with the same encoder and interest.
pub(super) struct Group {
    pub(super) key: Key,
    pub(super) encoder: Arc<dyn Encoder>,
    /// The head of the answers to its polls, and its bytes.
    pub(super) answer: Option<(AnswerHead, Bytes)>,
    /// Whether its members can send messages, and so can answer a heartbeat.
    pub(super) can_answer: bool,
    /// The decoder that members borrow. `None` if a member that has sent a part of a message keeps it.
    pub(super) decoder: SpareDecoder,
    /// The compressed stream that its members read, if they are sent compressed bytes.
    pub(super) compressed: Option<Compressed>,
    /// The keys of its members.
    pub(super) members: Vec<u32>,
    /// The events of the current pass for its members.
    pub(super) pending: Vec<Event>,
    /// Counts the notifications that were delivered to its members.
    pub(super) delivered: Counter,
}

/// The key of a group. Clients with equal keys are sent the same bytes. Encoders and heads are compared by their
/// addresses. The group keeps both, so no other encoder or head can have the same address.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    encoder: usize,
    interest: Interest,
    answer: Option<(usize, Ending)>,
    /// `None` if the encoder does not compress.
    compressor: Option<Compressor>,
}

/// The head of the answers of a group of polls, and how it ends.
#[derive(Clone)]
pub(super) struct AnswerHead {
    pub(super) head: Arc<Response<()>>,
    pub(super) ending: Ending,
}

/// How the head of a response ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Ending {
    /// The connection stays open.
    Open,
    /// The connection ends with the answer.
    Last,
    /// The connection ends with the answer, and the head has already been sent.
    Sent,
}

impl Key {
    pub(super) fn new(
        encoder: &Arc<dyn Encoder>,
        interest: Interest,
        answer: Option<&AnswerHead>,
        compressor: Option<Compressor>,
    ) -> Self {
        let identity = |answer: &AnswerHead| (Arc::as_ptr(&answer.head).addr(), answer.ending);
        Self {
            encoder: Arc::as_ptr(encoder).addr(),
            interest,
            answer: answer.map(identity),
            compressor: compressor.filter(|_| encoder.compression().is_some()),
        }
    }

    pub(super) fn interest(&self) -> &Interest {
        &self.interest
    }
}

impl Group {
    /// Creates a group without members. `keep_alive` has the header lines of [`response::keep_alive`].
    pub(super) fn new(
        key: Key,
        encoder: &Arc<dyn Encoder>,
        answer: Option<AnswerHead>,
        delivered: Counter,
        keep_alive: &[u8],
    ) -> Self {
        let with_bytes = |answer: AnswerHead| {
            let bytes = match answer.ending {
                Ending::Open => response::poll_head(&answer.head, keep_alive),
                Ending::Last => response::poll_head(&answer.head, response::CLOSE),
                Ending::Sent => Bytes::new(),
            };
            (answer, bytes)
        };
        let stream = |compressor: &Compressor| compressor.stream(encoder, &key.interest);
        let stream = key.compressor.as_ref().filter(|_| answer.is_none()).and_then(stream);
        let decoder = encoder.decoder();
        Self {
            compressed: stream.map(Compressed::new),
            encoder: encoder.clone(),
            answer: answer.map(with_bytes),
            can_answer: decoder.is_some(),
            decoder,
            members: Vec::new(),
            pending: Vec::new(),
            delivered,
            key,
        }
    }

    pub(super) fn interest(&self) -> &Interest {
        &self.key.interest
    }

    /// Encodes these events for one write to each member. `position` is the position of the members after them.
    pub(super) fn encode(&self, events: &[Event], position: Id) -> Bytes {
        let body = self.encoder.encode(events, position);
        match &self.answer {
            Some((_, head)) => {
                let compressor = self.key.compressor.as_ref();
                match compressor.and_then(|compressor| compressor.answer(events, &body)) {
                    Some(gzip) => response::gzip_poll(head, &gzip),
                    None => response::poll(head, &body),
                }
            }
            None => body,
        }
    }

    /// Encodes these events for one member only, whose state of compression is `sync`.
    pub(super) fn encode_alone(
        &self,
        events: &[Event],
        position: Id,
        sync: &mut SyncState,
    ) -> Bytes {
        let plain = self.encode(events, position);
        if !self.is_gzip() {
            return plain;
        }
        sync.encode_alone(&plain, matches!(events.last(), Some(Event::Goodbye(_))))
    }

    /// Whether a member that is in sync needs no heartbeat: see [`is_alive`].
    pub(super) fn needs_no_heartbeat(&self, status: &Status) -> bool {
        let interval = status.hub.heartbeat().interval;
        let is_recent = |compressed: &Compressed| {
            is_alive(status.now.saturating_duration_since(compressed.delivered_at()), interval)
        };
        self.is_gzip() && self.compressed.as_ref().is_some_and(is_recent)
    }

    /// Whether the body of each member is gzip.
    pub(super) fn is_gzip(&self) -> bool {
        self.compressed.as_ref().is_some_and(Compressed::is_body)
    }

    /// Encodes the reply to a message of one member. Returns no bytes if the format has no replies.
    pub(super) fn reply(&self, reply: &Message) -> Bytes {
        self.encoder.reply(reply).unwrap_or_default()
    }
}
