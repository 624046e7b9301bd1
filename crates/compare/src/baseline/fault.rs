//! Error responses.

use crate::baseline::http;

/// A request that cannot be served: the status, and what the JSON body says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    status: &'static str,
    /// A further header line, or nothing.
    header: &'static str,
    code: &'static str,
    message: &'static str,
}

impl Fault {
    /// The bytes are not HTTP/1.1.
    pub(crate) const BAD_REQUEST: Self =
        Self::new("400 Bad Request", "bad_request", "this is not an HTTP/1.1 request");
    /// The body has no `Content-Length`.
    pub(crate) const CHUNKED: Self =
        Self::new("501 Not Implemented", "chunked_body", "send the body with Content-Length");
    /// The head never ends.
    pub(crate) const HEAD_TOO_LARGE: Self = Self::new(
        "431 Request Header Fields Too Large",
        "head_too_large",
        "a request head may have 16 KiB",
    );
    /// The payload is over the limit.
    pub(crate) const BODY_TOO_LARGE: Self =
        Self::new("413 Content Too Large", "payload_too_large", "a payload may have 1 MiB");
    /// The payload cannot travel as text.
    pub(crate) const BAD_PAYLOAD: Self =
        Self::new("400 Bad Request", "bad_payload", "a payload must be UTF-8");
    /// The position is not an id of this program.
    pub(crate) const BAD_POSITION: Self =
        Self::new("400 Bad Request", "bad_position", "after must be an id of this server");
    /// The handshake has no key.
    pub(crate) const BAD_HANDSHAKE: Self = Self::new(
        "400 Bad Request",
        "bad_handshake",
        "a WebSocket handshake needs Sec-WebSocket-Key",
    );
    /// There are topics only.
    pub(crate) const NOT_FOUND: Self =
        Self::new("404 Not Found", "not_found", "there are only topics here, such as /topics/x");
    /// The method is neither that of a publish nor that of a subscribe request.
    pub(crate) const BAD_METHOD: Self = Self {
        header: "Allow: GET, POST\r\n",
        ..Self::new(
            "405 Method Not Allowed",
            "method_not_allowed",
            "publish with POST, subscribe with GET",
        )
    };

    const fn new(status: &'static str, code: &'static str, message: &'static str) -> Self {
        Self { status, header: "", code, message }
    }

    /// Appends the response.
    pub(crate) fn write(self, out: &mut Vec<u8>) {
        let (code, message) = (self.code, self.message);
        let body = format!(r#"{{"error":{{"code":"{code}","message":"{message}"}}}}"#);
        http::json(out, self.status, self.header, &[body.as_bytes()]);
    }
}
