//! What clients and the publisher ask, as bytes.

use std::fmt::Display;
use std::io::Write;
use std::net::SocketAddr;

use clap::ValueEnum;

/// How clients receive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Transport {
    /// Frames of bare payloads: no subprotocol is asked for.
    #[value(name = "websocket")]
    WebSocket,
    /// An event stream.
    Sse,
    /// A poll at a time.
    LongPolling,
}

/// The requests of one run.
#[derive(Debug)]
pub(crate) struct Requests {
    pub(crate) transport: Transport,
    pub(crate) host: SocketAddr,
    /// Every client has a topic of its own, of so many; with 1 there is one for all.
    pub(crate) topics: u64,
    /// Clients ask for all that the server still has.
    pub(crate) earliest: bool,
    /// Answered polls are renewed.
    pub(crate) renew: bool,
}

impl Requests {
    /// Appends what a client says first.
    pub(crate) fn subscribe(&self, out: &mut Vec<u8>, index: usize) {
        let query = if self.earliest { "?after=earliest" } else { "" };
        self.head(out, "GET", index as u64, query);
        out.extend_from_slice(match self.transport {
            Transport::WebSocket => {
                b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                  Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            }
            Transport::Sse => b"Accept: text/event-stream\r\n\r\n",
            Transport::LongPolling => b"\r\n",
        });
    }

    /// Appends the poll that follows an answer with this cursor. The longest hold that the wire has, so that idle
    /// clients cost the server as little as they can.
    pub(crate) fn poll(&self, out: &mut Vec<u8>, index: usize, cursor: &[u8]) {
        if self.renew {
            let cursor = str::from_utf8(cursor).unwrap_or_default();
            self.head(out, "GET", index as u64, format_args!("?after={cursor}&wait=60"));
            out.extend_from_slice(b"\r\n");
        }
    }

    /// Appends a publish up to its payload.
    pub(crate) fn publish(&self, out: &mut Vec<u8>, sequence: u64, length: usize) {
        self.head(out, "POST", sequence, "");
        write_to(out, format_args!("Content-Length: {length}\r\n\r\n"));
    }

    /// Appends the request line and `Host`, for the topic that this number falls to.
    fn head(&self, out: &mut Vec<u8>, method: &str, number: u64, query: impl Display) {
        let host = self.host;
        match self.topics {
            1 => write_to(out, format_args!("{method} /topics/x{query}")),
            topics => {
                write_to(out, format_args!("{method} /topics/t.{}{query}", number % topics));
            }
        }
        write_to(out, format_args!(" HTTP/1.1\r\nHost: {host}\r\n"));
    }

    /// Long-polling of `x`.
    #[cfg(test)]
    pub(crate) fn fixture() -> Self {
        let host = SocketAddr::from(([127, 0, 0, 1], 80));
        Self { transport: Transport::LongPolling, host, topics: 1, earliest: false, renew: true }
    }
}

fn write_to(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("text written to memory cannot fail");
}
