//! Bytes on a socket, for what no client would send.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use super::PATIENCE;

/// A socket, and what was read from it beyond what was asked for.
pub(crate) struct Raw<S = TcpStream> {
    pub(crate) stream: S,
    read: Vec<u8>,
}

/// A response as it came.
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

    /// With hardly any room for what it does not read.
    pub(crate) async fn connect_narrow(address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        Self { stream: socket.connect(address).await.unwrap(), read: Vec::new() }
    }

    /// A `GET` on a connection of its own.
    pub(crate) async fn get(address: SocketAddr, path: &str) -> Answer {
        let request = format!("GET {path} HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n");
        Self::ask(address, request).await
    }

    /// One request on a connection of its own, and its answer.
    pub(crate) async fn ask(address: SocketAddr, request: impl AsRef<[u8]>) -> Answer {
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
    /// On a connection that was made elsewhere.
    pub(crate) fn over(stream: S) -> Self {
        Self { stream, read: Vec::new() }
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let sent = timeout(PATIENCE, self.stream.write_all(bytes.as_ref())).await;
        sent.expect("the hub does not read").unwrap();
    }

    /// Sends what the hub may not want any more.
    pub(crate) async fn try_send(&mut self, bytes: impl AsRef<[u8]>) {
        let sent = timeout(PATIENCE, self.stream.write_all(bytes.as_ref())).await;
        let _ = sent.expect("the hub does not read");
    }

    /// The next answer, which is to have a length.
    pub(crate) async fn answer(&mut self) -> Answer {
        let mut answer = self.head().await;
        let length = answer.header("content-length").expect("a length").parse().unwrap();
        answer.body = self.take(length).await;
        answer
    }

    /// The next head.
    pub(crate) async fn head(&mut self) -> Answer {
        let head = String::from_utf8(self.until(b"\r\n\r\n").await).unwrap();
        let status = head.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
        let status = status.unwrap_or_else(|| panic!("no head: {head:?}")).parse().unwrap();
        Answer { status, head, body: Vec::new() }
    }

    /// Everything up to this and with it.
    pub(crate) async fn until(&mut self, end: &[u8]) -> Vec<u8> {
        let mut seen = 0;
        loop {
            let found = self.read[seen..].windows(end.len()).position(|window| window == end);
            if let Some(at) = found {
                let rest = self.read.split_off(seen + at + end.len());
                return std::mem::replace(&mut self.read, rest);
            }
            seen = (self.read.len() + 1).saturating_sub(end.len());
            assert!(self.fill().await, "it ended with {:?}", String::from_utf8_lossy(&self.read));
        }
    }

    /// This many bytes.
    pub(crate) async fn take(&mut self, length: usize) -> Vec<u8> {
        while self.read.len() < length {
            assert!(self.fill().await, "it ended with {:?}", String::from_utf8_lossy(&self.read));
        }
        let rest = self.read.split_off(length);
        std::mem::replace(&mut self.read, rest)
    }

    /// A frame from the hub (RFC 6455, section 5.2): its first byte, and the payload.
    pub(crate) async fn frame(&mut self) -> (u8, Vec<u8>) {
        let head = self.take(2).await;
        assert_eq!(head[1] & 0x80, 0, "the hub's frames are not masked");
        let length = match head[1] {
            126 => u64::from(u16::from_be_bytes(self.take(2).await.try_into().unwrap())),
            127 => u64::from_be_bytes(self.take(8).await.try_into().unwrap()),
            length => u64::from(length),
        };
        (head[0], self.take(length as usize).await)
    }

    /// Everything until the connection ends, in whatever way.
    pub(crate) async fn rest(mut self) -> Vec<u8> {
        while self.fill().await {}
        self.read
    }

    /// Reads once: whether there was anything before the end.
    async fn fill(&mut self) -> bool {
        let read = timeout(PATIENCE, self.stream.read_buf(&mut self.read)).await;
        read.unwrap_or_else(|_| panic!("no more than {:?}", String::from_utf8_lossy(&self.read)))
            .is_ok_and(|count| count > 0)
    }
}

impl Answer {
    /// The answers in everything that came on a connection, interim ones left out. A body without a length ends
    /// with the connection; a chunked one is put together.
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
                // The answer to a HEAD has the length of a body that it does not have.
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

    /// Whether the connection ends with this answer.
    pub(crate) fn is_last(&self) -> bool {
        self.header("connection") == Some("close")
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Status and code of a rejection, which has a sentence for people as well.
    pub(crate) fn rejection(&self) -> (u16, String) {
        let error = &self.json()["error"];
        assert_eq!(self.header("content-type"), Some("application/json"), "{self:?}");
        assert!(error["message"].as_str().is_some_and(|text| text.len() > 8), "{self:?}");
        (self.status, error["code"].as_str().expect("a code").to_owned())
    }
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

/// A frame as a client sends it, masked with zeros.
pub(crate) fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    assert!(payload.len() < 126, "short ones only");
    let mut frame = vec![first, 0x80 | payload.len() as u8, 0, 0, 0, 0];
    frame.extend_from_slice(payload);
    frame
}
