//! The contract of a transport: accept, encode and decode.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Response};
use tidings_core::{Entry, Event, Id, Reason};

use crate::{Message, Rejection, SubscribeRequest};

/// The server half of one transport.
pub trait Transport: fmt::Debug + Send + Sync + 'static {
    /// Returns the name of the transport in `?transport=`, limits, metrics and reports.
    fn name(&self) -> &'static str;

    /// Returns `true` if the headers of the request show that it is for this transport.
    fn claims(&self, request: &Parts) -> bool;

    /// Accepts a request, and returns how to respond to it. It is called if this transport [claims](Self::claims) the
    /// request, the request names it in `?transport=`, or there is no other transport.
    ///
    /// # Errors
    /// Fails with the rejection to send if the request cannot be served.
    fn accept(&self, request: &Parts, subscribe: &SubscribeRequest) -> Result<Accepted, Rejection>;

    /// Returns the response to a request that is rejected [temporarily](Rejection::is_temporary), or `None` if the
    /// response is the rejection itself, which is the default.
    ///
    /// A transport whose clients do not reconnect after an error status, such as an `EventSource`, needs such a
    /// response. The transport's client in this workspace treats that response as the status that it stands for.
    fn reject_temporarily(&self, _rejection: &Rejection) -> Option<Response<Bytes>> {
        None
    }
}

/// The response to a request that a transport has accepted.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// The status and the headers. The server adds headers such as `Content-Length` and `Date`. A transport should
    /// share one `Arc` of a head that is the same for all clients, because a server groups clients by its address.
    pub head: Arc<Response<()>>,
    /// A header for this client only, such as `Sec-WebSocket-Accept`. Must be `None` for [`Shape::Answer`], because
    /// clients share those responses.
    pub header: Option<(HeaderName, HeaderValue)>,
    /// Encodes events for the client.
    pub encoder: Arc<dyn Encoder>,
    /// The bytes that follow the head.
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

/// The bytes that follow the head of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// The connection is upgraded, and bytes are sent in both directions until it ends.
    Upgrade,
    /// A body that ends only when the subscription does.
    Stream,
    /// One body, after which the client can send its next request. The body has the events after the client's position.
    /// If there are none, it has the first one that occurs within `hold`.
    Answer {
        /// How long the request is held without events.
        hold: Duration,
    },
}

/// How the notifications of an encoder are compressed, once for all clients that are sent them.
///
/// The compressed bytes of a notification refer to those of earlier ones. See [`compression`](crate::compression).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compression {
    /// Each message by itself may be compressed or not, as in permessage-deflate of WebSocket (RFC 7692). A receiver
    /// needs a window of 4 KiB.
    Messages,
    /// The whole body is one gzip member (RFC 1952). For [`Shape::Answer`], only a long answer is compressed, and then
    /// the server adds `Content-Encoding` to its head. For [`Shape::Stream`], the head of the transport must have it.
    Body,
}

/// Encodes events for one wire format.
///
/// Clients with the same encoder, interest and position are sent the same bytes.
pub trait Encoder: fmt::Debug + Send + Sync + 'static {
    /// Returns the bytes to send directly after the head. By default there are none.
    ///
    /// `position` is the position of the client. It is `None` for a client that is first sent the newest notification
    /// of each topic, because a client that is disconnected before that must request all of them again. `heartbeat` is
    /// the time between two heartbeats of the hub, by which a client can detect that its connection is dead.
    fn opening(&self, _position: Option<Id>, _heartbeat: Duration) -> Bytes {
        Bytes::new()
    }

    /// Encodes these events for one write. `position` is the client's position after them.
    ///
    /// For [`Shape::Answer`] the result is a whole body, and the list of events is empty once the hold time is over.
    fn encode(&self, events: &[Event], position: Id) -> Bytes;

    /// Returns how notifications are compressed, or `None`, the default, if they are not. An encoder that compresses
    /// must still encode events without compression by [`encode`](Self::encode). A transport may accept a subscriber
    /// with such an encoder only if [`SubscribeRequest::may_compress`](crate::SubscribeRequest::may_compress) is set.
    fn compression(&self) -> Option<Compression> {
        None
    }

    /// Returns the bytes of a notification to deflate. By default they are those of [`encode`](Self::encode).
    fn plain(&self, entry: &Arc<Entry>) -> Bytes {
        self.encode(&[Event::Deliver(entry.clone())], entry.id())
    }

    /// Encodes a notification from the deflated bytes of [`plain`](Self::plain), which end with a sync flush. By
    /// default they are sent as they are.
    fn compressed(&self, _entry: &Entry, deflated: &[u8]) -> Bytes {
        Bytes::copy_from_slice(deflated)
    }

    /// Encodes the reply of an application to a message of a client. Only that client is sent it. `reply` is text in
    /// UTF-8, or binary. The result is `None` for a format without replies, which is the default.
    fn reply(&self, _reply: &Message) -> Option<Bytes> {
        None
    }

    /// Returns a decoder for the bytes of one client, or `None` for a format whose clients send nothing, which is the
    /// default.
    fn decoder(&self) -> Option<Box<dyn Decoder>> {
        None
    }
}

/// Decodes the bytes of one client.
pub trait Decoder: fmt::Debug + Send {
    /// Decodes the next bytes, appends the items that they complete to `inbound`, and returns how many bytes it has
    /// decoded. The input may be cut anywhere, and may be changed in place. After an [`Inbound::Closed`] or
    /// [`Inbound::Fault`], all further input is ignored.
    ///
    /// These are all bytes, unless the decoder stops after a message. The caller then handles the items before it
    /// passes the rest. So stop if a little input becomes many bytes of messages, as compressed messages do.
    fn decode(&mut self, bytes: &mut [u8], inbound: &mut Vec<Inbound>) -> usize;

    /// The input has ended. Appends the items that its end completes to `inbound`, and resets the decoder. Called only
    /// for a transport on which each message is a separate stream. Does nothing by default.
    fn finish(&mut self, _inbound: &mut Vec<Inbound>) {}

    /// Returns `true` if the decoder holds no partial input. It can then be used for another client, so that a client
    /// that sends nothing needs no decoder.
    fn is_at_rest(&self) -> bool;
}

/// An item that a [`Decoder`] has decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inbound {
    /// A message for the application.
    Message(Message),
    /// A control message, such as a ping. These bytes are the reply that the protocol requires.
    Reply(Bytes),
    /// The client closes the connection. These bytes are the last to send. The client's earlier messages must be echoed
    /// before.
    Closed(Bytes),
    /// The client violated the protocol, and must be disconnected with this reason. Its earlier messages must be echoed
    /// before.
    Fault(Reason),
}

/// Encodes several events for a format without separators between events. The bytes of a single event are not copied.
pub fn concatenated(events: &[Event], mut each: impl FnMut(&Event) -> Bytes) -> Bytes {
    match events {
        [] => Bytes::new(),
        [only] => each(only),
        several => joined(&several.iter().map(&mut each).collect::<Vec<_>>()),
    }
}

/// Copies the pieces into one buffer, which has exactly their length.
fn joined(pieces: &[Bytes]) -> Bytes {
    let length = pieces.iter().map(Bytes::len).sum();
    let mut all = BytesMut::with_capacity(length);
    pieces.iter().for_each(|piece| all.extend_from_slice(piece));
    all.freeze()
}
