//! One whole request out of the bytes that came.
//!
//! Most requests are plain and come in one piece: a head, perhaps a body of known length. Those are taken
//! apart here, by the parser that hyper has as well. Whatever is not as plain as that is hyper's: a request
//! that is not all there, a body in chunks, another version or method, and everything that is at fault.

use std::mem::MaybeUninit;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, header};
use tidings_transport::lists;

/// A request that is all there.
#[derive(Debug)]
pub(crate) struct Whole {
    pub(crate) request: Parts,
    pub(crate) body: Bytes,
    /// How many bytes it was; the next one begins there.
    pub(crate) length: usize,
}

/// As many header lines as hyper takes.
const MAX_LINES: usize = 100;

/// Which of these a head has decides how its body is framed, or whether it is wanted.
const NOT_PLAIN: [HeaderName; 2] = [header::TRANSFER_ENCODING, header::EXPECT];

/// The first request in these bytes, where it is whole and plain.
pub(crate) fn whole(bytes: &[u8], max_head: usize) -> Option<Whole> {
    let mut lines = [MaybeUninit::uninit(); MAX_LINES];
    let mut head = httparse::Request::new(&mut []);
    let httparse::Status::Complete(head_length) =
        head.parse_with_uninit_headers(bytes, &mut lines).ok()?
    else {
        return None;
    };
    if head_length > max_head || head.version != Some(1) {
        return None;
    }
    let method = match head.method? {
        "GET" => Method::GET,
        "POST" => Method::POST,
        _ => return None,
    };
    // The parts of a request share one copy of its head.
    let shared = Bytes::copy_from_slice(&bytes[..head_length]);
    let part = |part: &[u8]| {
        let start = part.as_ptr().addr() - bytes.as_ptr().addr();
        shared.slice(start..start + part.len())
    };
    let mut headers = HeaderMap::with_capacity(head.headers.len());
    let mut body_length = None;
    for line in &*head.headers {
        let name = HeaderName::from_bytes(line.name.as_bytes()).ok()?;
        if NOT_PLAIN.contains(&name) || (name == header::CONTENT_LENGTH && body_length.is_some()) {
            return None;
        }
        if name == header::CONTENT_LENGTH {
            body_length = Some(digits(line.value)?);
        }
        headers.append(name, HeaderValue::from_maybe_shared(part(line.value)).ok()?);
    }
    let body_length = body_length.unwrap_or(0);
    if method == Method::GET && body_length > 0 {
        return None;
    }
    let length = head_length.checked_add(body_length)?;
    let body = Bytes::copy_from_slice(bytes.get(head_length..length)?);
    let (mut request, ()) = Request::new(()).into_parts();
    request.uri = Uri::from_maybe_shared(part(head.path?.as_bytes())).ok()?;
    (request.method, request.headers) = (method, headers);
    Some(Whole { request, body, length })
}

/// A length is digits alone (RFC 9112, section 6.2).
fn digits(value: &[u8]) -> Option<usize> {
    let is_plain = value.iter().all(u8::is_ascii_digit);
    if is_plain { std::str::from_utf8(value).ok()?.parse().ok() } else { None }
}

/// Whether the client expects the connection to end with the answer (RFC 9112, section 9.3).
pub(crate) fn is_last(request: &Parts) -> bool {
    match request.version {
        http::Version::HTTP_10 => !lists(request, header::CONNECTION, "keep-alive"),
        _ => lists(request, header::CONNECTION, "close"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX_HEAD: usize = 8192;

    fn taken(text: &str) -> Option<Whole> {
        whole(text.as_bytes(), MAX_HEAD)
    }

    #[test]
    fn a_request_is_taken_once_it_is_whole_and_no_byte_of_the_next_one() {
        let text = "POST /topics/t?x=1 HTTP/1.1\r\nHost: hub\r\nContent-Length: 2\r\n\r\nhiGET ";
        let end = text.len() - "GET ".len();
        for cut in 0..end {
            assert!(taken(&text[..cut]).is_none(), "{cut}");
        }
        let Whole { request, body, length } = taken(text).unwrap();
        assert_eq!((request.method, body.as_ref(), length), (Method::POST, &b"hi"[..], end));
        assert_eq!((request.uri.path(), request.uri.query()), ("/topics/t", Some("x=1")));
        assert_eq!(request.headers[header::HOST], "hub");
    }

    #[test]
    fn whatever_is_not_plain_is_left_to_hyper() {
        for head in [
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: +0\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
            "GET / HTTP/1.1\r\nContent-Length: 1\r\n\r\nx",
            "HEAD / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.0\r\n\r\n",
            "GET  / HTTP/1.1\r\n\r\n",
            "\u{16}\u{3}\u{1}",
        ] {
            assert!(taken(head).is_none(), "{head:?}");
        }
        let long = format!("GET / HTTP/1.1\r\nx: {}\r\n\r\n", "x".repeat(MAX_HEAD));
        assert!(taken(&long).is_none());
        assert!(taken("GET / HTTP/1.1\r\nContent-Length: 0\r\n\r\n").is_some());
    }

    #[test]
    fn who_wants_the_connection_closed_says_so() {
        let is_last = |lines: &str| {
            is_last(&taken(&format!("GET / HTTP/1.1\r\n{lines}\r\n")).unwrap().request)
        };
        assert!(is_last("Connection: close\r\n"));
        assert!(is_last("Connection: upgrade\r\nConnection: x, Close\r\n"));
        assert!(!is_last("Connection: keep-alive\r\n") && !is_last(""));
    }
}
