//! One client of a lane: a socket, a cursor, and what is half written.

use std::io::{self, Read, Write};

use bytes::Bytes;
use mio::net::TcpStream;
use tidings_core::{Cursor, Pulse, Seat};
use tidings_transport::mount::OnMessage;
use tidings_transport::{Ear, Shape};
use tokio_util::time::delay_queue;

use crate::connected::Connected;

pub(super) struct Client {
    pub(super) socket: TcpStream,
    pub(super) seat: Seat,
    /// Its group, and its place among the members.
    pub(super) group: usize,
    pub(super) place: usize,
    pub(super) progress: Progress,
    /// What is half written: a part of bytes that others share.
    pub(super) rest: Bytes,
    pub(super) stage: Stage,
    pub(super) shape: Shape,
    pub(super) ear: Option<Box<dyn Ear>>,
    pub(super) pulse: Pulse,
    pub(super) timer: delay_queue::Key,
    pub(super) on_message: OnMessage,
    /// Whether the connection ends with the answer.
    pub(super) is_last: bool,
    /// Whether its socket is full, and the write deadline runs.
    pub(super) is_waiting: bool,
    /// Whether it waits among the busy.
    pub(super) is_busy: bool,
    pub(super) connected: Connected,
}

/// Where a client stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// Where the lane stands.
    Current,
    /// Further back.
    Behind(Cursor),
}

/// What is to become of a client once `rest` is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It is served.
    Open,
    /// It has its answer, and its connection goes back for the next request.
    Answered,
    /// It has been told goodbye, and the hub's side is closed.
    Leaving,
    /// The hub's side is closed; only its own close is waited for.
    Left,
}

/// What a write came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// All of it.
    All,
    /// The socket is full; this many bytes went.
    Some(usize),
    /// The connection is broken.
    Broken,
}

impl Client {
    /// Writes and keeps what the socket did not take. Only with nothing left over from before.
    pub(super) fn send(&mut self, bytes: &Bytes) -> Written {
        debug_assert!(self.rest.is_empty(), "bytes would overtake those before them");
        self.write_some(bytes)
    }

    /// Writes what is left over.
    pub(super) fn send_rest(&mut self) -> Written {
        let rest = std::mem::take(&mut self.rest);
        self.write_some(&rest)
    }

    fn write_some(&mut self, bytes: &Bytes) -> Written {
        let mut sent = 0;
        while sent < bytes.len() {
            match (&self.socket).write(&bytes[sent..]) {
                Ok(count) => sent += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.rest = bytes.slice(sent..);
                    return Written::Some(sent);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Written::Broken,
            }
        }
        Written::All
    }

    /// Reads once: the bytes that came, 0 at the end of the stream, `None` where there are none now.
    pub(super) fn receive(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        loop {
            // A client that is held for an answer may have sent its next request already: that is left in
            // the socket for whoever takes the connection back.
            let received = match self.shape {
                Shape::Answer { .. } => self.socket.peek(&mut buffer[..1]),
                Shape::Upgrade | Shape::Stream => (&self.socket).read(buffer),
            };
            match received {
                Ok(count) => return Ok(Some(count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}
