//! Accept, render, receive.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::Response;
use http::request::Parts;
use tidings_core::{Event, Id, Kind, Reason};

use crate::{Ask, Refusal};

/// The server half of one transport.
pub trait Transport: fmt::Debug + Send + Sync + 'static {
    /// Its name in `?transport=`, in limits, in metrics and in reports.
    fn name(&self) -> &'static str;

    /// Whether a request is for this transport, judged by its headers.
    fn claims(&self, request: &Parts) -> bool;

    /// The answer to a request that is for this transport.
    ///
    /// # Errors
    /// The refusal to send where the request cannot be served.
    fn accept(&self, request: &Parts, ask: &Ask) -> Result<Accepted, Refusal>;

    /// Returns the response to a request for this transport that is [rejected for
    /// now](Refusal::is_for_now), if it is another one than the rejection itself.
    ///
    /// A transport needs one if its clients never come back after an error status, as an `EventSource` does
    /// not. Its own client treats that response as the status that it stands for.
    fn reject_for_now(&self, _rejection: &Refusal) -> Option<Response<Bytes>> {
        None
    }
}

/// How an accepted client is answered.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// Status and headers. The mover adds those of the connection: `Content-Length`, `Date`. Where they are
    /// the same for everyone, share one: clients of one head are told apart by nothing else.
    pub head: Arc<http::Response<()>>,
    /// What the client understands.
    pub words: Arc<dyn Words>,
    /// How bytes follow the head.
    pub shape: Shape,
}

/// How bytes follow the head of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// The connection leaves HTTP: bytes both ways, without end.
    Upgrade,
    /// A body without end.
    Stream,
    /// One body with whatever waits, or whatever comes first within this time; then the next request.
    Answer {
        /// How long the request is held where nothing waits.
        hold: Duration,
    },
}

/// What one kind of client understands. Clients of the same words, interest and position are sent the
/// very same bytes.
pub trait Words: fmt::Debug + Send + Sync + 'static {
    /// What goes out at once behind the head, to a client that stands at this position.
    fn opening(&self, _position: Id) -> Bytes {
        Bytes::new()
    }

    /// These events on the wire, for one write. `position` is where the client stands behind them.
    ///
    /// With [`Shape::Answer`] it is a whole body, and no events mean that the hold time is over.
    fn render(&self, events: &[Event], position: Id) -> Bytes;

    /// A listener for one client's bytes; `None` where clients of this kind have nothing to say.
    fn ear(&self) -> Option<Box<dyn Ear>> {
        None
    }
}

/// Hears one client.
pub trait Ear: fmt::Debug + Send {
    /// Takes the bytes that came, in any cuts, and appends what they say. The bytes may be changed in
    /// place. After a [`Said::Closed`] or [`Said::Fault`] nothing more is heard.
    fn hear(&mut self, bytes: &mut [u8], said: &mut Vec<Said>);

    /// Whether it is as it was when it was new: in the middle of nothing. Then it may hear another client,
    /// so that those who are silent need none of their own.
    fn is_at_rest(&self) -> bool;
}

/// What a client said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// A message for the application.
    Message(Inbound),
    /// Something that the protocol answers by itself with these bytes (a ping).
    Reply(Bytes),
    /// It is leaving; these bytes are the last to send, after its messages from before were echoed.
    Closed(Bytes),
    /// It broke a rule and is let go with this reason, after its messages from before were echoed.
    Fault(Reason),
}

/// A message from a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inbound {
    /// Text, which is valid UTF-8, or binary.
    pub kind: Kind,
    /// Its bytes.
    pub payload: Bytes,
}

/// The bytes of several events for a wire where they simply follow each other. One event's bytes are
/// passed on as they are, shared and not copied.
pub fn concatenated(events: &[Event], mut each: impl FnMut(&Event) -> Bytes) -> Bytes {
    match events {
        [] => Bytes::new(),
        [only] => each(only),
        several => joined(&several.iter().map(&mut each).collect::<Vec<_>>()),
    }
}

/// These pieces as one, in a buffer of exactly their length.
fn joined(pieces: &[Bytes]) -> Bytes {
    let length = pieces.iter().map(Bytes::len).sum();
    let mut all = BytesMut::with_capacity(length);
    pieces.iter().for_each(|piece| all.extend_from_slice(piece));
    all.freeze()
}
