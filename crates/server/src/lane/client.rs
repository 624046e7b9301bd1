//! One connection of a lane, and the client that it may be.

use bytes::Bytes;
use mio::net::TcpStream;
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv, send};
use tidings_core::{Cursor, Pulse, Seat, Topic};
use tidings_transport::{Decoder, Shape};

use super::awaited::Hold;
use super::ending::Speech;
use super::sender::FLAGS;
use super::timers::Timer;
use crate::connected::Connected;

/// A socket, and what is half written.
pub(super) struct Connection {
    pub(super) socket: TcpStream,
    pub(super) stage: Stage,
    /// Who is served on it; nobody between two requests.
    pub(super) client: Option<Client>,
    /// What is half written: a part of bytes that others share.
    pub(super) rest: Bytes,
    /// What came before it was due: the next requests.
    pub(super) early: Option<Box<[u8]>>,
    /// Whether more of them wait in the socket, where they were left until they are due.
    pub(super) is_ahead: bool,
    pub(super) timer: Timer,
    /// Whether the connection ends with the present answer.
    pub(super) is_last: bool,
    /// Whether its peer has closed its side while it is served. It may still read.
    pub(super) is_half_closed: bool,
    /// Whether its socket is full, and the write deadline runs.
    pub(super) is_waiting: bool,
    /// Whether it waits among the busy.
    pub(super) is_busy: bool,
    /// A publish on its way: until it has come to something, nothing more is read.
    pub(super) publishing: Option<Hold>,
    pub(super) connected: Connected,
}

/// A seat, a cursor, and what its group has not got.
pub(super) struct Client {
    pub(super) seat: Seat,
    /// Its group, and its place among the members.
    pub(super) group: usize,
    pub(super) place: usize,
    pub(super) progress: Progress,
    pub(super) shape: Shape,
    /// In the middle of a message it has an ear of its own; else it borrows its group's.
    pub(super) decoder: Option<Box<dyn Decoder>>,
    pub(super) pulse: Pulse,
    /// Where its messages are published; `None` where it may send none.
    pub(super) publishes_to: Option<Topic>,
    /// `None` until it sends something: most clients only listen.
    pub(super) speech: Option<Box<Speech>>,
    /// What only the broker has for it, on its way.
    pub(super) fetching: Option<Hold>,
}

/// Where a client stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// Where the lane stands.
    Current,
    /// Elsewhere: further back, or ahead of the lane where another hub was faster.
    Behind(Cursor),
}

/// What is to become of a connection once `rest` is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The next request is read.
    Asking,
    /// Its client is served.
    Open,
    /// Its client has its answer, and leaves.
    Answered,
    /// All is said, and the hub's side is closed.
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
    Broken(Errno),
}

impl Client {
    /// Whether it stands where the lane stands: asked for each delivery.
    pub(super) fn is_current(&self) -> bool {
        matches!(self.progress, Progress::Current)
    }
}

impl Connection {
    /// Writes what is left over.
    pub(super) fn send_rest(&mut self) -> Written {
        let rest = std::mem::take(&mut self.rest);
        let mut sent = 0;
        while sent < rest.len() {
            match send(&self.socket, &rest[sent..], FLAGS) {
                Ok(count) => sent += count,
                Err(Errno::AGAIN) => {
                    self.rest = rest.slice(sent..);
                    return Written::Some(sent);
                }
                Err(Errno::INTR) => {}
                Err(error) => return Written::Broken(error),
            }
        }
        Written::All
    }

    /// Reads once: the bytes that came, 0 at the end of the stream, `None` where there are none now.
    pub(super) fn receive(&self, buffer: &mut [u8]) -> Result<Option<usize>, Errno> {
        // Who waits for an answer may have sent its next request already: that is left in the socket until it
        // is due.
        let (flags, room) = match self.is_held() || self.publishing.is_some() {
            true => (RecvFlags::PEEK, 1),
            false => (RecvFlags::empty(), buffer.len()),
        };
        loop {
            match recv(&self.socket, &mut buffer[..room], flags) {
                Ok((count, _)) => return Ok(Some(count)),
                Err(Errno::AGAIN) => return Ok(None),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether the last bytes for its client are on their way.
    pub(super) fn is_being_told(&self) -> bool {
        matches!(self.stage, Stage::Answered | Stage::Leaving) && !self.rest.is_empty()
    }

    /// Returns `true` if its client is let go once its own messages have been echoed.
    pub(super) fn is_ending(&self) -> bool {
        self.client.as_ref().is_some_and(Client::is_ending)
    }

    /// Whether its client waits for an answer, or for the rest of it.
    pub(super) fn is_held(&self) -> bool {
        self.stage == Stage::Answered
            || matches!(&self.client, Some(client) if matches!(client.shape, Shape::Answer { .. }))
    }
}
