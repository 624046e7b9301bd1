//! A client of a stream that decodes what it is sent, and keeps the bytes as they came.

use serde_json::Value;
use tidings_core::Gap;
use tokio::net::TcpStream;

use super::{Case, Frames, Gunzip, Raw, Running};

/// Which compression the request of a client accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Accepts {
    Nothing,
    Compression,
}

/// A client of a stream. Dropping it ends its connection.
pub(crate) struct Reader {
    raw: Raw<TcpStream>,
    /// The bytes after the head, as they came.
    pub(crate) wire: Vec<u8>,
    decoder: Decoder,
    is_websocket: bool,
    /// What was decoded and not read yet.
    plain: Vec<u8>,
    /// How many positions are skipped by the gaps that were read. A WebSocket of a [`Case`] is sent no gaps.
    pub(crate) missed: u64,
}

enum Decoder {
    None,
    Gunzip(Box<Gunzip>),
    Frames(Box<Frames>),
}

impl Accepts {
    /// The lines of a request.
    pub(crate) fn lines(self) -> &'static str {
        match self {
            Self::Nothing => "",
            Self::Compression => {
                "Accept-Encoding: gzip\r\nSec-WebSocket-Extensions: permessage-deflate\r\n"
            }
        }
    }
}

impl Reader {
    /// Subscribes at the server itself. Asserts that the response is compressed exactly if
    /// `is_compressed`.
    pub(crate) async fn open(
        hub: &Running,
        case: &Case,
        (filters, query): (&str, &str),
        accepts: Accepts,
        is_compressed: bool,
    ) -> Self {
        let raw = Raw::connect(hub.direct).await;
        let request = case.request_with(filters, query, accepts.lines());
        Self::over(raw, request, is_compressed).await
    }

    /// Subscribes on this connection, as [`open`](Self::open) does.
    pub(crate) async fn over(mut raw: Raw, request: String, is_compressed: bool) -> Self {
        let is_websocket = subscribe(&mut raw, request, is_compressed).await;
        let decoder = match (is_compressed, is_websocket) {
            (false, _) => Decoder::None,
            (true, false) => Decoder::Gunzip(Box::new(Gunzip::new())),
            (true, true) => Decoder::Frames(Box::new(Frames::new())),
        };
        let (wire, plain) = (Vec::new(), Vec::new());
        Self { raw, wire, decoder, is_websocket, plain, missed: 0 }
    }

    /// Sends a message by WebSocket.
    pub(crate) async fn send(&mut self, frame: Vec<u8>) {
        self.raw.send(frame).await;
    }

    /// Returns the next payload, and `None` after a goodbye.
    pub(crate) async fn payload(&mut self) -> Option<String> {
        loop {
            match self.next().await {
                Next::Other | Next::Heartbeat => {}
                Next::Gap(missed) => self.missed += missed,
                Next::Payload(payload) => return Some(payload),
                Next::Goodbye => {
                    self.check_end().await;
                    return None;
                }
            }
        }
    }

    /// Reads the next heartbeat, before which no notification comes.
    pub(crate) async fn heartbeat(&mut self) {
        loop {
            match self.next().await {
                Next::Other => {}
                Next::Heartbeat => return,
                next => panic!("{next:?} before a heartbeat"),
            }
        }
    }

    async fn next(&mut self) -> Next {
        loop {
            let next = if self.is_websocket { self.take_frame() } else { self.take_event() };
            match next {
                None => self.fill().await,
                Some(next) => return next,
            }
        }
    }

    /// Returns the payloads up to this one.
    pub(crate) async fn up_to(&mut self, last: &str) -> Vec<String> {
        let mut payloads = Vec::new();
        while payloads.last().is_none_or(|payload| payload != last) {
            payloads.push(self.payload().await.expect("a payload before the goodbye"));
        }
        payloads
    }

    /// Whether a text is in the bytes that came, which it is if it was not compressed.
    pub(crate) fn has_plain(&self, text: &str) -> bool {
        self.wire.windows(text.len()).any(|window| window == text.as_bytes())
    }

    /// The number of messages with the bit RSV1.
    pub(crate) fn compressed_messages(&self) -> usize {
        match &self.decoder {
            Decoder::Frames(frames) => frames.compressed,
            _ => 0,
        }
    }

    async fn fill(&mut self) {
        let bytes = self.raw.some().await;
        assert!(!bytes.is_empty(), "it ended after {:?}", String::from_utf8_lossy(&self.plain));
        match &mut self.decoder {
            Decoder::None => self.plain.extend_from_slice(&bytes),
            Decoder::Gunzip(gunzip) => gunzip.decode(&bytes, &mut self.plain),
            Decoder::Frames(frames) => frames.decode(&bytes, &mut self.plain),
        }
        self.wire.extend_from_slice(&bytes);
    }

    /// Asserts that nothing follows a goodbye but the end of a gzip body, which may come later.
    async fn check_end(&mut self) {
        while matches!(&self.decoder, Decoder::Gunzip(gunzip) if !gunzip.is_complete()) {
            self.fill().await;
        }
        assert!(self.plain.is_empty(), "more after the goodbye");
    }

    fn take_event(&mut self) -> Option<Next> {
        let end = self.plain.windows(2).position(|window| window == b"\n\n")? + 2;
        let event = self.plain.drain(..end).collect();
        let event = String::from_utf8(event).unwrap();
        if event.starts_with(":\n") {
            return Some(Next::Heartbeat);
        }
        if event.starts_with("event: goodbye\n") {
            return Some(Next::Goodbye);
        }
        let data = event.lines().find_map(|line| line.strip_prefix("data: "));
        if event.contains("event: gap\n") {
            let mut data: Value = serde_json::from_str(data.unwrap()).unwrap();
            let gap: Gap = serde_json::from_value(data["gap"].take()).unwrap();
            return Some(Next::Gap(gap.resume.seq - gap.after.seq));
        }
        Some(data.map_or(Next::Other, |data| Next::Payload(data.to_owned())))
    }

    fn take_frame(&mut self) -> Option<Next> {
        let (first, short) = (*self.plain.first()?, *self.plain.get(1)?);
        let (head, length) = match short {
            126 => (4, u16::from_be_bytes(self.plain.get(2..4)?.try_into().unwrap()).into()),
            127 => (10, u64::from_be_bytes(self.plain.get(2..10)?.try_into().unwrap()) as usize),
            short => (2, short.into()),
        };
        self.plain.get(..head + length)?;
        let frame: Vec<u8> = self.plain.drain(..head + length).collect();
        Some(match first {
            0x81 => Next::Payload(String::from_utf8(frame[head..].to_vec()).unwrap()),
            0x88 => Next::Goodbye,
            0x89 => Next::Heartbeat,
            _ => panic!("a frame that begins with {first:#x}"),
        })
    }
}

/// Subscribes by this request. Asserts that the response is compressed exactly if `is_compressed`. Returns whether it
/// begins a WebSocket.
pub(crate) async fn subscribe(raw: &mut Raw, request: String, is_compressed: bool) -> bool {
    raw.send(request).await;
    let head = raw.head().await;
    let is_websocket = head.status == 101;
    assert!(is_websocket || head.status == 200, "{head:?}");
    let has_gzip = head.header("content-encoding") == Some("gzip");
    let has_extension = head.header("sec-websocket-extensions").is_some();
    assert_eq!(has_gzip, is_compressed && !is_websocket, "{head:?}");
    assert_eq!(has_extension, is_compressed && is_websocket, "{head:?}");
    is_websocket
}

#[derive(Debug)]
enum Next {
    Payload(String),
    Heartbeat,
    /// So many positions are skipped.
    Gap(u64),
    Goodbye,
    /// The opening of a stream.
    Other,
}
