//! A client of HTTP/2 that writes and reads frames (RFC 9113, section 4), for what no real client does.

use std::net::SocketAddr;

use crate::support::Raw;

pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;

pub(super) const ACK: u8 = 1;
pub(super) const END_STREAM: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;

/// Error codes (section 7).
pub(super) const NO_ERROR: u32 = 0;
pub(super) const REFUSED_STREAM: u32 = 7;
pub(super) const CANCEL: u32 = 8;
pub(super) const ENHANCE_YOUR_CALM: u32 = 11;

/// The setting of the initial window of the client's streams.
pub(super) const INITIAL_WINDOW_SIZE: u16 = 4;

#[derive(Debug)]
pub(super) struct Frame {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
    pub(super) payload: Vec<u8>,
}

impl Frame {
    /// The code of a `RST_STREAM` or a `GOAWAY`.
    pub(super) fn code(&self) -> u32 {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap())
    }

    /// The static table of HPACK has the head of a `200` as one byte.
    pub(super) fn is_ok(&self) -> bool {
        self.kind == HEADERS && self.payload.first() == Some(&0x88)
    }

    pub(super) fn ends_stream(&self) -> bool {
        matches!(self.kind, DATA | HEADERS) && self.flags & END_STREAM != 0
    }
}

pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend_from_slice(&[kind, flags]);
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// Header fields as literals that are not indexed (RFC 7541, section 6.2.2).
pub(super) fn fields(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            assert!(text.len() < 127, "the length has one byte");
            block.push(text.len() as u8);
            block.extend_from_slice(text.as_bytes());
        }
    }
    block
}

pub(super) fn pseudo(method: &str, path: &str) -> Vec<u8> {
    fields(&[(":method", method), (":scheme", "http"), (":authority", "hub"), (":path", path)])
}

/// A whole `GET` in one frame.
pub(super) fn get(stream: u32, path: &str) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &pseudo("GET", path))
}

pub(super) fn events(stream: u32, filters: &str) -> Vec<u8> {
    get(stream, &format!("/topics/{filters}?transport=sse"))
}

pub(super) fn settings(settings: &[(u16, u32)]) -> Vec<u8> {
    let mut payload = Vec::new();
    for (name, value) in settings {
        payload.extend_from_slice(&name.to_be_bytes());
        payload.extend_from_slice(&value.to_be_bytes());
    }
    frame(SETTINGS, 0, 0, &payload)
}

pub(super) fn window_update(stream: u32, bytes: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &bytes.to_be_bytes())
}

impl Raw {
    /// Connects, and sends the preface with these settings.
    pub(super) async fn http2(address: SocketAddr, own: &[(u16, u32)]) -> Self {
        let mut raw = Self::connect(address).await;
        raw.send([PREFACE, &settings(own)].concat()).await;
        raw
    }

    /// Skips frames about settings and about the window of the connection.
    pub(super) async fn next_frame(&mut self) -> Frame {
        loop {
            let head = self.take(9).await;
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let payload = self.take(length as usize).await;
            let stream = u32::from_be_bytes(head[5..].try_into().unwrap());
            let frame = Frame { kind: head[3], flags: head[4], stream, payload };
            if frame.kind != SETTINGS && !(frame.kind == WINDOW_UPDATE && frame.stream == 0) {
                return frame;
            }
        }
    }

    /// Skips frames of other kinds.
    pub(super) async fn next_of(&mut self, kind: u8) -> Frame {
        loop {
            let frame = self.next_frame().await;
            if frame.kind == kind {
                return frame;
            }
        }
    }

    /// Reads the data of this stream until they contain `text`. Skips other streams.
    pub(super) async fn data_until(&mut self, stream: u32, text: &str) -> String {
        let mut data = String::new();
        while !data.contains(text) {
            let frame = self.next_frame().await;
            assert_ne!((frame.kind, frame.stream), (RST_STREAM, stream), "{data}");
            if (frame.kind, frame.stream) == (DATA, stream) {
                data += std::str::from_utf8(&frame.payload).unwrap();
            }
        }
        data
    }
}
