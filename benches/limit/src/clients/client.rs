//! A client: one connection that subscribes and receives.

use rustix::fd::OwnedFd;
use rustix::net::sockopt::socket_error;

use crate::clients::answer::Head;
use crate::clients::frames::Frames;
use crate::clients::inbox::{Gone, Inbox};
use crate::clients::order::Order;
use crate::clients::polls::Polls;
use crate::clients::requests::Transport;
use crate::clients::socket::{self, Intake};

/// How far a client has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The connect is under way.
    Connecting,
    /// It has not asked yet.
    Connected,
    /// It has asked and not been answered.
    Asked,
    /// It receives.
    Ready,
    /// It lost its connection.
    Gone,
}

/// What is understood of what comes.
#[derive(Debug)]
enum Reading {
    /// The head of an answer with this status, and what follows it.
    Head(u16, Transport),
    Frames(Frames),
    /// An event stream, chunked or not: the length of a chunk has no mark, and no server ends one within an event.
    Events,
    Polls(Polls),
}

/// One client.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) socket: OwnedFd,
    pub(crate) stage: Stage,
    pub(crate) order: Order,
    reading: Reading,
    /// What the last read left unused. It takes memory only where a read is cut.
    carry: Vec<u8>,
}

impl Client {
    /// A client that begins to connect.
    pub(crate) fn new(socket: OwnedFd, transport: Transport, order: Order) -> Self {
        let reading = match transport {
            Transport::WebSocket => Reading::Head(101, transport),
            Transport::Sse => Reading::Head(200, transport),
            Transport::LongPolling => Reading::Polls(Polls::default()),
        };
        Self { socket, stage: Stage::Connecting, order, reading, carry: Vec::new() }
    }

    /// Says all of `bytes`: so little that a socket which does not take it is not read by the server.
    pub(crate) fn say(&self, bytes: &[u8]) -> Result<(), Gone> {
        match socket::write(&self.socket, bytes).map_err(Gone::Broken)? {
            length if length == bytes.len() => Ok(()),
            _ => Err(Gone::Nonsense("the server does not read what a client says")),
        }
    }

    /// Looks what has become of the connect.
    pub(crate) fn connected(&mut self) -> Result<(), Gone> {
        match socket_error(&self.socket) {
            Ok(Ok(())) => {
                self.stage = Stage::Connected;
                Ok(())
            }
            Ok(Err(error)) | Err(error) => Err(Gone::Broken(error.into())),
        }
    }
}

/// Reads once, and lets the inbox of the client have it. Returns how many bytes came and whether there may be more.
pub(crate) fn receive<'a>(
    client: &'a mut Client,
    intake: &mut Intake,
    inbox: impl FnOnce(&'a mut Order) -> Inbox<'a>,
) -> Result<(usize, bool), Gone> {
    let Client { socket, stage, order, reading, carry } = client;
    let Some(received) = intake.read(socket, carry).map_err(Gone::Broken)? else {
        return Ok((0, false));
    };
    if received.length == 0 {
        return Err(Gone::Closed);
    }
    let used = reading.take(received.bytes, &mut inbox(order))?;
    if *stage == Stage::Asked && reading.is_ready() {
        *stage = Stage::Ready;
    }
    carry.clear();
    carry.extend_from_slice(&received.bytes[used..]);
    Ok((received.length, received.full))
}

impl Reading {
    fn is_ready(&self) -> bool {
        match self {
            Self::Head(..) => false,
            Self::Polls(polls) => polls.answered,
            Self::Frames(_) | Self::Events => true,
        }
    }

    fn take(&mut self, input: &[u8], inbox: &mut Inbox<'_>) -> Result<usize, Gone> {
        match self {
            Self::Head(status, transport) => {
                let Some(head) = Head::read(input).map_err(Gone::Nonsense)? else {
                    return Ok(0);
                };
                if head.status != *status {
                    return Err(Gone::Refused(head.status));
                }
                *self = match transport {
                    Transport::WebSocket => Self::Frames(Frames::default()),
                    _ => Self::Events,
                };
                Ok(head.length + self.take(&input[head.length..], inbox)?)
            }
            Self::Frames(frames) => frames.take(input, inbox),
            Self::Events => Ok(inbox.scan(input)),
            Self::Polls(polls) => polls.take(input, inbox),
        }
    }
}
