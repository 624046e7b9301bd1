//! Encodes events as WebSocket frames.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tidings_core::{Entry, Event, Id, Kind};
use tidings_transport::{
    Compression, Decoder, ENVELOPE, Encoder, Message, concatenated, gap_json, heartbeat_json,
    reply_json,
};

use crate::decoder::FrameDecoder;
use crate::frame;

/// Encodes events for a client without a subprotocol. A notification is its bare payload. Gaps and positions are left
/// out.
#[derive(Debug)]
pub(crate) struct Bare {
    pub(crate) max_message: usize,
    pub(crate) max_frame: usize,
    /// Whether permessage-deflate was negotiated with the clients.
    pub(crate) deflates: bool,
}

/// Encodes events as JSON texts, for a client with the subprotocol `tidings.v1`.
#[derive(Debug)]
pub(crate) struct Enveloped {
    pub(crate) max_message: usize,
    pub(crate) max_frame: usize,
    /// Whether permessage-deflate was negotiated with the clients.
    pub(crate) deflates: bool,
}

impl Encoder for Bare {
    fn encode(&self, events: &[Event], _: Id) -> Bytes {
        concatenated(events, |event| match event {
            Event::Deliver(entry) => entry.encoded(&frame::BARE),
            Event::Gap(_) => Bytes::new(),
            Event::Heartbeat { .. } => frame::ping(),
            Event::Goodbye(reason) => frame::close(*reason),
        })
    }

    fn compression(&self) -> Option<Compression> {
        self.deflates.then_some(Compression::Messages)
    }

    fn plain(&self, entry: &Arc<Entry>) -> Bytes {
        entry.notification().payload().clone()
    }

    fn compressed(&self, entry: &Entry, deflated: &[u8]) -> Bytes {
        frame::compressed(entry.notification().kind(), deflated)
    }

    fn reply(&self, reply: &Message) -> Option<Bytes> {
        Some(frame::message(reply.kind, &reply.payload))
    }

    fn decoder(&self) -> Option<Box<dyn Decoder>> {
        Some(Box::new(FrameDecoder::new(self.max_message, self.max_frame, self.deflates)))
    }
}

/// A heartbeat that a page can see.
fn visible_ping(position: Option<Id>, interval: Duration) -> Bytes {
    frame::text(heartbeat_json(position, interval).as_bytes())
}

impl Encoder for Enveloped {
    /// A heartbeat with the position, so that a client whose connection breaks before the first notification can
    /// resume.
    fn opening(&self, position: Option<Id>, heartbeat: Duration) -> Bytes {
        visible_ping(position, heartbeat)
    }

    fn encode(&self, events: &[Event], _: Id) -> Bytes {
        concatenated(events, |event| match event {
            Event::Deliver(entry) => entry.encoded(&frame::ENVELOPED),
            Event::Gap(gap) => frame::text(gap_json(gap).as_bytes()),
            Event::Heartbeat { position, interval } => {
                // A browser replies to the ping frame, which shows that it is alive. Its script sees only the JSON.
                let mut both = BytesMut::from(&frame::ping()[..]);
                both.extend_from_slice(&visible_ping(Some(*position), *interval));
                both.freeze()
            }
            Event::Goodbye(reason) => frame::close(*reason),
        })
    }

    fn compression(&self) -> Option<Compression> {
        self.deflates.then_some(Compression::Messages)
    }

    fn plain(&self, entry: &Arc<Entry>) -> Bytes {
        entry.encoded(&ENVELOPE)
    }

    fn compressed(&self, _: &Entry, deflated: &[u8]) -> Bytes {
        frame::compressed(Kind::Text, deflated)
    }

    fn reply(&self, reply: &Message) -> Option<Bytes> {
        Some(frame::text(reply_json(reply).as_bytes()))
    }

    fn decoder(&self) -> Option<Box<dyn Decoder>> {
        Some(Box::new(FrameDecoder::new(self.max_message, self.max_frame, self.deflates)))
    }
}
