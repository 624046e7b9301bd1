//! The response to a request, and its bytes.

use std::fmt::Write;
use std::time::{Duration, SystemTime};

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use tidings_transport::Accepted;
use tidings_transport::mount::Subscriber;

/// What the routes return for a request.
pub(crate) enum Routed {
    /// A response.
    Response(Response<Bytes>),
    /// A stream, a conversation or a poll of a subscriber that was accepted.
    Subscription(Box<Subscriber>),
}

/// A response with this media type that must not be stored.
pub(crate) fn text(media: &'static str, body: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = Response::new(body.into());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Appends the beginning of a head: the status and the headers, without length, date and end.
fn begin_head<T>(bytes: &mut BytesMut, head: &Response<T>) {
    let status = head.status();
    bytes.reserve(256);
    bytes.put_slice(b"HTTP/1.1 ");
    bytes.put_slice(status.as_str().as_bytes());
    bytes.put_u8(b' ');
    bytes.put_slice(status.canonical_reason().unwrap_or("").as_bytes());
    bytes.put_slice(b"\r\n");
    head.headers().iter().for_each(|(name, value)| put_header(bytes, name, value));
}

pub(crate) fn put_header(bytes: &mut BytesMut, name: &HeaderName, value: &HeaderValue) {
    bytes.put_slice(name.as_str().as_bytes());
    bytes.put_slice(b": ");
    bytes.put_slice(value.as_bytes());
    bytes.put_slice(b"\r\n");
}

/// Appends the head of a response whose body ends with the connection (RFC 9112, section 6.3).
pub(crate) fn stream_head(bytes: &mut BytesMut, accepted: &Accepted) {
    begin_accepted(bytes, accepted);
    // Writing into a growing buffer cannot fail.
    let _ = write!(bytes, "connection: close\r\ndate: {}\r\n\r\n", date());
}

/// Appends the head of a `101` response.
pub(crate) fn upgrade_head(bytes: &mut BytesMut, accepted: &Accepted) {
    begin_accepted(bytes, accepted);
    bytes.put_slice(b"\r\n");
}

fn begin_accepted(bytes: &mut BytesMut, accepted: &Accepted) {
    begin_head(bytes, &accepted.head);
    if let Some((name, value)) = &accepted.header {
        put_header(bytes, name, value);
    }
}

/// The header line that closes a connection after the response.
pub(crate) const CLOSE: &[u8] = b"connection: close\r\n";

/// The header lines that keep a connection open after a response, and announce how long it may idle. Clients of
/// HTTP/1.0 need the first line, which lists the second (RFC 9110, section 7.6.1).
pub(crate) fn keep_alive(idle: Duration) -> Bytes {
    format!("connection: keep-alive\r\nkeep-alive: timeout={}\r\n", idle.as_secs()).into()
}

/// The part of the head that the answers to all polls of a group share. `ending` is [`CLOSE`] or the lines of
/// [`keep_alive`].
pub(crate) fn poll_head(head: &Response<()>, ending: &[u8]) -> Bytes {
    let mut bytes = BytesMut::new();
    begin_head(&mut bytes, head);
    bytes.put_slice(ending);
    bytes.freeze()
}

/// The answer to a poll: `head`, the rest of the head, and the body.
pub(crate) fn poll(head: &[u8], body: &[u8]) -> Bytes {
    let mut answer = BytesMut::with_capacity(head.len() + body.len() + 96);
    answer.put_slice(head);
    end_with_body(&mut answer, body);
    answer.freeze()
}

/// The answer to a poll with a gzip body.
pub(crate) fn gzip_poll(head: &[u8], gzip: &[u8]) -> Bytes {
    let mut answer = BytesMut::with_capacity(head.len() + gzip.len() + 128);
    answer.put_slice(head);
    answer.put_slice(b"content-encoding: gzip\r\n");
    end_with_body(&mut answer, gzip);
    answer.freeze()
}

/// Appends a whole response. `ending` is [`CLOSE`] or the lines of [`keep_alive`].
pub(crate) fn write(bytes: &mut BytesMut, response: &Response<Bytes>, ending: &[u8]) {
    write_head(bytes, response, ending);
    // A length would be that of the body of a `200`, which is not known here (RFC 9110, section 8.6).
    if response.status() == StatusCode::NOT_MODIFIED {
        let _ = write!(bytes, "date: {}\r\n\r\n", date());
    } else {
        end_with_body(bytes, response.body());
    }
}

/// Appends the response to a `HEAD`: the length of the body if it is known, and no body.
pub(crate) fn without_body(bytes: &mut BytesMut, response: &Response<Bytes>, ending: &[u8]) {
    write_head(bytes, response, ending);
    if !response.body().is_empty() {
        let _ = write!(bytes, "content-length: {}\r\n", response.body().len());
    }
    let _ = write!(bytes, "date: {}\r\n\r\n", date());
}

fn write_head(bytes: &mut BytesMut, response: &Response<Bytes>, ending: &[u8]) {
    begin_head(bytes, response);
    if !is_last(response) {
        bytes.put_slice(ending);
    }
}

pub(crate) fn is_last<T>(response: &Response<T>) -> bool {
    response.headers().get(header::CONNECTION).is_some_and(|value| value == "close")
}

/// Appends the rest of a response: length, date and body.
pub(crate) fn end_with_body(bytes: &mut BytesMut, body: &[u8]) {
    let _ = write!(bytes, "content-length: {}\r\ndate: {}\r\n\r\n", body.len(), date());
    bytes.put_slice(body);
}

pub(crate) fn date() -> httpdate::HttpDate {
    SystemTime::now().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_has_status_headers_length_and_date() {
        let head = Response::builder().header("content-type", "application/json").body(()).unwrap();
        let answer = poll(&poll_head(&head, CLOSE), b"{}");
        let text = std::str::from_utf8(&answer).unwrap();
        assert!(
            text.starts_with("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"),
            "{text}"
        );
        assert!(text.contains("\r\nconnection: close\r\ncontent-length: 2\r\n"), "{text}");
        assert!(text.ends_with(" GMT\r\n\r\n{}"), "{text}");
    }

    #[test]
    fn a_response_has_one_connection_header() {
        let response = |builder: http::response::Builder| builder.body(Bytes::new()).unwrap();
        let keep_alive = keep_alive(Duration::from_secs(75));
        for (plain, ending) in [
            (response(Response::builder().header("connection", "close")), &keep_alive[..]),
            (response(Response::builder().header("connection", "close")), CLOSE),
            (response(Response::builder()), CLOSE),
        ] {
            let mut bytes = BytesMut::new();
            write(&mut bytes, &plain, ending);
            let text = std::str::from_utf8(&bytes).unwrap();
            assert_eq!(text.matches("connection: ").count(), 1, "{text}");
            assert_eq!(text.matches("connection: close\r\n").count(), 1, "{text}");
        }
    }

    #[test]
    fn the_response_to_a_head_request_has_the_length_of_the_body() {
        let mut bytes = BytesMut::new();
        let keep_alive = keep_alive(Duration::from_secs(75));
        without_body(&mut bytes, &Response::new(Bytes::from("ok")), &keep_alive);
        let text = std::str::from_utf8(&bytes).unwrap();
        assert!(text.contains("\r\nkeep-alive: timeout=75\r\ncontent-length: 2\r\n"), "{text}");
        assert!(text.ends_with("\r\n\r\n"), "{text}");
    }
}
