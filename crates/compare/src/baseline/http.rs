//! The part of HTTP/1.1 that the load speaks: heads, bodies with `Content-Length`, keep-alive.

use httparse::{EMPTY_HEADER, Header, Status};

use crate::baseline::response::Fault;

/// The longest request in bytes: the longest payload of the load, and a head.
const MAX_REQUEST: usize = 1024 * 1024 + 16 * 1024;

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
    /// Parses the first request of `input`. `None` means that it is not complete.
    ///
    /// # Errors
    /// Fails with the response to send if the request is malformed. The connection must be closed then, because the
    /// start of the next request is unknown.
    pub(crate) fn parse(input: &'a [u8]) -> Result<Option<Self>, Fault> {
        let mut headers = [EMPTY_HEADER; 64];
        let mut head = httparse::Request::new(&mut headers);
        let status = head.parse(input).map_err(|_| Fault::BAD_REQUEST)?;
        let Status::Complete(body_at) = status else { return incomplete(input.len()) };
        let mut request = Self {
            method: head.method.unwrap_or_default(),
            target: head.path.unwrap_or_default(),
            body: &[],
            length: body_at,
            headers,
        };
        if request.header("transfer-encoding").is_some() {
            return Err(Fault::BAD_REQUEST);
        }
        if let Some(length) = request.header("content-length") {
            let length = str::from_utf8(length).ok().and_then(|it| it.parse::<usize>().ok());
            request.length += length.filter(|it| *it < MAX_REQUEST).ok_or(Fault::BAD_REQUEST)?;
        }
        let Some(body) = input.get(body_at..request.length) else {
            return incomplete(request.length);
        };
        request.body = body;
        Ok(Some(request))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&'a [u8]> {
        let mut headers = self.headers.iter();
        let header = headers.find(|header| header.name.eq_ignore_ascii_case(name))?;
        Some(header.value)
    }
}

/// `None`, so that the caller waits for the rest of a request of this length.
///
/// # Errors
/// Fails with the response to send if the request is too long.
fn incomplete<T>(length: usize) -> Result<Option<T>, Fault> {
    if length > MAX_REQUEST { Err(Fault::BAD_REQUEST) } else { Ok(None) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_returned_once_its_body_is_complete() {
        let input = b"POST /topics/x HTTP/1.1\r\ncontent-length: 2\r\n\r\nhiGET";
        for end in 0..input.len() - 3 {
            assert!(matches!(Request::parse(&input[..end]), Ok(None)), "{end}");
        }
        let request = Request::parse(input).expect("no fault").expect("complete");
        assert_eq!((request.body, request.length), (&b"hi"[..], input.len() - 3));
    }

    #[test]
    fn requests_that_are_too_long_or_have_no_length_are_faults() {
        let fault = |input: &[u8]| Request::parse(input).err();
        let endless = [&b"GET /"[..], &[b'a'; MAX_REQUEST]].concat();
        assert_eq!(fault(&endless), Some(Fault::BAD_REQUEST));
        let chunked = b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n";
        assert_eq!(fault(chunked), Some(Fault::BAD_REQUEST));
        let head = "POST / HTTP/1.1\r\ncontent-length: ";
        for length in ["1073741824", "-1", "18446744073709551615"] {
            let huge = format!("{head}{length}\r\n\r\n");
            assert_eq!(fault(huge.as_bytes()), Some(Fault::BAD_REQUEST));
        }
    }
}
