//! Responses of HTTP/1.1.

/// The head of an SSE stream and a first comment, which makes proxies pass the response on at once.
pub(crate) const EVENT_STREAM: &[u8] = b"HTTP/1.1 200 OK\r\n\
    Content-Type: text/event-stream\r\n\
    Cache-Control: no-cache, no-transform\r\n\
    X-Accel-Buffering: no\r\n\
    Connection: close\r\n\r\n:\n\n";

/// The status of the response to a request that cannot be served. The load reports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault(pub(crate) &'static str);

impl Fault {
    pub(crate) const BAD_REQUEST: Self = Self("400 Bad Request");

    /// Appends the response.
    pub(crate) fn write(self, out: &mut Vec<u8>) {
        json(out, self.0, &[b"{}"]);
    }
}

/// Appends a response with a JSON body, which is given in parts.
pub(crate) fn json(out: &mut Vec<u8>, status: &str, body: &[&[u8]]) {
    let length: usize = body.iter().map(|part| part.len()).sum();
    let head = format!(
        "HTTP/1.1 {status}\r\n\
         Content-Type: application/json\r\n\
         Cache-Control: no-store\r\n\
         Content-Length: {length}\r\n\r\n"
    );
    out.extend_from_slice(head.as_bytes());
    body.iter().for_each(|part| out.extend_from_slice(part));
}
