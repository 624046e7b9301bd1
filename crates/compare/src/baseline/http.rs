//! The part of HTTP/1.1 that the load speaks: heads, bodies with `Content-Length`, keep-alive.

use httparse::{EMPTY_HEADER, Header, Status};

use crate::baseline::response::Fault;

/// The longest head.
const MAX_HEAD: usize = 16 * 1024;

/// The longest payload.
const MAX_BODY: usize = 1024 * 1024;

const HEAD_TOO_LARGE: Fault = Fault("431 Request Header Fields Too Large");
const CHUNKED: Fault = Fault("501 Not Implemented");
const BODY_TOO_LARGE: Fault = Fault("413 Content Too Large");

/// One complete request, borrowed from the bytes it came in.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    pub(crate) method: &'a str,
    pub(crate) target: &'a str,
    pub(crate) body: &'a [u8],
    /// The length of the request in the input.
    pub(crate) length: usize,
    headers: [Header<'a>; 64],
}

impl<'a> Request<'a> {
    /// Takes the first request from `input`. Returns `None` if it is not complete. After a fault the connection must
    /// end, because nothing in the input is known to be the start of a request.
    pub(crate) fn parse(input: &'a [u8]) -> Result<Option<Self>, Fault> {
        let mut headers = [EMPTY_HEADER; 64];
        let mut head = httparse::Request::new(&mut headers);
        let status = head.parse(input).map_err(|_| Fault::BAD_REQUEST)?;
        let Status::Complete(body_at) = status else {
            return if input.len() > MAX_HEAD { Err(HEAD_TOO_LARGE) } else { Ok(None) };
        };
        let mut request = Self {
            method: head.method.unwrap_or_default(),
            target: head.path.unwrap_or_default(),
            body: &[],
            length: body_at,
            headers,
        };
        request.length += request.body_length()?;
        let Some(body) = input.get(body_at..request.length) else {
            return Ok(None);
        };
        request.body = body;
        Ok(Some(request))
    }

    /// Returns the value of the first header of this name.
    pub(crate) fn header(&self, name: &str) -> Option<&'a [u8]> {
        self.values(name).next()
    }

    /// Returns `true` if a header that is a list has `item`, apart from parameters (RFC 9110, section 5.6.1).
    pub(crate) fn lists(&self, name: &str, item: &str) -> bool {
        self.values(name)
            .flat_map(|value| value.split(|&byte| byte == b','))
            .filter_map(|element| element.split(|&byte| byte == b';').next())
            .any(|element| element.trim_ascii().eq_ignore_ascii_case(item.as_bytes()))
    }

    fn values(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.headers
            .iter()
            .filter(move |header| header.name.eq_ignore_ascii_case(name))
            .map(|header| header.value)
    }

    fn body_length(&self) -> Result<usize, Fault> {
        if self.header("transfer-encoding").is_some() {
            return Err(CHUNKED);
        }
        let Some(value) = self.header("content-length") else {
            return Ok(0);
        };
        let length = str::from_utf8(value).ok().and_then(|v| v.parse().ok());
        match length {
            None => Err(Fault::BAD_REQUEST),
            Some(length) if length > MAX_BODY => Err(BODY_TOO_LARGE),
            Some(length) => Ok(length),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_taken_once_its_body_is_complete() {
        let input = b"POST /topics/x HTTP/1.1\r\ncontent-length: 2\r\n\r\nhiGET";
        for end in 0..input.len() - 3 {
            assert!(matches!(Request::parse(&input[..end]), Ok(None)), "{end}");
        }
        let request = Request::parse(input).expect("no fault").expect("complete");
        assert_eq!((request.body, request.length), (&b"hi"[..], input.len() - 3));
    }

    #[test]
    fn a_list_is_searched_over_all_its_lines() {
        let input = b"GET / HTTP/1.1\r\nAccept: a, B ;q=1\r\naccept:c\r\n\r\n";
        let request = Request::parse(input).expect("no fault").expect("complete");
        for item in ["a", "b", "c"] {
            assert!(request.lists("accept", item), "{item}");
        }
        assert!(!request.lists("accept", "q=1"));
    }

    #[test]
    fn a_head_without_end_or_a_body_without_measure_is_a_fault() {
        let fault = |input: &[u8]| Request::parse(input).err();
        let endless = [&b"GET /"[..], &[b'a'; MAX_HEAD]].concat();
        assert_eq!(fault(&endless), Some(HEAD_TOO_LARGE));
        let chunked = b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n";
        assert_eq!(fault(chunked), Some(CHUNKED));
        let huge = b"POST / HTTP/1.1\r\ncontent-length: 1048577\r\n\r\n";
        assert_eq!(fault(huge), Some(BODY_TOO_LARGE));
        let negative = b"POST / HTTP/1.1\r\ncontent-length: -1\r\n\r\n";
        assert_eq!(fault(negative), Some(Fault::BAD_REQUEST));
    }
}
