//! The formats: the bytes of a notification for each kind of client.

use std::io::Write;

use crate::baseline::log::{Id, Notification};
use crate::baseline::response;
use crate::baseline::websocket;

/// A format. All clients of the same format receive the same bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// A WebSocket text frame of the JSON envelope, as the subprotocol `tidings.v1` has it.
    WebSocket,
    /// An event of an SSE stream.
    EventStream,
    /// The complete response to a held long-poll, with its head.
    Poll,
}

impl Format {
    /// The number of formats, for tables indexed by `format as usize`.
    pub(crate) const COUNT: usize = 3;

    /// Appends the notifications to `out` in this format.
    pub(crate) fn encode<'a>(
        self,
        out: &mut Vec<u8>,
        notifications: impl Iterator<Item = Notification<'a>>,
    ) {
        match self {
            Self::WebSocket => {
                let mut json = Vec::new();
                for notification in notifications {
                    json.clear();
                    envelope(&mut json, notification);
                    websocket::text(out, &json);
                }
            }
            Self::EventStream => notifications.for_each(|n| event(out, n)),
            Self::Poll => page(out, Id(0), notifications),
        }
    }
}

/// Appends the response to a long-poll. Its cursor is the id of its last notification, or `cursor` for an empty
/// response.
pub(crate) fn page<'a>(
    out: &mut Vec<u8>,
    mut cursor: Id,
    notifications: impl Iterator<Item = Notification<'a>>,
) {
    let mut list = Vec::new();
    for notification in notifications {
        if !list.is_empty() {
            list.push(b',');
        }
        envelope(&mut list, notification);
        cursor = notification.id;
    }
    let start = format!(r#"{{"cursor":"{cursor}","notifications":["#);
    response::json(out, "200 OK", &[start.as_bytes(), &list, b"]}"]);
}

/// Appends `{"id","topic","data"}`.
fn envelope(out: &mut Vec<u8>, notification: Notification<'_>) {
    write_to(out, format_args!(r#"{{"id":"{}","topic":"x","data":"#, notification.id));
    serde_json::to_writer(&mut *out, notification.payload)
        .expect("a string written to memory cannot fail");
    out.push(b'}');
}

/// Appends one event, with a `data` line for each line of the payload, so that no payload can start a field or another
/// event (HTML, "Server-sent events": CR, LF and CRLF all end a line).
fn event(out: &mut Vec<u8>, notification: Notification<'_>) {
    write_to(out, format_args!("id: {}\n", notification.id));
    let mut rest = notification.payload;
    loop {
        let end = rest.find(['\r', '\n']).unwrap_or(rest.len());
        let (line, tail) = rest.split_at(end);
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(line.as_bytes());
        out.push(b'\n');
        let Some(next) = tail.strip_prefix("\r\n").or_else(|| tail.strip_prefix(['\r', '\n']))
        else {
            break;
        };
        rest = next;
    }
    out.push(b'\n');
}

fn write_to(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("text written to memory cannot fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(format: Format, payload: &str) -> String {
        let mut out = Vec::new();
        let notification = Notification { id: Id(7), payload };
        format.encode(&mut out, std::iter::once(notification));
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn an_event_has_a_data_line_for_each_line_of_the_payload() {
        assert_eq!(
            encoded(Format::EventStream, "a\nb\r\nc\rid: 9\n"),
            "id: aaaaaa-7\ndata: a\ndata: b\ndata: c\ndata: id: 9\ndata: \n\n"
        );
        assert_eq!(encoded(Format::EventStream, ""), "id: aaaaaa-7\ndata: \n\n");
    }

    #[test]
    fn an_envelope_escapes_the_payload() {
        let json = r#"{"id":"aaaaaa-7","topic":"x","data":"\"\\\n"}"#;
        let frame = encoded(Format::WebSocket, "\"\\\n");
        assert!(frame.ends_with(json), "{frame:?}");
    }
}
