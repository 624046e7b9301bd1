//! The responses of a server.

use super::super::forwarder::Change;
use super::super::raw::header;
use super::{Added, Frames, Gunzip, Pending, forward_rest, take};

const HELD: [&str; 3] = ["content-encoding", "content-length", "sec-websocket-extensions"];

/// Decodes the responses to requests whose compression the forwarder has added. All others are forwarded as they are.
pub(super) struct Responses {
    pending: Pending,
    stage: Stage,
}

enum Stage {
    Head(Lines),
    /// The rest of a body that is forwarded as it is.
    Body(usize),
    /// A gzip body of a known length. It is forwarded once it is complete, because only then its plain length is known.
    Answer {
        length: usize,
        body: Vec<u8>,
    },
    /// A gzip body up to the end of the connection.
    Stream(Box<Stream>),
    WebSocket(Box<Frames>),
    /// Nothing is changed from here on.
    Unchanged,
}

/// The lines of a head, as far as they have come. Those that the forwarder may change are held back to the end of the
/// head. All others are forwarded at once, because a server sends a part of a head to detect a client that has left.
#[derive(Default)]
struct Lines {
    all: String,
    held: String,
    line: Vec<u8>,
}

struct Stream {
    gunzip: Gunzip,
    /// The last event that was decoded, and what has come of the next one.
    last: Vec<u8>,
    next: Vec<u8>,
}

impl Responses {
    pub(super) fn new(pending: Pending) -> Self {
        Self { pending, stage: Stage::Head(Lines::default()) }
    }

    /// Decides what follows a head, and forwards those of the held lines that are still true.
    fn begin(&mut self, head: &str, held: &str, out: &mut Vec<u8>) -> Stage {
        let end = |out: &mut Vec<u8>, held: &str| {
            out.extend_from_slice(held.as_bytes());
            out.extend_from_slice(b"\r\n");
        };
        let status: u16 = head[9..12].parse().unwrap();
        if status < 200 && status != 101 {
            end(out, held);
            return Stage::Head(Lines::default());
        }
        let added = self.pending.lock().unwrap().pop_front();
        // The request was malformed or incomplete.
        let Some(added) = added else {
            end(out, held);
            return Stage::Unchanged;
        };
        if status == 101 {
            return begin_websocket(held, added, out);
        }
        let length = header(held, "content-length").map(|length| length.parse().unwrap());
        if header(held, "content-encoding") == Some("gzip") && added.encoding {
            assert!(!added.is_off, "a response to compression=off is compressed: {head}");
            assert_eq!(header(head, "transfer-encoding"), None, "a gzip body in chunks");
            return match length {
                Some(length) => Stage::Answer { length, body: Vec::new() },
                None => {
                    end(out, "");
                    Stage::Stream(Box::new(Stream::new()))
                }
            };
        }
        let is_stream = header(head, "content-type") == Some("text/event-stream");
        if status == 200 && is_stream && length.is_none() {
            assert!(!added.encoding || added.is_off, "a stream is not compressed: {head}");
        }
        end(out, held);
        match length {
            _ if added.is_head || matches!(status, 204 | 304) => Stage::Head(Lines::default()),
            Some(0) => Stage::Head(Lines::default()),
            Some(length) => Stage::Body(length),
            None => Stage::Unchanged,
        }
    }
}

impl Change for Responses {
    fn change(&mut self, mut input: &[u8], out: &mut Vec<u8>) {
        while !input.is_empty() {
            match &mut self.stage {
                Stage::Unchanged => {
                    out.extend_from_slice(input);
                    return;
                }
                Stage::Stream(stream) => {
                    stream.decode(input, out);
                    return;
                }
                Stage::WebSocket(frames) => {
                    frames.decode(input, out);
                    return;
                }
                Stage::Head(lines) => {
                    lines.line.push(input[0]);
                    input = &input[1..];
                    if lines.take_line(out) {
                        let Lines { all, held, .. } = std::mem::take(lines);
                        self.stage = self.begin(&all, &held, out);
                    }
                }
                Stage::Body(rest) => {
                    if forward_rest(&mut input, rest, out) {
                        self.stage = Stage::Head(Lines::default());
                    }
                }
                Stage::Answer { length, body } => {
                    if take(&mut input, body, *length) {
                        let plain = Gunzip::whole(body);
                        let line = format!("content-length: {}\r\n\r\n", plain.len());
                        out.extend_from_slice(line.as_bytes());
                        out.extend_from_slice(&plain);
                        self.stage = Stage::Head(Lines::default());
                    }
                }
            }
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        match &self.stage {
            Stage::Head(lines) => {
                out.extend_from_slice(lines.held.as_bytes());
                out.extend_from_slice(&lines.line);
            }
            Stage::Stream(stream) => stream.check_end(),
            _ => {}
        }
    }
}

fn begin_websocket(held: &str, added: Added, out: &mut Vec<u8>) -> Stage {
    let extension = header(held, "sec-websocket-extensions");
    if added.extension && !added.is_off {
        let expected = "permessage-deflate; client_no_context_takeover";
        assert_eq!(extension, Some(expected), "the extension of a WebSocket");
        out.extend_from_slice(b"\r\n");
        return Stage::WebSocket(Box::new(Frames::new()));
    }
    assert!(!added.extension || extension.is_none(), "compression=off has an extension");
    out.extend_from_slice(held.as_bytes());
    out.extend_from_slice(b"\r\n");
    Stage::Unchanged
}

impl Lines {
    /// Takes the line if it has come to its end. Returns `true` at the empty line, which is not forwarded.
    fn take_line(&mut self, out: &mut Vec<u8>) -> bool {
        if !self.line.ends_with(b"\r\n") {
            return false;
        }
        let line = String::from_utf8(std::mem::take(&mut self.line)).unwrap();
        if line == "\r\n" {
            return true;
        }
        let name = line.split_once(':').map_or("", |(name, _)| name);
        if HELD.iter().any(|held| name.eq_ignore_ascii_case(held)) {
            self.held.push_str(&line);
        } else {
            out.extend_from_slice(line.as_bytes());
        }
        self.all.push_str(&line);
        false
    }
}

impl Stream {
    fn new() -> Self {
        Self { gunzip: Gunzip::new(), last: Vec::new(), next: Vec::new() }
    }

    fn decode(&mut self, input: &[u8], out: &mut Vec<u8>) {
        let before = out.len();
        self.gunzip.decode(input, out);
        for &byte in &out[before..] {
            self.next.push(byte);
            if self.next.ends_with(b"\n\n") {
                self.last = std::mem::take(&mut self.next);
            }
        }
    }

    /// A body with a goodbye is complete, and no other one is.
    fn check_end(&self) {
        let has_goodbye = self.next.is_empty() && self.last.starts_with(b"event: goodbye\n");
        let last = String::from_utf8_lossy(&self.last);
        assert_eq!(self.gunzip.is_complete(), has_goodbye, "the gzip body ends after {last:?}");
    }
}
