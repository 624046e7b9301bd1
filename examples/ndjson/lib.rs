//! Tidings as newline-delimited JSON: an endless body with one JSON text a line.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Response, header};
use serde_json::json;
use tidings_core::{Event, Format, Id};
use tidings_transport::{
    Accepted, ENVELOPE, Encoder, Rejection, Shape, SubscribeRequest, Transport, concatenated,
    gap_json, prefers,
};

mod client;
pub use client::NdjsonClient;

const MEDIA: &str = "application/x-ndjson";

/// An entry as one line. It is built from the envelope, which may be encoded already.
static LINE: Format =
    Format::new("ndjson", |entry| [&entry.encoded(&ENVELOPE)[..], b"\n"].concat().into());

/// The server half. It has one encoder, so all its clients are sent the same bytes.
#[derive(Debug)]
pub struct Ndjson(Arc<dyn Encoder>);

#[derive(Debug)]
struct Lines;

impl Default for Ndjson {
    fn default() -> Self {
        Self(Arc::new(Lines))
    }
}

impl Transport for Ndjson {
    fn name(&self) -> &'static str {
        "ndjson"
    }

    fn claims(&self, request: &Parts) -> bool {
        prefers(&request.headers, &header::ACCEPT, MEDIA, "application/json")
    }

    fn accept(&self, _: &Parts, _: &SubscribeRequest) -> Result<Accepted, Rejection> {
        let mut head = Response::new(());
        let headers = head.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let (head, encoder) = (Arc::new(head), self.0.clone());
        Ok(Accepted { head, header: None, encoder, shape: Shape::Stream })
    }
}

impl Encoder for Lines {
    /// Returns the position, so that a client that is cut before its first notification can resume.
    fn opening(&self, position: Option<Id>, _heartbeat: Duration) -> Bytes {
        position.map(ping).unwrap_or_default()
    }

    fn encode(&self, events: &[Event], _: Id) -> Bytes {
        concatenated(events, |event| match event {
            Event::Deliver(entry) => entry.encoded(&LINE),
            Event::Gap(gap) => line(&gap_json(gap)),
            Event::Heartbeat { position, .. } => ping(*position),
            Event::Goodbye(reason) => {
                let goodbye = json!({ "reason": reason.name(), "message": reason.phrase() });
                line(&json!({ "goodbye": goodbye }).to_string())
            }
        })
    }
}

fn ping(position: Id) -> Bytes {
    line(&json!({ "ping": position }).to_string())
}

fn line(json: &str) -> Bytes {
    format!("{json}\n").into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidings_core::{Entry, Epoch, Notification, Reason};

    #[test]
    fn a_payload_with_line_ends_is_still_one_line() {
        let notification = Notification::text("t".parse().unwrap(), "two\r\nlines");
        let entry = Arc::new(Entry::new(Epoch::from_number(14).id(7), notification));
        let events = [Event::Deliver(entry), Event::Goodbye(Reason::GoingAway)];
        let text = Lines.encode(&events, Epoch::from_number(14).id(7));
        let lines: Vec<_> = std::str::from_utf8(&text).unwrap().lines().collect();
        assert_eq!(lines[0], r#"{"id":"e-7","topic":"t","data":"two\r\nlines"}"#);
        assert!(lines.len() == 2 && lines[1].contains("going_away"), "{text:?}");
    }
}
