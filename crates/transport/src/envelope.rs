//! A notification as JSON: `{"id","topic","headers"?,"data"}`, or with `data_base64` for binary.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tidings_core::{Format, Gap, Headers, Id, Kind, Reason};

use std::borrow::Cow;
use std::time::Duration;

use crate::Message;
use crate::fitted::fitted;
use crate::headers::lossy_headers;

/// A notification as JSON.
///
/// ```
/// use tidings_transport::Envelope;
/// let text = r#"{"id":"b7k2q9-1042","topic":"t","data":"hello"}"#;
/// let envelope: Envelope = serde_json::from_str(text)?;
/// assert_eq!(envelope.id.seq, 1042);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope<'a> {
    /// The id, which is also a position.
    pub id: Id,
    /// The topic.
    #[serde(borrow)]
    pub topic: Cow<'a, str>,
    /// The headers. `None` if no valid header is set.
    #[serde(default, deserialize_with = "lossy_headers", skip_serializing_if = "Option::is_none")]
    pub headers: Option<Headers>,
    /// A text payload.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Cow<'a, str>>,
    /// A binary payload, in base64 (RFC 4648, section 4).
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub data_base64: Option<Cow<'a, str>>,
}

/// Encodes an entry as the JSON of its [`Envelope`].
pub static ENVELOPE: Format = Format::new("envelope", |entry| {
    let notification = entry.notification();
    let base64 = || Cow::Owned(base64_of(notification.payload()));
    let length = match notification.kind() {
        Kind::Text => notification.size(),
        Kind::Binary => notification.size().div_ceil(3) * 4,
    };
    let mut json = Vec::with_capacity(length + notification.topic().as_str().len() + 80);
    let envelope = Envelope {
        id: entry.id(),
        topic: Cow::Borrowed(notification.topic().as_str()),
        headers: notification.headers().cloned(),
        data: notification.as_text().map(Cow::Borrowed),
        data_base64: (notification.kind() == Kind::Binary).then(base64),
    };
    // Serializing a struct of strings does not fail. An empty object would be an error for every client.
    if serde_json::to_writer(&mut json, &envelope).is_err() {
        json = b"{}".to_vec();
    }
    fitted(json)
});

impl Envelope<'_> {
    /// Returns the kind and the payload, or `None` if both fields are missing or the base64 is malformed.
    pub fn payload(&self) -> Option<(Kind, Bytes)> {
        match (&self.data, &self.data_base64) {
            (Some(text), _) => Some((Kind::Text, Bytes::copy_from_slice(text.as_bytes()))),
            (None, Some(base64)) => {
                Some((Kind::Binary, STANDARD.decode(base64.as_bytes()).ok()?.into()))
            }
            (None, None) => None,
        }
    }
}

/// Encodes bytes as the base64 of `data_base64` (RFC 4648, section 4).
pub fn base64_of(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Encodes a gap as JSON: `{"gap":{…}}`.
pub fn gap_json(gap: &Gap) -> String {
    json!({ "gap": gap }).to_string()
}

/// Encodes a heartbeat as JSON: `{"ping":…,"id":…}`. `ping` is the time until the next one in milliseconds, and `id`
/// the position, which is left out if there is none.
pub fn heartbeat_json(position: Option<Id>, interval: Duration) -> String {
    let interval = interval.as_millis();
    // An id has no characters that JSON must escape.
    match position {
        Some(position) => format!(r#"{{"ping":{interval},"id":"{position}"}}"#),
        None => format!(r#"{{"ping":{interval}}}"#),
    }
}

/// Encodes a goodbye as JSON: `{"goodbye":{"reason":…,"message":…}}`.
pub fn goodbye_json(reason: Reason) -> String {
    json!({"goodbye": {"reason": reason.name(), "message": reason.phrase()}}).to_string()
}

/// Encodes a reply to a client's message as JSON: `{"reply":{"data":…}}`, or with `data_base64` for binary.
pub fn reply_json(reply: &Message) -> String {
    let content = match reply.as_text() {
        Some(text) => json!({ "data": text }),
        None => json!({ "data_base64": base64_of(&reply.payload) }),
    };
    json!({ "reply": content }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidings_core::{Entry, Epoch, Notification};

    #[test]
    fn text_and_binary_payloads_are_unchanged_after_decoding() {
        let topic: tidings_core::Topic = "a.b".parse().unwrap();
        let all_bytes: Vec<u8> = (0..=255).collect();
        for notification in [
            Notification::text(topic.clone(), ""),
            Notification::text(topic.clone(), "quote \" back \\ line \r\n nul \0 snow ☃ \u{2028}"),
            Notification::binary(topic.clone(), Bytes::new()),
            Notification::binary(topic, all_bytes),
        ] {
            let entry = Entry::new(Epoch::from_number(36).id(3), notification.clone());
            let json = entry.encoded(&ENVELOPE);
            let envelope: Envelope<'_> = serde_json::from_slice(&json).unwrap();
            let expected = (notification.kind(), notification.payload().clone());
            assert_eq!(envelope.payload(), Some(expected));
            assert_eq!((envelope.id, &*envelope.topic), (entry.id(), "a.b"));
        }
    }

    #[test]
    fn the_member_headers_is_left_out_if_no_header_is_set() {
        let plain = Notification::text("a.b".parse().unwrap(), "x");
        let headers = Headers::new().with_event("created").unwrap().with_time(7).unwrap();
        for (notification, json) in [
            (plain.clone(), r#"{"id":"10-3","topic":"a.b","data":"x"}"#),
            (
                plain.with_headers(headers.clone()),
                r#"{"id":"10-3","topic":"a.b","headers":{"event":"created","time":7},"data":"x"}"#,
            ),
        ] {
            let entry = Entry::new(Epoch::from_number(36).id(3), notification);
            assert_eq!(entry.encoded(&ENVELOPE), json);
            let envelope: Envelope<'_> = serde_json::from_str(json).unwrap();
            assert_eq!(envelope.headers.as_ref(), entry.notification().headers());
        }
        let malformed = r#"{"id":"10-3","topic":"a.b","headers":{"event":"gap"},"data":"x"}"#;
        let envelope: Envelope<'_> = serde_json::from_str(malformed).unwrap();
        assert_eq!((envelope.headers, envelope.data.as_deref()), (None, Some("x")));
    }
}
