//! The head of an HTTP response.

use httparse::{EMPTY_HEADER, Response, Status};

/// The parts of a head that decide what follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) status: u16,
    /// Where the body starts.
    pub(crate) length: usize,
    /// The value of `Content-Length`. A stream has none.
    pub(crate) body: Option<usize>,
}

impl Head {
    /// Reads the head at the start of `input`. Returns `None` if it is not complete.
    ///
    /// # Errors
    /// If it is not a head of HTTP/1.1.
    pub(crate) fn read(input: &[u8]) -> Result<Option<Self>, &'static str> {
        let mut headers = [EMPTY_HEADER; 32];
        let mut response = Response::new(&mut headers);
        let Ok(parsed) = response.parse(input) else {
            return Err("the server does not respond in HTTP/1.1");
        };
        let Status::Complete(length) = parsed else {
            return Ok(None);
        };
        let status = response.code.unwrap_or_default();
        let mut body = None;
        for header in response.headers {
            if header.name.eq_ignore_ascii_case("content-length") {
                let length = str::from_utf8(header.value).ok().and_then(|text| text.parse().ok());
                body = Some(length.ok_or("the Content-Length of a response is not a number")?);
            }
        }
        Ok(Some(Self { status, length, body }))
    }
}
