//! Encodes events as an event stream (HTML standard, section 9.2.5).

use bytes::{BufMut, Bytes};
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tidings_core::{Entry, Event, Format, Headers, Id, Kind, Topic};
use tidings_transport::{Compression, Encoder, concatenated, fitted, gap_json, goodbye_json};

use crate::field::{EVENT_NAME, field};

/// Encodes a notification as one event, with its id and one `data:` line for each line of the payload.
pub(crate) static EVENT: Format = Format::new("sse", |entry| event(entry, None));

/// Encodes a notification as [`EVENT`] does, and adds the field `topic`. For clients whose filters are not one topic.
/// An `EventSource` ignores unknown fields (section 9.2.6).
pub(crate) static EVENT_WITH_TOPIC: Format =
    Format::new("sse with topic", |entry| event(entry, Some(entry.notification().topic())));

/// The type of an event whose data is a binary payload in base64.
const BINARY: &[u8] = b"event: binary\n";

const DATA: &[u8] = b"data: ";

/// The encoder of an event stream.
#[derive(Debug)]
pub(crate) struct Stream {
    /// The average time after which clients reconnect.
    pub(crate) retry: Duration,
    /// The format of notifications.
    pub(crate) event: &'static Format,
    /// How the stream is compressed.
    pub(crate) compression: Option<Compression>,
}

impl Encoder for Stream {
    /// A comment, the reconnection time, and the position if there is one. The comment makes browsers and proxies treat
    /// the stream as open, and announces the heartbeat to clients that can read comments. The reconnection time is
    /// random, so that clients do not all reconnect at once. With the id, a client whose connection breaks before the
    /// first notification can resume.
    fn opening(&self, position: Option<Id>, heartbeat: Duration) -> Bytes {
        let (retry, ping) = (millis(self.retry), millis(heartbeat));
        let jitter = getrandom::u64().unwrap_or_default() % retry.max(1);
        let id = position.map_or_else(String::new, |position| format!("id: {position}\n"));
        Bytes::from(format!(":ping {ping}\nretry: {}\n{id}\n", retry / 2 + jitter))
    }

    fn encode(&self, events: &[Event], _: Id) -> Bytes {
        concatenated(events, |event| match event {
            Event::Deliver(entry) => entry.encoded(self.event),
            Event::Gap(gap) => control(Some(gap.resume), "gap", &gap_json(gap)),
            // An id without data is not an event, but it changes the client's position (section 9.2.6).
            Event::Heartbeat { position, .. } => Bytes::from(format!(":\nid: {position}\n\n")),
            Event::Goodbye(reason) => control(None, "goodbye", &goodbye_json(*reason)),
        })
    }

    fn compression(&self) -> Option<Compression> {
        self.compression
    }

    fn plain(&self, entry: &Arc<Entry>) -> Bytes {
        entry.encoded(self.event)
    }
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn event(entry: &Entry, topic: Option<&Topic>) -> Bytes {
    let notification = entry.notification();
    let payload = notification.payload();
    let data_bytes = match notification.kind() {
        Kind::Text => payload.len(),
        Kind::Binary => payload.len().div_ceil(3) * 4 + BINARY.len(),
    };
    let topic_bytes = topic.map_or(0, |topic| topic.as_str().len());
    let headers = notification.headers();
    // 80 bytes are enough for the names of the fields.
    let header_bytes = headers.map_or(0, |_| notification.size() - payload.len() + 80);
    let mut event = Vec::with_capacity(data_bytes + topic_bytes + header_bytes + 64);
    put_id(&mut event, entry.id());
    if let Some(topic) = topic {
        event.put_slice(b"topic: ");
        event.put_slice(topic.as_str().as_bytes());
        event.put_u8(b'\n');
    }
    if let Some(headers) = headers {
        put_headers(&mut event, headers, notification.kind());
    }
    match notification.kind() {
        Kind::Text => put_data(&mut event, payload),
        Kind::Binary => {
            event.put_slice(BINARY);
            put_data(&mut event, STANDARD.encode(payload).as_bytes());
        }
    }
    event.put_u8(b'\n');
    fitted(event)
}

pub(crate) fn control(id: Option<Id>, name: &str, json: &str) -> Bytes {
    let mut event = Vec::new();
    if let Some(id) = id {
        put_id(&mut event, id);
    }
    event.put_slice(b"event: ");
    event.put_slice(name.as_bytes());
    event.put_u8(b'\n');
    put_data(&mut event, json.as_bytes());
    event.put_u8(b'\n');
    event.into()
}

fn put_id(event: &mut Vec<u8>, id: Id) {
    // Writing to a `Vec` does not fail.
    let _ = writeln!(event, "id: {id}");
}

/// Appends one line for each header. Headers contain no line endings. The event name of a text notification becomes the
/// type of the event, so that an `EventSource` calls the listeners for this name. The type of a binary notification is
/// always `binary`.
fn put_headers(event: &mut Vec<u8>, headers: &Headers, kind: Kind) {
    for (header, text) in headers.iter() {
        let field = match (field(header), kind) {
            (EVENT_NAME, Kind::Text) => "event",
            (field, _) => field,
        };
        for part in [field, ": ", &text, "\n"] {
            event.put_slice(part.as_bytes());
        }
    }
}

/// Appends a `data:` line for each line of the payload. CR, LF and CRLF all end a line in this format, so the payload
/// is split at each of them. Otherwise a client would parse the text after it as a field.
fn put_data(event: &mut Vec<u8>, payload: &[u8]) {
    let mut rest = payload;
    loop {
        let end = memchr::memchr2(b'\n', b'\r', rest);
        event.put_slice(DATA);
        event.put_slice(&rest[..end.unwrap_or(rest.len())]);
        event.put_u8(b'\n');
        let Some(end) = end else { return };
        let is_crlf = rest[end..].starts_with(b"\r\n");
        rest = &rest[end + if is_crlf { 2 } else { 1 }..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use eventsource_stream::Eventsource;
    use futures::StreamExt;
    use proptest::prelude::*;
    use tidings_core::{Epoch, Notification};

    fn encoded(format: &'static Format, notification: Notification) -> Bytes {
        Entry::new(Epoch::from_number(36).id(5), notification).encoded(format)
    }

    /// Parses a stream with another crate, into `(id, event, data)` for each event.
    fn parsed(bytes: &[u8]) -> Vec<(String, String, String)> {
        let bytes = [Ok::<_, std::convert::Infallible>(Bytes::copy_from_slice(bytes))];
        let events = futures::stream::iter(bytes).eventsource();
        let events = events.map(Result::unwrap).map(|event| (event.id, event.event, event.data));
        futures::executor::block_on(events.collect())
    }

    proptest! {
        #[test]
        fn another_parser_reads_the_payload_and_never_takes_a_part_of_it_for_a_field(
            payload in "([a-z:☃ \0]|data: |id: 9|\r|\n|\r\n){0,30}",
        ) {
            let notification = Notification::text("t".parse().unwrap(), payload.clone());
            let lines = payload.replace("\r\n", "\n").replace('\r', "\n");
            for format in [&EVENT, &EVENT_WITH_TOPIC] {
                let events = parsed(&encoded(format, notification.clone()));
                prop_assert_eq!(events.len(), 1);
                prop_assert_eq!(&events[0].0, "10-5");
                prop_assert_eq!(&events[0].1, "message");
                prop_assert_eq!(&events[0].2, &lines);
            }
        }
    }

    #[test]
    fn a_notification_has_these_exact_bytes() {
        let text = Notification::text("t".parse().unwrap(), "one\r\ntwo\n");
        let lines = "data: one\ndata: two\ndata: \n\n";
        assert_eq!(encoded(&EVENT, text.clone()), format!("id: 10-5\n{lines}"));
        assert_eq!(encoded(&EVENT_WITH_TOPIC, text), format!("id: 10-5\ntopic: t\n{lines}"));
        let binary = Notification::binary("t".parse().unwrap(), &b"\x00\xff"[..]);
        let lines = "event: binary\ndata: AP8=\n\n";
        assert_eq!(encoded(&EVENT, binary.clone()), format!("id: 10-5\n{lines}"));
        assert_eq!(encoded(&EVENT_WITH_TOPIC, binary), format!("id: 10-5\ntopic: t\n{lines}"));
    }

    #[test]
    fn headers_are_fields_and_the_event_name_of_a_text_is_its_type() {
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let headers = Headers::new().with_event("created").unwrap();
        let headers = headers.with_content_type("a/b").unwrap().with_time(7).unwrap();
        let headers = headers.with_trace(parent, Some("a=1")).unwrap();
        let fields =
            format!("content-type: a/b\ntime: 7\ntraceparent: {parent}\ntracestate: a=1\n");
        let text = Notification::text("t".parse().unwrap(), "x").with_headers(headers.clone());
        let bytes = encoded(&EVENT_WITH_TOPIC, text.clone());
        let expected = format!("id: 10-5\ntopic: t\nevent: created\n{fields}data: x\n\n");
        assert_eq!(bytes, expected);
        let event =
            |name: &str, data: &str| vec![("10-5".to_owned(), name.to_owned(), data.to_owned())];
        assert_eq!(parsed(&bytes), event("created", "x"));
        let binary = Notification::binary("t".parse().unwrap(), &b"\x00\xff"[..]);
        let bytes = encoded(&EVENT, binary.with_headers(headers));
        let expected =
            format!("id: 10-5\nevent-name: created\n{fields}event: binary\ndata: AP8=\n\n");
        assert_eq!(bytes, expected);
        assert_eq!(parsed(&bytes), event("binary", "AP8="));
    }

    #[test]
    fn the_opening_has_the_heartbeat_the_position_and_a_random_retry() {
        let encoder = Stream { retry: Duration::from_secs(2), event: &EVENT, compression: None };
        let position = Epoch::from_number(36).id(5);
        let opening = || encoder.opening(Some(position), Duration::from_millis(1500));
        assert!(parsed(&opening()).is_empty(), "the opening must not be an event");
        assert!(
            opening().starts_with(b":ping 1500\nretry: ") && opening().ends_with(b"\nid: 10-5\n\n")
        );
        let retry = |text: Bytes| -> u64 {
            let text = String::from_utf8(text.to_vec()).unwrap();
            let line = text.lines().find_map(|line| line.strip_prefix("retry: ")).unwrap();
            line.parse().unwrap()
        };
        let retries: std::collections::BTreeSet<u64> = (0..50).map(|_| retry(opening())).collect();
        assert!(retries.len() > 10 && retries.iter().all(|ms| (1000..3000).contains(ms)));
    }
}
