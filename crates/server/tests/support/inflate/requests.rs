//! The requests of a connection.

use super::super::forwarder::Change;
use super::{Added, Pending, forward_rest};

/// Adds to each request that its client accepts compression. All other bytes are forwarded as they are and at once, so
/// that a server still sees requests that are malformed, incomplete or slow. Only a CR that may belong to the end of a
/// head is held back.
pub(super) struct Requests {
    pending: Pending,
    stage: Stage,
}

enum Stage {
    /// The bytes of a head, of which the first `forwarded` are forwarded.
    Head { bytes: Vec<u8>, forwarded: usize },
    /// The rest of a body.
    Body(usize),
    /// Nothing is changed from here on.
    Unchanged,
}

/// A whole head, and what follows it.
struct Head {
    length: usize,
    added: Added,
    next: Stage,
}

impl Requests {
    pub(super) fn new(pending: Pending) -> Self {
        Self { pending, stage: Stage::head() }
    }
}

impl Change for Requests {
    fn change(&mut self, mut input: &[u8], out: &mut Vec<u8>) {
        while !input.is_empty() {
            match &mut self.stage {
                Stage::Unchanged => {
                    out.extend_from_slice(input);
                    return;
                }
                Stage::Body(rest) => {
                    if forward_rest(&mut input, rest, out) {
                        self.stage = Stage::head();
                    }
                }
                Stage::Head { bytes, forwarded } => {
                    let before = bytes.len();
                    bytes.extend_from_slice(input);
                    match Head::parse(bytes) {
                        Some(Some(head)) => {
                            input = &input[head.length - before..];
                            let end = head.length - 2;
                            out.extend_from_slice(&bytes[*forwarded..end]);
                            for line in head.added.lines() {
                                out.extend_from_slice(line.as_bytes());
                            }
                            out.extend_from_slice(&bytes[end..head.length]);
                            self.pending.lock().unwrap().push_back(head.added);
                            self.stage = head.next;
                        }
                        Some(None) => {
                            let end = bytes.len() - usize::from(bytes.ends_with(b"\n\r"));
                            out.extend_from_slice(&bytes[*forwarded..end]);
                            *forwarded = end;
                            return;
                        }
                        None => {
                            out.extend_from_slice(&bytes[*forwarded..]);
                            self.stage = Stage::Unchanged;
                            return;
                        }
                    }
                }
            }
        }
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        if let Stage::Head { bytes, forwarded } = &self.stage {
            out.extend_from_slice(&bytes[*forwarded..]);
        }
    }
}

impl Stage {
    fn head() -> Self {
        Self::Head { bytes: Vec::new(), forwarded: 0 }
    }
}

impl Head {
    /// Parses a head. `None` if it is malformed or has no empty line of CR LF at its end, and `Some(None)` if it is not
    /// complete.
    fn parse(bytes: &[u8]) -> Option<Option<Self>> {
        let mut headers = [httparse::EMPTY_HEADER; 128];
        let mut request = httparse::Request::new(&mut headers);
        let length = match request.parse(bytes).ok()? {
            httparse::Status::Partial => return Some(None),
            httparse::Status::Complete(length) => length,
        };
        if !bytes[..length].ends_with(b"\r\n\r\n") {
            return None;
        }
        let header = |name: &str| {
            let mut all = request.headers.iter().filter(|it| it.name.eq_ignore_ascii_case(name));
            all.next().map(|it| it.value)
        };
        let (method, target) = (request.method?, request.path?);
        let has_pair = |wanted: &str| {
            let query = target.split_once('?').map_or("", |(_, query)| query);
            query.split('&').any(|pair| pair == wanted)
        };
        let names_another = target.contains("transport=") && !has_pair("transport=websocket");
        let upgrades = header("upgrade").is_some() && !names_another;
        let next = match (header("transfer-encoding"), header("content-length")) {
            _ if upgrades => Stage::Unchanged,
            (None, None) => Stage::head(),
            (None, Some(length)) => match std::str::from_utf8(length).ok()?.parse().ok()? {
                0 => Stage::head(),
                length => Stage::Body(length),
            },
            (Some(_), _) => Stage::Unchanged,
        };
        let is_plain_get = method == "GET"
            && header("transfer-encoding").is_none()
            && header("content-length").is_none();
        let added = Added {
            encoding: is_plain_get && header("accept-encoding").is_none(),
            extension: is_plain_get && upgrades && header("sec-websocket-extensions").is_none(),
            is_head: method == "HEAD",
            is_off: has_pair("compression=off"),
        };
        Some(Some(Self { length, added, next }))
    }
}

impl Added {
    fn lines(self) -> impl Iterator<Item = &'static str> {
        let encoding = self.encoding.then_some("Accept-Encoding: gzip\r\n");
        let extension = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";
        encoding.into_iter().chain(self.extension.then_some(extension))
    }
}
