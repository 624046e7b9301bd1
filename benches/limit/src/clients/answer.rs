//! The head of an HTTP answer.

use httparse::{EMPTY_HEADER, Response, Status};

/// As much of a head as decides what follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) status: u16,
    /// Where the body starts.
    pub(crate) length: usize,
    /// What `Content-Length` says; a stream has none.
    pub(crate) body: Option<usize>,
}

impl Head {
    /// Reads the head that `input` starts with, or `None` where it has not all come.
    ///
    /// # Errors
    /// What is wrong, where it is no HTTP.
    pub(crate) fn read(input: &[u8]) -> Result<Option<Self>, &'static str> {
        let mut headers = [EMPTY_HEADER; 32];
        let mut response = Response::new(&mut headers);
        let Ok(parsed) = response.parse(input) else {
            return Err("the server does not answer in HTTP/1.1");
        };
        let Status::Complete(length) = parsed else {
            return Ok(None);
        };
        let status = response.code.unwrap_or_default();
        let mut body = None;
        for header in response.headers {
            if header.name.eq_ignore_ascii_case("content-length") {
                let length = str::from_utf8(header.value).ok().and_then(|text| text.parse().ok());
                body = Some(length.ok_or("the server's Content-Length is no number")?);
            }
        }
        Ok(Some(Self { status, length, body }))
    }
}
