//! The body of a mount's response.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures::Stream as _;
use http::HeaderValue;
use http_body::{Body, Frame, SizeHint};
use tidings_core::{Event, Subscription};
use tokio::time::Instant;

use super::observer::observe;
use super::stall::{Stalls, Watched};
use super::{Client, Observer};
use crate::Encoder;
use crate::compression::Writer;

/// The body of a mount's response: whole, or events without end.
#[derive(Debug)]
pub struct MountBody(Inner);

#[derive(Debug)]
enum Inner {
    Whole(Option<Bytes>),
    /// The answer to a poll, which can be sent compressed.
    Answer {
        plain: Bytes,
        gzip: Bytes,
    },
    /// No body, for the response to a `HEAD` if the length of the body is not known.
    Head,
    Stream(Arc<Stream>),
}

/// Events without end. Shared with the task that detects stalled clients.
#[derive(Debug)]
struct Stream {
    write_deadline: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// `None` once the client has stalled.
    events: Option<Events>,
    /// When the server took the last frame. `None` once it has polled for the next one.
    taken_at: Option<Instant>,
}

#[derive(Debug)]
struct Events {
    subscription: Subscription,
    writer: Writer,
    observer: Arc<dyn Observer>,
    is_open: bool,
    has_ended: bool,
}

/// The most events in one frame of the body.
const BATCH: usize = 64;

/// The most bytes of payloads and headers in one frame of the body, except that it may hold one larger notification. A
/// client that stops reading keeps no more than that in memory.
const BATCH_BYTES: usize = 256 << 10;

impl MountBody {
    /// Creates a body of these bytes.
    pub fn whole(bytes: Bytes) -> Self {
        Self(Inner::Whole((!bytes.is_empty()).then_some(bytes)))
    }

    /// Creates an empty body.
    pub fn empty() -> Self {
        Self(Inner::Whole(None))
    }

    /// Creates a body without bytes and without a known length, for the response to a `HEAD`.
    pub fn head() -> Self {
        Self(Inner::Head)
    }

    /// The answer to a poll. `gzip` is the same answer compressed, if it may be sent so.
    pub(super) fn answer(plain: Bytes, gzip: Option<Bytes>) -> Self {
        match gzip {
            Some(gzip) => Self(Inner::Answer { plain, gzip }),
            None => Self::whole(plain),
        }
    }

    /// Compresses the body if it is a long answer to a poll whose client accepts that. Returns the `Content-Encoding`
    /// to add to the head, or `None` if the body stays as it is. Without this call it is sent plain.
    pub fn compress(&mut self) -> Option<HeaderValue> {
        let Inner::Answer { gzip, .. } = &mut self.0 else { return None };
        self.0 = Inner::Whole(Some(std::mem::take(gzip)));
        Some(HeaderValue::from_static("gzip"))
    }

    /// Returns the bytes of an extra heartbeat, or no bytes if the body has ended or is not a stream.
    ///
    /// Send it to a client that has closed its side of the connection. If the client is gone, its system answers with a
    /// reset. The bytes must be sent, because they are a part of the body.
    pub fn heartbeat(&self) -> Bytes {
        match &self.0 {
            Inner::Whole(_) | Inner::Answer { .. } | Inner::Head => Bytes::new(),
            Inner::Stream(stream) => match &mut stream.lock().events {
                Some(events) => events.probe(),
                None => Bytes::new(),
            },
        }
    }

    /// The events of a client as a body that ends if the client reads nothing for its write deadline.
    pub(super) fn watched(client: Client, encoder: Arc<dyn Encoder>, stalls: &Stalls) -> Self {
        let stream = Arc::new(Stream::new(client, encoder));
        let watched: Arc<dyn Watched> = stream.clone();
        stalls.watch(Arc::downgrade(&watched));
        Self(Inner::Stream(stream))
    }

    /// The events of a client as a body that does not end when the client stops reading.
    pub(super) fn unwatched(client: Client, encoder: Arc<dyn Encoder>) -> Self {
        Self(Inner::Stream(Arc::new(Stream::new(client, encoder))))
    }
}

impl Stream {
    fn new(client: Client, encoder: Arc<dyn Encoder>) -> Self {
        let writer = client.writer(encoder);
        let Client { subscription, observer, write_deadline, .. } = client;
        let events = Events { subscription, writer, observer, is_open: false, has_ended: false };
        let state = Mutex::new(State { events: Some(events), taken_at: None });
        Self { write_deadline, state }
    }

    fn poll(&self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let State { events, taken_at } = &mut *self.lock();
        *taken_at = None;
        let Some(events) = events else { return Poll::Ready(None) };
        let bytes = ready!(events.poll(context));
        *taken_at = bytes.is_some().then(Instant::now);
        Poll::Ready(bytes)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watched for Stream {
    fn end_if_stalled(&self, now: Instant) {
        // If the state is locked, the server polls for a frame now.
        let mut state = match self.state.try_lock() {
            Ok(state) => state,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        let is_stalled = state.taken_at.is_some_and(|taken| now - taken >= self.write_deadline);
        if is_stalled && let Some(events) = state.events.take() {
            drop(state);
            events.observer.cut_off();
        }
    }
}

impl Events {
    /// The bytes of an extra heartbeat, or the opening if it has not been taken yet. A gzip body must begin with the
    /// opening, and nothing may follow its end.
    fn probe(&mut self) -> Bytes {
        if self.has_ended {
            return Bytes::new();
        }
        let opening = self.take_opening();
        if !opening.is_empty() {
            return opening;
        }
        self.writer.probe(self.subscription.heartbeat(), self.subscription.position())
    }

    fn take_opening(&mut self) -> Bytes {
        if std::mem::replace(&mut self.is_open, true) {
            return Bytes::new();
        }
        opening(&mut self.writer, &self.subscription)
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let opening = self.take_opening();
        if !opening.is_empty() {
            return Poll::Ready(Some(opening));
        }
        while !self.has_ended {
            let first = ready!(Pin::new(&mut self.subscription).poll_next(context));
            let events = batch(first, &mut self.subscription);
            self.has_ended = !matches!(events.last(), Some(event) if !is_goodbye(event));
            observe(&*self.observer, &self.subscription, &events);
            let bytes = self.writer.encode(&events, self.subscription.position());
            if !bytes.is_empty() {
                return Poll::Ready(Some(bytes));
            }
        }
        Poll::Ready(None)
    }
}

pub(super) fn opening(writer: &mut Writer, subscription: &Subscription) -> Bytes {
    let interval = subscription.hub().heartbeat().interval;
    let position = (!subscription.is_in_snapshot()).then(|| subscription.position());
    writer.opening(position, interval)
}

/// The first event and those that are ready after it, up to [`BATCH`] events and [`BATCH_BYTES`] bytes.
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
        Event::Deliver(entry) => entry.notification().size(),
        Event::Gap(_) | Event::Heartbeat { .. } | Event::Goodbye(_) => 0,
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
        let inner = &mut self.get_mut().0;
        let bytes = match inner {
            Inner::Whole(bytes) => Poll::Ready(bytes.take()),
            Inner::Answer { plain, .. } => {
                let plain = std::mem::take(plain);
                *inner = Inner::Whole(None);
                Poll::Ready(Some(plain))
            }
            Inner::Head => Poll::Ready(None),
            Inner::Stream(stream) => stream.poll(context),
        };
        bytes.map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.0, Inner::Whole(None) | Inner::Head)
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Inner::Whole(bytes) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64)
            }
            Inner::Answer { plain, .. } => SizeHint::with_exact(plain.len() as u64),
            Inner::Head | Inner::Stream(_) => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use tidings_core::{Hub, HubConfig, Id, Interest, Reason};

    use super::*;
    use crate::OnMessage;

    /// Encodes each event as one letter.
    #[derive(Debug)]
    struct Letters;

    impl Encoder for Letters {
        fn encode(&self, events: &[Event], _: Id) -> Bytes {
            crate::concatenated(events, |event| match event {
                Event::Heartbeat { .. } => Bytes::from_static(b"h"),
                Event::Goodbye(_) => Bytes::from_static(b"g"),
                other => panic!("{other:?}"),
            })
        }
    }

    #[tokio::test]
    async fn a_body_that_has_ended_has_no_more_heartbeats() {
        let hub = Hub::new(HubConfig::default());
        let interest = Interest::new(">".parse().unwrap());
        let subscription = hub.subscribe("test", interest).unwrap();
        let deadline = Duration::from_secs(30);
        let client = Client::new(subscription, OnMessage::rejected(), deadline, Arc::new(()));
        let mut body = client.stream(Arc::new(Letters));
        assert_eq!(body.heartbeat(), "h");
        hub.close(Reason::GoingAway);
        let mut context = Context::from_waker(Waker::noop());
        let Poll::Ready(Some(Ok(last))) = Pin::new(&mut body).poll_frame(&mut context) else {
            panic!("the goodbye is ready")
        };
        assert_eq!(last.into_data().unwrap(), "g");
        assert_eq!(body.heartbeat(), "");
    }
}
