//! Converts a message of the stream to a notification.

use async_nats::{HeaderMap, Message};
use bytes::Bytes;
use tidings_core::broker::Stored;
use tidings_core::{Header, Headers, Kind, Notification};

use crate::stored::notification;

/// The media type of the payload. It is [`BINARY`] if the payload is binary and has no media type.
pub(super) const CONTENT_TYPE: &str = "Content-Type";
pub(super) const BINARY: &str = "application/octet-stream";
/// `text` or `binary`. It is set if the notification has a content type.
pub(super) const KIND: &str = "Tidings-Kind";
/// The seat of the publishing client, so that a hub can skip the client's own messages.
pub(super) const SEAT: &str = "Tidings-Seat";

pub(super) const fn name(header: Header) -> &'static str {
    match header {
        Header::Event => "Tidings-Event",
        Header::ContentType => CONTENT_TYPE,
        Header::Time => "Tidings-Time",
        Header::Traceparent => "traceparent",
        Header::Tracestate => "tracestate",
    }
}

/// The position of a message, which JetStream writes into the reply subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Its number in the stream.
    pub(super) seq: u64,
    /// Its number among the messages that this consumer was sent, from 1.
    pub(super) sent: u64,
    /// When it was stored, in nanoseconds.
    pub(super) time: i64,
    /// How many matching messages follow it.
    pub(super) pending: u64,
}

impl Place {
    /// Parses `$JS.ACK.STREAM.CONSUMER.DELIVERED.SEQ.SENT.TIME.PENDING`. Some servers write a domain and a hash
    /// before the stream (NATS ADR-15).
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

/// The notification is `None` if no hub has published it.
pub(super) fn stored(stream: &str, seq: u64, message: &Message) -> Stored {
    let topic = message.subject.strip_prefix(stream).and_then(|rest| rest.strip_prefix('.'));
    let Lines { kind, seat, headers } =
        message.headers.as_ref().map(Lines::read).unwrap_or_default();
    // A copy, because the library's payload keeps all of the buffer that it was read into.
    let payload = Bytes::copy_from_slice(&message.payload);
    let notification: Option<Notification> = notification(topic, kind, payload, seat, headers);
    if notification.is_none() {
        crate::stored::warn_of_foreign(stream, seq, &message.subject);
    }
    Stored { seq, notification }
}

/// The parts of a notification that are in the header lines of a message.
#[derive(Debug, PartialEq)]
struct Lines {
    kind: Kind,
    seat: Option<u64>,
    headers: Option<Headers>,
}

impl Default for Lines {
    fn default() -> Self {
        Self { kind: Kind::Text, seat: None, headers: None }
    }
}

impl Lines {
    /// Reads the header lines. A line that is malformed or unknown is ignored.
    fn read(lines: &HeaderMap) -> Self {
        let (mut named_kind, mut seat, mut texts) = (None, None, Vec::new());
        for (line, values) in lines.iter() {
            let (line, Some(value)) = (line.as_ref(), values.first()) else { continue };
            match line {
                KIND => named_kind = Some(value.as_str()),
                SEAT => seat = value.as_str().parse().ok(),
                _ => {
                    let known = Header::ALL.iter().copied().find(|&header| name(header) == line);
                    texts.extend(known.map(|header| (header, value.as_str())));
                }
            }
        }
        let is_binary = match named_kind {
            Some(kind) => kind == "binary",
            None => {
                let before = texts.len();
                texts.retain(|text| *text != (Header::ContentType, BINARY));
                texts.len() < before
            }
        };
        let kind = if is_binary { Kind::Binary } else { Kind::Text };
        Self { kind, seat, headers: Headers::lossy(texts) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_a_place_are_parsed() {
        let place = Place { seq: 7, sent: 3, time: 1_700_000_000_000_000_001, pending: 4 };
        let short = "$JS.ACK.tidings.c.1.7.3.1700000000000000001.4";
        let long = "$JS.ACK.hub.Ab12.tidings.c.1.7.3.1700000000000000001.4.rnd";
        assert_eq!(Place::parse(short), Some(place));
        assert_eq!(Place::parse(long), Some(place));
        assert_eq!(Place::parse("$JS.ACK.tidings.c.1.x.3.1.4"), None);
        assert_eq!(Place::parse("_INBOX.abc"), None);
    }

    #[test]
    fn a_kind_is_named_or_depends_on_the_content_type() {
        let read = |lines: &[(&str, &str)]| {
            let mut map = HeaderMap::new();
            for &(line, value) in lines {
                map.insert(line, value);
            }
            Lines::read(&map)
        };
        let plain = Lines { kind: Kind::Binary, ..Lines::default() };
        assert_eq!(read(&[("Content-Type", BINARY)]), plain);
        let of = |kind, media| Lines {
            kind,
            headers: Headers::new().with_content_type(media).ok(),
            ..Lines::default()
        };
        assert_eq!(read(&[("Content-Type", "image/png")]), of(Kind::Text, "image/png"));
        let image = [("Content-Type", "image/png"), ("Tidings-Kind", "binary")];
        assert_eq!(read(&image), of(Kind::Binary, "image/png"));
        let marked = [("Content-Type", BINARY), ("Tidings-Kind", "text")];
        assert_eq!(read(&marked), of(Kind::Text, BINARY));
        // Lines that are malformed or unknown are ignored.
        let others =
            [("Content-Type", "?"), ("Tidings-Seat", "x"), ("Tidings-Event", "gap"), ("A", "b")];
        assert_eq!(read(&others), Lines::default());
    }
}
