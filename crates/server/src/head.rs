//! The head of an answer as bytes, for connections that hyper does not have.

use std::fmt::Write;
use std::time::{Duration, SystemTime};

use bytes::{BufMut, Bytes, BytesMut};
use http::{Response, StatusCode, header};

/// A head whose length, date and end are still to come.
pub(crate) fn open<T>(bytes: &mut BytesMut, head: &Response<T>) {
    let status = head.status();
    bytes.reserve(256);
    bytes.put_slice(b"HTTP/1.1 ");
    bytes.put_slice(status.as_str().as_bytes());
    bytes.put_u8(b' ');
    bytes.put_slice(status.canonical_reason().unwrap_or("").as_bytes());
    bytes.put_slice(b"\r\n");
    for (name, value) in head.headers() {
        bytes.put_slice(name.as_str().as_bytes());
        bytes.put_slice(b": ");
        bytes.put_slice(value.as_bytes());
        bytes.put_slice(b"\r\n");
    }
}

/// The rest of a head before a body that ends with the connection (RFC 9112, section 6.3).
pub(crate) fn finish_stream(head: &mut BytesMut) {
    // Writing into a growing buffer cannot fail.
    let _ = write!(head, "connection: close\r\ndate: {}\r\n\r\n", date());
}

/// The rest of a head that switches protocols.
pub(crate) fn finish_upgrade(head: &mut BytesMut) {
    head.put_slice(b"\r\n");
}

/// The line that ends a connection after an answer.
pub(crate) const CLOSE: &[u8] = b"connection: close\r\n";

/// The lines that keep a connection open after an answer, and announce how long it may idle. Clients of
/// HTTP/1.0 need the first of them, and the second is listed in it (RFC 9110, section 7.6.1).
pub(crate) fn keep_alive(idle: Duration) -> Bytes {
    format!("connection: keep-alive\r\nkeep-alive: timeout={}\r\n", idle.as_secs()).into()
}

/// The part of a head that all answers to equal clients have in common. `ending` is [`CLOSE`] or what
/// [`keep_alive`] returns.
pub(crate) fn open_answer(head: &Response<()>, ending: &[u8]) -> Bytes {
    let mut bytes = BytesMut::new();
    open(&mut bytes, head);
    bytes.put_slice(ending);
    bytes.freeze()
}

/// A whole answer behind such a part: length, date and body.
pub(crate) fn answer(head: &[u8], body: &[u8]) -> Bytes {
    let mut answer = BytesMut::with_capacity(head.len() + body.len() + 96);
    answer.put_slice(head);
    finish_answer(&mut answer, body);
    answer.freeze()
}

/// Appends a whole answer. `ending` is [`CLOSE`] or what [`keep_alive`] returns.
pub(crate) fn whole(bytes: &mut BytesMut, response: &Response<Bytes>, ending: &[u8]) {
    open_whole(bytes, response, ending);
    // A length would be that of what is not sent (RFC 9110, section 8.6).
    if response.status() == StatusCode::NOT_MODIFIED {
        let _ = write!(bytes, "date: {}\r\n\r\n", date());
    } else {
        finish_answer(bytes, response.body());
    }
}

/// Appends the answer to a `HEAD`: the length of the body, if that is known, and no body.
pub(crate) fn without_body(bytes: &mut BytesMut, response: &Response<Bytes>, ending: &[u8]) {
    open_whole(bytes, response, ending);
    if !response.body().is_empty() {
        let _ = write!(bytes, "content-length: {}\r\n", response.body().len());
    }
    let _ = write!(bytes, "date: {}\r\n\r\n", date());
}

fn open_whole(bytes: &mut BytesMut, response: &Response<Bytes>, ending: &[u8]) {
    open(bytes, response);
    if !is_last(response) {
        bytes.put_slice(ending);
    }
}

/// Whether an answer says itself that the connection ends with it.
pub(crate) fn is_last<T>(response: &Response<T>) -> bool {
    response.headers().get(header::CONNECTION).is_some_and(|value| value == "close")
}

/// The rest of an answer: length, date and body.
pub(crate) fn finish_answer(bytes: &mut BytesMut, body: &[u8]) {
    let _ = write!(bytes, "content-length: {}\r\ndate: {}\r\n\r\n", body.len(), date());
    bytes.put_slice(body);
}

fn date() -> httpdate::HttpDate {
    SystemTime::now().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_status_headers_length_and_date() {
        let head = Response::builder().header("content-type", "application/json").body(()).unwrap();
        let answer = answer(&open_answer(&head, CLOSE), b"{}");
        let text = std::str::from_utf8(&answer).unwrap();
        assert!(
            text.starts_with("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"),
            "{text}"
        );
        assert!(text.contains("\r\nconnection: close\r\ncontent-length: 2\r\n"), "{text}");
        assert!(text.ends_with(" GMT\r\n\r\n{}"), "{text}");
    }

    #[test]
    fn the_end_of_a_connection_is_told_once() {
        let response = |builder: http::response::Builder| builder.body(Bytes::new()).unwrap();
        let keep_alive = keep_alive(Duration::from_secs(75));
        for (plain, ending) in [
            (response(Response::builder().header("connection", "close")), &keep_alive[..]),
            (response(Response::builder().header("connection", "close")), CLOSE),
            (response(Response::builder()), CLOSE),
        ] {
            let mut bytes = BytesMut::new();
            whole(&mut bytes, &plain, ending);
            let text = std::str::from_utf8(&bytes).unwrap();
            assert_eq!(text.matches("connection: ").count(), 1, "{text}");
            assert_eq!(text.matches("connection: close\r\n").count(), 1, "{text}");
        }
    }

    #[test]
    fn an_answer_without_a_body_has_the_length_that_it_would_have() {
        let mut bytes = BytesMut::new();
        let keep_alive = keep_alive(Duration::from_secs(75));
        without_body(&mut bytes, &Response::new(Bytes::from("ok")), &keep_alive);
        let text = std::str::from_utf8(&bytes).unwrap();
        assert!(text.contains("\r\nkeep-alive: timeout=75\r\ncontent-length: 2\r\n"), "{text}");
        assert!(text.ends_with("\r\n\r\n"), "{text}");
    }
}
