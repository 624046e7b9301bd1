//! A client that sends and receives bytes, for requests that no real client would send.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, timeout, timeout_at};

use super::PATIENCE;

/// A socket, and the bytes that were read from it and not returned yet.
pub(crate) struct Raw<S = TcpStream> {
    pub(crate) stream: S,
    read: Vec<u8>,
}

/// A response.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Raw {
    pub(crate) async fn connect(address: SocketAddr) -> Self {
        Self { stream: TcpStream::connect(address).await.unwrap(), read: Vec::new() }
    }

    /// Connects with the smallest receive buffer.
    pub(crate) async fn connect_narrow(address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        Self { stream: socket.connect(address).await.unwrap(), read: Vec::new() }
    }

    /// Opens a WebSocket with a small receive buffer, and with these further lines in its head.
    pub(crate) async fn open_websocket(address: SocketAddr, filters: &str, lines: &str) -> Self {
        let mut raw = Self::connect_narrow(address).await;
        raw.send(subscribe_request(filters, lines)).await;
        assert_eq!(raw.head().await.status, 101);
        raw
    }

    /// Sends a `GET` on a new connection.
    pub(crate) async fn get(address: SocketAddr, path: &str) -> Answer {
        let request = format!("GET {path} HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n");
        Self::request(address, request).await
    }

    /// Sends a request on a new connection.
    pub(crate) async fn request(address: SocketAddr, request: impl AsRef<[u8]>) -> Answer {
        let mut raw = Self::connect(address).await;
        raw.send(request).await;
        raw.answer().await
    }

    /// Ends the connection with a reset.
    pub(crate) fn reset(self) {
        socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)).unwrap();
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Raw<S> {
    /// Wraps an existing connection.
    pub(crate) fn over(stream: S) -> Self {
        Self { stream, read: Vec::new() }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let sent = timeout(PATIENCE, self.stream.write_all(bytes.as_ref())).await;
        sent.expect("the server reads").unwrap();
    }

    /// Sends bytes. Ignores an error, because the server may have closed the connection.
    pub(crate) async fn try_send(&mut self, bytes: impl AsRef<[u8]>) {
        let sent = timeout(PATIENCE, self.stream.write_all(bytes.as_ref())).await;
        let _ = sent.expect("the server reads");
    }

    /// The next response, which must have a length.
    pub(crate) async fn answer(&mut self) -> Answer {
        let mut answer = self.head().await;
        let length = answer.header("content-length").expect("a length").parse().unwrap();
        answer.body = self.take(length).await;
        answer
    }

    pub(crate) async fn head(&mut self) -> Answer {
        let head = String::from_utf8(self.until(b"\r\n\r\n").await).unwrap();
        let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
        let status = status.unwrap_or_else(|| panic!("no head: {head:?}")).parse().unwrap();
        Answer { status, head, body: Vec::new() }
    }

    /// Everything up to `end`, including it.
    pub(crate) async fn until(&mut self, end: &[u8]) -> Vec<u8> {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = 0;
        loop {
            let found = self.read[seen..].windows(end.len()).position(|window| window == end);
            if let Some(at) = found {
                let rest = self.read.split_off(seen + at + end.len());
                return std::mem::replace(&mut self.read, rest);
            }
            seen = (self.read.len() + 1).saturating_sub(end.len());
            let is_open = self.fill(deadline).await;
            assert!(is_open, "it ended with {:?}", String::from_utf8_lossy(&self.read));
        }
    }

    pub(crate) async fn take(&mut self, length: usize) -> Vec<u8> {
        let deadline = Instant::now() + PATIENCE;
        while self.read.len() < length {
            let is_open = self.fill(deadline).await;
            assert!(is_open, "it ended with {:?}", String::from_utf8_lossy(&self.read));
        }
        let rest = self.read.split_off(length);
        std::mem::replace(&mut self.read, rest)
    }

    /// What has been received and not taken, at least one byte. Empty at the end of the connection.
    pub(crate) async fn some(&mut self) -> Vec<u8> {
        let deadline = Instant::now() + PATIENCE;
        while self.read.is_empty() && self.fill(deadline).await {}
        std::mem::take(&mut self.read)
    }

    /// The first byte and the payload of the next WebSocket frame (RFC 6455, section 5.2).
    pub(crate) async fn frame(&mut self) -> (u8, Vec<u8>) {
        let head = self.take(2).await;
        assert_eq!(head[1] & 0x80, 0, "frames of a server are not masked");
        let length = match head[1] {
            126 => u64::from(u16::from_be_bytes(self.take(2).await.try_into().unwrap())),
            127 => u64::from_be_bytes(self.take(8).await.try_into().unwrap()),
            length => u64::from(length),
        };
        (head[0], self.take(length as usize).await)
    }

    /// The payloads of all frames up to the close frame, and its code.
    pub(crate) async fn frames_to_close(&mut self) -> (Vec<String>, u16) {
        let mut payloads = Vec::new();
        loop {
            match self.frame().await {
                (0x88, payload) => return (payloads, u16::from_be_bytes([payload[0], payload[1]])),
                (_, payload) => payloads.push(String::from_utf8(payload).unwrap()),
            }
        }
    }

    /// Everything up to the end of the connection, however it ends.
    pub(crate) async fn rest(mut self) -> Vec<u8> {
        // Heartbeats come for as long as the connection is open.
        let deadline = Instant::now() + PATIENCE;
        while self.fill(deadline).await {}
        self.read
    }

    /// Reads once. Returns `false` at the end of the connection. Panics at the deadline.
    async fn fill(&mut self, deadline: Instant) -> bool {
        let read = timeout_at(deadline, self.stream.read_buf(&mut self.read)).await;
        read.unwrap_or_else(|_| panic!("no more than {:?}", String::from_utf8_lossy(&self.read)))
            .is_ok_and(|count| count > 0)
    }
}

impl Answer {
    /// Parses everything that was received on a connection, without interim responses. A body without a length ends
    /// with the connection. A chunked body is decoded.
    pub(crate) fn all(mut bytes: &[u8]) -> Vec<Self> {
        let mut answers = Vec::new();
        while !bytes.is_empty() {
            let end = find(bytes, b"\r\n\r\n")
                .unwrap_or_else(|| panic!("no head: {:?}", String::from_utf8_lossy(bytes)));
            let (head, rest) = bytes.split_at(end + 4);
            let head = String::from_utf8(head.to_vec()).unwrap();
            let status = head.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5));
            let status = status.unwrap_or_else(|| panic!("no head: {head:?}")).parse().unwrap();
            let mut answer = Self { status, head, body: Vec::new() };
            let length = answer.header("content-length").map(|length| length.parse().unwrap());
            bytes = match length {
                // The response to a HEAD has the length of a body that is not sent.
                _ if status < 200 || rest.starts_with(b"HTTP/1.") => rest,
                Some(length) => {
                    let length: usize = rest.len().min(length);
                    answer.body = rest[..length].to_vec();
                    &rest[length..]
                }
                None if answer.header("transfer-encoding").is_some() => {
                    dechunked(rest, &mut answer.body)
                }
                None => {
                    answer.body = rest.to_vec();
                    &[]
                }
            };
            if status >= 200 || status == 101 {
                answers.push(answer);
            }
        }
        answers
    }

    pub(crate) fn is_last(&self) -> bool {
        self.header("connection") == Some("close")
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.head, name)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The status and the code of a rejection. Asserts that it has a message.
    pub(crate) fn rejection(&self) -> (u16, String) {
        let error = &self.json()["error"];
        assert_eq!(self.header("content-type"), Some("application/json"), "{self:?}");
        assert!(error["message"].as_str().is_some_and(|text| text.len() > 8), "{self:?}");
        (self.status, error["code"].as_str().expect("a code").to_owned())
    }
}

/// A request to subscribe, with the headers that any of the transports requires, and with these further lines in its
/// head. The filters may be followed by a query.
pub(crate) fn subscribe_request(filters: &str, lines: &str) -> String {
    format!(
        "GET /topics/{filters} HTTP/1.1\r\nHost: hub\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{lines}\r\n"
    )
}

/// The value of the first header with this name.
pub(super) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (key, value) = line.split_once(": ")?;
        key.eq_ignore_ascii_case(name).then_some(value)
    })
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

/// Appends the chunks to `body`, and returns what follows the last one.
fn dechunked<'a>(mut bytes: &'a [u8], body: &mut Vec<u8>) -> &'a [u8] {
    while let Some(end) = find(bytes, b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[..end]).unwrap(), 16).unwrap();
        let rest = &bytes[end + 2..];
        let Some(chunk) = rest.get(..size) else { break };
        body.extend_from_slice(chunk);
        bytes = rest.get(size + 2..).unwrap_or_default();
        if size == 0 {
            return bytes;
        }
    }
    // The connection ended in the middle.
    &[]
}

/// A frame of a client, masked with zeros. The payload must be shorter than 126 bytes.
pub(crate) fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    assert!(payload.len() < 126, "the payload is short");
    let mut frame = vec![first, 0x80 | payload.len() as u8, 0, 0, 0, 0];
    frame.extend_from_slice(payload);
    frame
}
