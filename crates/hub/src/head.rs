//! The head of an answer as bytes, for connections that have left hyper.

use std::fmt::Write;
use std::time::SystemTime;

use bytes::{BufMut, Bytes, BytesMut};
use http::Response;

/// A head whose length, date and end are still to come.
pub(crate) fn open(head: &Response<()>) -> BytesMut {
    let status = head.status();
    let mut bytes = BytesMut::with_capacity(256);
    // Writing into a growing buffer cannot fail.
    let _ = write!(
        bytes,
        "HTTP/1.1 {} {}\r\n",
        status.as_u16(),
        status.canonical_reason().unwrap_or("")
    );
    for (name, value) in head.headers() {
        bytes.put_slice(name.as_str().as_bytes());
        bytes.put_slice(b": ");
        bytes.put_slice(value.as_bytes());
        bytes.put_slice(b"\r\n");
    }
    bytes
}

/// The rest of a head before a body that ends with the connection (RFC 9112, section 6.3).
pub(crate) fn finish_stream(mut head: BytesMut) -> BytesMut {
    let _ = write!(head, "connection: close\r\ndate: {}\r\n\r\n", date());
    head
}

/// The rest of a head that switches protocols.
pub(crate) fn finish_upgrade(mut head: BytesMut) -> BytesMut {
    head.put_slice(b"\r\n");
    head
}

/// The part of a head that all answers to equal clients have in common.
pub(crate) fn open_answer(mut head: BytesMut, is_last: bool) -> Bytes {
    if is_last {
        head.put_slice(b"connection: close\r\n");
    }
    head.freeze()
}

/// A whole answer: head, length, date and body.
pub(crate) fn answer(head: &[u8], body: &[u8]) -> Bytes {
    let mut answer = BytesMut::with_capacity(head.len() + body.len() + 96);
    answer.put_slice(head);
    let _ = write!(answer, "content-length: {}\r\ndate: {}\r\n\r\n", body.len(), date());
    answer.put_slice(body);
    answer.freeze()
}

fn date() -> httpdate::HttpDate {
    SystemTime::now().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read_back_by_httparse_of_hypers_own_rules() {
        let head = Response::builder().header("content-type", "application/json").body(()).unwrap();
        let answer = answer(&open(&head), b"{}");
        let text = std::str::from_utf8(&answer).unwrap();
        assert!(
            text.starts_with("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"),
            "{text}"
        );
        assert!(text.contains("\r\ncontent-length: 2\r\n"), "{text}");
        assert!(text.ends_with(" GMT\r\n\r\n{}"), "{text}");
    }
}
