//! The head of a response of HTTP/1.1.

use std::ops::RangeInclusive;

use httparse::{EMPTY_HEADER, Header, Response, Status};

use crate::load::gone::Gone;

/// The statuses of success.
pub(super) const SUCCESS: RangeInclusive<u16> = 200..=299;

const NO_CONTENT: u16 = 204;

/// The head of a response.
#[derive(Debug)]
pub(crate) struct Head {
    /// The offset of the body.
    pub(super) length: usize,
    /// The value of `Content-Length`, or `None` for a stream.
    pub(super) body: Option<usize>,
    /// `true` if the body is compressed by gzip.
    pub(super) is_gzip: bool,
    pub(super) is_chunked: bool,
    /// `true` if messages of a WebSocket may be compressed.
    pub(super) deflates: bool,
}

impl Head {
    /// Parses the head at the start of `input`. `None` means that it is not complete.
    ///
    /// # Errors
    /// Fails if it is not a head of HTTP/1.1, or its status is not an expected one.
    pub(super) fn read(input: &[u8], expected: RangeInclusive<u16>) -> Result<Option<Self>, Gone> {
        Self::read_with(input, expected, |_| ())
    }

    /// Parses the head and passes all headers to `inspect`.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub(super) fn read_with(
        input: &[u8],
        expected: RangeInclusive<u16>,
        inspect: impl FnOnce(&[Header<'_>]),
    ) -> Result<Option<Self>, Gone> {
        let mut headers = [EMPTY_HEADER; 32];
        let mut response = Response::new(&mut headers);
        let Ok(parsed) = response.parse(input) else {
            return Err(Gone::Invalid("the server does not respond in HTTP/1.1"));
        };
        let Status::Complete(length) = parsed else { return Ok(None) };
        let code = response.code.unwrap_or_default();
        if !expected.contains(&code) {
            return Err(Gone::Rejected(code));
        }
        inspect(response.headers);
        let value = |name: &str| {
            let mut headers = response.headers.iter();
            let header = headers.find(|header| header.name.eq_ignore_ascii_case(name))?;
            Some(str::from_utf8(header.value).unwrap_or_default())
        };
        let body = value("content-length").map(|text| {
            let invalid = Gone::Invalid("the Content-Length of a response is not a number");
            text.parse().map_err(|_| invalid)
        });
        let extensions = value("sec-websocket-extensions").unwrap_or_default();
        Ok(Some(Self {
            length,
            // A response of this status has no body and no length of it (RFC 9110, section 8.6).
            body: if code == NO_CONTENT { Some(0) } else { body.transpose()? },
            is_gzip: value("content-encoding") == Some("gzip"),
            is_chunked: value("transfer-encoding") == Some("chunked"),
            deflates: extensions.starts_with("permessage-deflate"),
        }))
    }
}
