//! A message of the stream as a notification.

use async_nats::Message;
use bytes::Bytes;
use tidings_core::broker::Stored;
use tidings_core::{Kind, Notification};

use crate::stored::notification;

pub(super) const KIND_HEADER: &str = "Content-Type";
/// Whose words it is, so that a client can be spared its own.
pub(super) const SEAT_HEADER: &str = "Tidings-Seat";
pub(super) const BINARY: &str = "application/octet-stream";

/// Where a message stands: what JetStream writes into the reply subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Its number in the stream.
    pub(super) seq: u64,
    /// Its number in what this consumer was sent, from 1.
    pub(super) sent: u64,
    /// When it was stored, in nanoseconds.
    pub(super) time: i64,
    /// How many that match lie behind it.
    pub(super) pending: u64,
}

impl Place {
    /// `$JS.ACK.STREAM.CONSUMER.DELIVERED.SEQ.SENT.TIME.PENDING`, with a domain and a hash before the stream
    /// where the server has them (NATS ADR-15).
    pub(super) fn parse(reply: &str) -> Option<Self> {
        let rest = reply.strip_prefix("$JS.ACK.")?;
        let dots = rest.bytes().filter(|&byte| byte == b'.').count();
        let mut tokens = rest.split('.').skip(if dots == 6 { 3 } else { 5 });
        let mut next = || tokens.next();
        Some(Self {
            seq: next()?.parse().ok()?,
            sent: next()?.parse().ok()?,
            time: next()?.parse().ok()?,
            pending: next()?.parse().ok()?,
        })
    }
}

/// The message; its notification is `None` where no hub would have published it.
pub(super) fn stored(stream: &str, seq: u64, message: &Message) -> Stored {
    let topic = message.subject.strip_prefix(stream).and_then(|rest| rest.strip_prefix('.'));
    let header = |name| Some(message.headers.as_ref()?.get(name)?.as_str());
    let is_binary = header(KIND_HEADER) == Some(BINARY);
    let seat = header(SEAT_HEADER).and_then(|seat| seat.parse().ok());
    let kind = if is_binary { Kind::Binary } else { Kind::Text };
    // A copy, because the library's payload keeps all of the buffer that it was read into.
    let payload = Bytes::copy_from_slice(&message.payload);
    let told: Option<Notification> = notification(topic, kind, payload, seat);
    if told.is_none() {
        crate::stored::warn_of_foreign(stream, seq, &message.subject);
    }
    Stored { seq, notification: told }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_a_place_are_read() {
        let place = Place { seq: 7, sent: 3, time: 1_700_000_000_000_000_001, pending: 4 };
        let short = "$JS.ACK.tidings.c.1.7.3.1700000000000000001.4";
        let long = "$JS.ACK.hub.Ab12.tidings.c.1.7.3.1700000000000000001.4.rnd";
        assert_eq!(Place::parse(short), Some(place));
        assert_eq!(Place::parse(long), Some(place));
        assert_eq!(Place::parse("$JS.ACK.tidings.c.1.x.3.1.4"), None);
        assert_eq!(Place::parse("_INBOX.abc"), None);
    }
}
