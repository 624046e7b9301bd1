//! A client: one connection that subscribes and receives.

use rustix::fd::OwnedFd;
use rustix::net::sockopt::socket_error;

use super::inbox::{Gone, Inbox};
use super::order::Order;
use super::socket::{self, Intake};
use super::wire::http::Head;
use super::wire::long_polling::Polls;
use super::wire::nats::{Event, Nats};
use super::wire::redis::Reads;
use super::wire::websocket::Frames;
use crate::protocol::Transport;

/// How far a client has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Connecting,
    /// It has not subscribed yet.
    Connected,
    /// It has subscribed and has not been answered.
    Subscribing,
    /// It receives.
    Ready,
    /// Its connection has ended.
    Gone,
}

/// How the bytes that come next are read.
#[derive(Debug)]
enum Reading {
    /// The head of a response with this status, and then a stream of this transport.
    Head(u16, Transport),
    Frames(Frames),
    /// An event stream, chunked or not. The size line of a chunk contains no stamp, and no server ends a chunk within
    /// an event.
    Events,
    Polls(Polls),
    Nats(Nats, bool),
    Redis(Reads),
}

/// One client.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) socket: OwnedFd,
    pub(crate) stage: Stage,
    pub(crate) order: Order,
    reading: Reading,
    /// What the last read left unused. It takes memory only if a read is cut.
    carry: Vec<u8>,
}

impl Client {
    /// Returns a client that begins to connect.
    pub(crate) fn new(socket: OwnedFd, transport: Transport, order: Order) -> Self {
        let reading = match transport {
            Transport::WebSocket => Reading::Head(101, transport),
            Transport::Sse => Reading::Head(200, transport),
            Transport::LongPolling => Reading::Polls(Polls::default()),
            Transport::Nats | Transport::JetStream => Reading::Nats(Nats::default(), false),
            Transport::Redis => Reading::Redis(Reads::default()),
        };
        Self { socket, stage: Stage::Connecting, order, reading, carry: Vec::new() }
    }

    /// Sends all of `bytes`. They are so few that a socket which does not take them is not read by the server.
    pub(crate) fn send(&self, bytes: &[u8]) -> Result<(), Gone> {
        match socket::write(&self.socket, bytes).map_err(Gone::Broken)? {
            length if length == bytes.len() => Ok(()),
            _ => Err(Gone::Invalid("the server does not read what a client sends")),
        }
    }

    /// Finishes the connect once the socket is writable.
    pub(crate) fn finish_connecting(&mut self) -> Result<(), Gone> {
        match socket_error(&self.socket) {
            Ok(Ok(())) => {
                self.stage = Stage::Connected;
                Ok(())
            }
            Ok(Err(error)) | Err(error) => Err(Gone::Broken(error.into())),
        }
    }
}

/// Reads once into the inbox of the client. Returns how many bytes came and whether there may be more.
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
    if *stage == Stage::Subscribing && reading.is_ready() {
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
            Self::Polls(polls) => polls.is_answered,
            Self::Nats(_, is_subscribed) => *is_subscribed,
            Self::Redis(reads) => reads.is_answered,
            Self::Frames(_) | Self::Events => true,
        }
    }

    fn take(&mut self, input: &[u8], inbox: &mut Inbox<'_>) -> Result<usize, Gone> {
        match self {
            Self::Head(status, transport) => {
                let Some(head) = Head::read(input).map_err(Gone::Invalid)? else {
                    return Ok(0);
                };
                if head.status != *status {
                    return Err(Gone::Rejected(head.status));
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
            Self::Nats(nats, is_subscribed) => {
                let (used, event) = nats.take(input, inbox)?;
                *is_subscribed |= matches!(event, Some(Event::Pong | Event::Response));
                Ok(used)
            }
            Self::Redis(reads) => reads.take(input, inbox),
        }
    }
}
