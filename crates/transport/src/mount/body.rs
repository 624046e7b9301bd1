//! A subscription as the body of an answer.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::Stream;
use http_body::{Body, Frame, SizeHint};
use tidings_core::{Event, Subscription};

use super::Observer;
use super::observer::observe;
use crate::Encoder;

/// The body of a mounted transport's answer: whole, or events without end.
#[derive(Debug)]
pub struct MountBody(Inner);

#[derive(Debug)]
enum Inner {
    Whole(Option<Bytes>),
    Events(Box<Events>),
}

#[derive(Debug)]
struct Events {
    subscription: Subscription,
    encoder: Arc<dyn Encoder>,
    observer: Arc<dyn Observer>,
    is_open: bool,
    has_ended: bool,
}

/// The most events that go out in one frame of the body.
const BATCH: usize = 64;

/// The most payload bytes in one, or one notification: what a client that stops reading keeps alive.
const BATCH_BYTES: usize = 256 << 10;

impl MountBody {
    /// A body that is all there.
    pub fn whole(bytes: Bytes) -> Self {
        Self(Inner::Whole((!bytes.is_empty()).then_some(bytes)))
    }

    /// No body.
    pub fn empty() -> Self {
        Self(Inner::Whole(None))
    }

    /// The bytes of a heartbeat, outside of its interval, for a client that has closed its side: whether it is
    /// still there shows when something is sent to it. Empty for a body that is whole.
    pub fn heartbeat(&self) -> Bytes {
        match &self.0 {
            Inner::Whole(_) => Bytes::new(),
            Inner::Events(events) => {
                let position = events.subscription.position();
                events.encoder.encode(&[Event::Heartbeat(position)], position)
            }
        }
    }

    pub(super) fn events(
        subscription: Subscription,
        encoder: Arc<dyn Encoder>,
        observer: Arc<dyn Observer>,
    ) -> Self {
        let events = Events { subscription, encoder, observer, is_open: false, has_ended: false };
        Self(Inner::Events(Box::new(events)))
    }
}

impl Events {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if !self.is_open {
            self.is_open = true;
            let opening = self.encoder.opening(self.subscription.position());
            if !opening.is_empty() {
                return Poll::Ready(Some(opening));
            }
        }
        while !self.has_ended {
            let first = std::task::ready!(Pin::new(&mut self.subscription).poll_next(context));
            let events = batch(first, &mut self.subscription);
            self.has_ended = !matches!(events.last(), Some(event) if !is_goodbye(event));
            observe(&*self.observer, &self.subscription, &events);
            let bytes = self.encoder.encode(&events, self.subscription.position());
            if !bytes.is_empty() {
                return Poll::Ready(Some(bytes));
            }
        }
        Poll::Ready(None)
    }
}

/// The first event, and whatever else is there already: one write for all, within bounds.
pub(super) fn batch(first: Option<Event>, subscription: &mut Subscription) -> Vec<Event> {
    let mut events: Vec<Event> = first.into_iter().collect();
    let mut size = events.iter().map(payload_bytes).sum::<usize>();
    while events.len() < BATCH {
        size += subscription.next_size().unwrap_or_default();
        if size > BATCH_BYTES {
            break;
        }
        let Some(event) = subscription.try_next() else { break };
        events.push(event);
    }
    events
}

fn payload_bytes(event: &Event) -> usize {
    match event {
        Event::Deliver(entry) => entry.notification().payload().len(),
        Event::Gap(_) | Event::Heartbeat(_) | Event::Goodbye(_) => 0,
    }
}

pub(super) fn is_goodbye(event: &Event) -> bool {
    matches!(event, Event::Goodbye(_))
}

impl Body for MountBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let bytes = match &mut self.get_mut().0 {
            Inner::Whole(bytes) => Poll::Ready(bytes.take()),
            Inner::Events(events) => events.poll(context),
        };
        bytes.map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.0, Inner::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Inner::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64)
            }
            Inner::Events(_) => SizeHint::default(),
        }
    }
}
