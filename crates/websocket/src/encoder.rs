//! Events in WebSocket frames.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tidings_core::{Event, Id};
use tidings_transport::{Decoder, Encoder, Message, concatenated, gap_json, reply_json};

use crate::decoder::FrameDecoder;
use crate::frame;

/// Without a subprotocol: bare payloads. Gaps and positions are not shown.
#[derive(Debug)]
pub(crate) struct Bare {
    pub(crate) max_message: usize,
    pub(crate) max_frame: usize,
}

/// With subprotocol `tidings.v1`: everything in JSON texts.
#[derive(Debug)]
pub(crate) struct Enveloped {
    pub(crate) max_message: usize,
    pub(crate) max_frame: usize,
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

    fn reply(&self, reply: &Message) -> Option<Bytes> {
        Some(frame::message(reply.kind, &reply.payload))
    }

    fn decoder(&self) -> Option<Box<dyn Decoder>> {
        Some(Box::new(FrameDecoder::new(self.max_message, self.max_frame)))
    }
}

/// Returns a heartbeat that a page can see. It names the time until the next one in milliseconds.
fn visible_ping(position: Option<Id>, interval: Duration) -> Bytes {
    let interval = interval.as_millis();
    // No character of an id is escaped in JSON.
    let ping = match position {
        Some(position) => format!(r#"{{"ping":{interval},"id":"{position}"}}"#),
        None => format!(r#"{{"ping":{interval}}}"#),
    };
    frame::text(ping.as_bytes())
}

impl Encoder for Enveloped {
    /// The position goes out first, so that a client that is cut before its first notification can
    /// resume as well.
    fn opening(&self, position: Option<Id>, heartbeat: Duration) -> Bytes {
        visible_ping(position, heartbeat)
    }

    fn encode(&self, events: &[Event], _: Id) -> Bytes {
        concatenated(events, |event| match event {
            Event::Deliver(entry) => entry.encoded(&frame::ENVELOPED),
            Event::Gap(gap) => frame::text(gap_json(gap).as_bytes()),
            Event::Heartbeat { position, interval } => {
                // The protocol's own ping beside it makes the browser answer, and so show that it lives.
                let mut both = BytesMut::from(&frame::ping()[..]);
                both.extend_from_slice(&visible_ping(Some(*position), *interval));
                both.freeze()
            }
            Event::Goodbye(reason) => frame::close(*reason),
        })
    }

    fn reply(&self, reply: &Message) -> Option<Bytes> {
        Some(frame::text(reply_json(reply).as_bytes()))
    }

    fn decoder(&self) -> Option<Box<dyn Decoder>> {
        Some(Box::new(FrameDecoder::new(self.max_message, self.max_frame)))
    }
}
