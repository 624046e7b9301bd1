//! The contract of a transport: accept, encode, decode.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Response};
use tidings_core::{Event, Id, Reason};

use crate::{Message, Rejection, SubscribeRequest};

/// The server half of one transport.
pub trait Transport: fmt::Debug + Send + Sync + 'static {
    /// Returns its name in `?transport=`, limits, metrics and reports.
    fn name(&self) -> &'static str;

    /// Returns `true` if the request is for this transport, judged by its headers.
    fn claims(&self, request: &Parts) -> bool;

    /// Accepts a request that this transport [claims](Self::claims), that names it in `?transport=`, or for which there is
    /// no other transport. Returns how to answer it.
    ///
    /// # Errors
    /// Returns the rejection to send if the request cannot be served.
    fn accept(&self, request: &Parts, subscribe: &SubscribeRequest) -> Result<Accepted, Rejection>;

    /// Returns the response to a request that is rejected [temporarily](Rejection::is_temporary), or
    /// `None` if the response is the rejection itself.
    ///
    /// A transport needs such a response if its clients never come back after an error status, as an
    /// `EventSource` does not. Its own client treats that response as the status that it stands for.
    fn reject_temporarily(&self, _rejection: &Rejection) -> Option<Response<Bytes>> {
        None
    }
}

/// How an accepted request is answered.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// Status and headers. The server adds those of the connection, such as `Content-Length` and `Date`.
    /// If the head is the same for every client, share one: groups of clients are compared by its address.
    pub head: Arc<Response<()>>,
    /// A header for this client alone, such as `Sec-WebSocket-Accept`. The answers of [`Shape::Answer`] have
    /// none, because clients share them.
    pub header: Option<(HeaderName, HeaderValue)>,
    /// Encodes events for the client.
    pub encoder: Arc<dyn Encoder>,
    /// How bytes follow the head.
    pub shape: Shape,
}

impl Accepted {
    /// Returns the response to this client, with this body.
    pub fn response<T>(&self, body: T) -> Response<T> {
        let mut response = Response::clone(&self.head).map(|()| body);
        response.headers_mut().extend(self.header.clone().map(|(name, value)| (Some(name), value)));
        response
    }
}

/// How bytes follow the head of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// The connection leaves HTTP. Bytes flow both ways, without end.
    Upgrade,
    /// A body without end.
    Stream,
    /// One body, then the next request. The body holds everything that waits. If nothing waits, it holds
    /// what comes first within `hold`.
    Answer {
        /// How long the request is held if nothing waits.
        hold: Duration,
    },
}

/// Encodes events for one wire format. Clients with the same encoder, interest and position are sent the
/// same bytes.
pub trait Encoder: fmt::Debug + Send + Sync + 'static {
    /// Returns the bytes to send directly after the head. `position` is the position of the client. It is `None` for a client
    /// that is first sent the newest notification of each topic: if it is cut before that, it must ask for them again.
    /// `heartbeat` is the time between two heartbeats of the hub, by which a client can detect that it is cut off.
    fn opening(&self, _position: Option<Id>, _heartbeat: Duration) -> Bytes {
        Bytes::new()
    }

    /// Encodes these events for one write. `position` is the client's position after them.
    ///
    /// For [`Shape::Answer`] the result is a whole body, and an empty list of events means that the hold
    /// time is over.
    fn encode(&self, events: &[Event], position: Id) -> Bytes;

    /// Encodes the reply of an application to a message of a client, for that client alone. `reply` is text in UTF-8, or
    /// binary. Returns `None` if this format has no replies, which is the default.
    fn reply(&self, _reply: &Message) -> Option<Bytes> {
        None
    }

    /// Returns a decoder for the bytes of one client, or `None` if clients of this format send nothing.
    fn decoder(&self) -> Option<Box<dyn Decoder>> {
        None
    }
}

/// Decodes the bytes of one client.
pub trait Decoder: fmt::Debug + Send {
    /// Decodes bytes, which may be cut anywhere, and appends what they contain to `inbound`. The bytes may be
    /// changed in place. After an [`Inbound::Closed`] or [`Inbound::Fault`] all further input is ignored.
    fn decode(&mut self, bytes: &mut [u8], inbound: &mut Vec<Inbound>);

    /// Returns `true` if the decoder holds no partial input. It may then decode for another client, so a
    /// silent client needs no decoder of its own.
    fn is_at_rest(&self) -> bool;
}

/// What a client sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inbound {
    /// A message for the application.
    Message(Message),
    /// A control message, such as a ping. The protocol's reply is these bytes.
    Reply(Bytes),
    /// The client closes. These bytes are the last to send, after its earlier messages were echoed.
    Closed(Bytes),
    /// The client violated the protocol. It is disconnected with this reason, after its earlier messages
    /// were echoed.
    Fault(Reason),
}

/// Encodes several events for a format in which they simply follow each other. The bytes of a single event
/// are shared and not copied.
pub fn concatenated(events: &[Event], mut each: impl FnMut(&Event) -> Bytes) -> Bytes {
    match events {
        [] => Bytes::new(),
        [only] => each(only),
        several => joined(&several.iter().map(&mut each).collect::<Vec<_>>()),
    }
}

/// Joins the pieces in a buffer of exactly their length.
fn joined(pieces: &[Bytes]) -> Bytes {
    let length = pieces.iter().map(Bytes::len).sum();
    let mut all = BytesMut::with_capacity(length);
    pieces.iter().for_each(|piece| all.extend_from_slice(piece));
    all.freeze()
}
