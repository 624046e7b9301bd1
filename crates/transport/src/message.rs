//! A message from a client, and its sender.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tidings_core::driver::Cursor;
use tidings_core::{
    Filters, Hub, Id, Kind, Notification, Publishing, Reason, SeatId, SeatInfo, Session, Topic,
};

/// A message from a client, or a reply to it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message {
    /// The kind of the payload: text, which must be UTF-8, or binary.
    pub kind: Kind,
    /// The payload.
    pub payload: Bytes,
}

impl Message {
    /// Creates a message of this kind. The payload of a text must be UTF-8. Otherwise it can be neither published nor
    /// sent as a reply, and the client is disconnected.
    pub fn new(kind: Kind, payload: impl Into<Bytes>) -> Self {
        Self { kind, payload: payload.into() }
    }

    /// Creates a text message.
    pub fn text(text: impl Into<String>) -> Self {
        Self { kind: Kind::Text, payload: text.into().into() }
    }

    /// Creates a binary message.
    pub fn binary(payload: impl Into<Bytes>) -> Self {
        Self { kind: Kind::Binary, payload: payload.into() }
    }

    /// Returns the payload if the message is text and valid UTF-8.
    pub fn as_text(&self) -> Option<&str> {
        match self.kind {
            Kind::Text => std::str::from_utf8(&self.payload).ok(),
            Kind::Binary => None,
        }
    }

    /// Whether the message is binary, or text in UTF-8.
    pub(crate) fn is_sound(&self) -> bool {
        self.kind == Kind::Binary || self.as_text().is_some()
    }

    /// Publishes the message to this topic for the client in this seat. Fails with [`Reason::BadUtf8`] if the kind is
    /// text and the payload is not UTF-8.
    pub(crate) fn publish(
        self,
        hub: &Hub,
        seat: SeatId,
        topic: Topic,
    ) -> Result<Publishing, Reason> {
        let notification = Notification::checked(topic, self.kind, self.payload);
        let notification = notification.map_err(|_| Reason::BadUtf8)?;
        Ok(hub.publish(notification.from_seat(seat)))
    }
}

/// The client that has sent a message.
///
/// It does not hold the client's seat, so the client may leave at any time. Cloning it only increments a reference
/// count.
#[derive(Clone, Debug)]
pub struct MessageSender(Arc<Sender>);

#[derive(Debug)]
struct Sender {
    hub: Hub,
    seat: SeatInfo,
    filters: Filters,
    /// The last id that [`publish`](MessageSender::publish) has returned.
    published: Mutex<Option<Id>>,
}

impl MessageSender {
    pub(crate) fn new(hub: Hub, seat: SeatInfo, filters: Filters) -> Self {
        Self(Arc::new(Sender { hub, seat, filters, published: Mutex::default() }))
    }

    /// Returns the hub that the client is connected to.
    pub fn hub(&self) -> &Hub {
        &self.0.hub
    }

    /// Returns the id of the client's seat.
    pub fn id(&self) -> SeatId {
        self.0.seat.id()
    }

    /// Returns the name of the client's transport.
    pub fn transport(&self) -> &'static str {
        self.0.seat.transport()
    }

    /// Returns the session that the application's [`Authorize`](crate::Authorize) has returned for the client, or
    /// `None` if it is not of this type.
    pub fn session<T: Session>(&self) -> Option<Arc<T>> {
        self.0.seat.session()
    }

    /// Returns the filters that the client subscribes to.
    pub fn filters(&self) -> &Filters {
        &self.0.filters
    }

    /// Publishes a message for the client, and returns its id. The authorizer is not called.
    ///
    /// A client that subscribes to the topic and closes right after its message is still sent this notification, unless
    /// [echo](crate::mount::Mount::echo) is off.
    ///
    /// Not cancel safe: if the future is dropped, the message may or may not be published.
    ///
    /// # Errors
    /// Fails with a reason if the message is too large, or text that is not UTF-8, if the hub is closed, or if the
    /// broker did not store the message. A handler can return this reason to disconnect the client.
    pub async fn publish(&self, topic: Topic, message: Message) -> Result<Id, Reason> {
        let id = message.publish(self.hub(), self.id(), topic)?.await;
        let id = id.map_err(|error| error.reason())?;
        let mut published = self.0.published.lock().unwrap_or_else(PoisonError::into_inner);
        *published = further(*published, id);
        Ok(id)
    }

    /// The last id that the handler may have published since `before` was the head of the log. If the head has moved,
    /// the result is at least the head, because the handler may publish without [`publish`](Self::publish).
    pub(crate) fn published_since(&self, before: Id) -> Option<Id> {
        let published = *self.0.published.lock().unwrap_or_else(PoisonError::into_inner);
        let head = self.hub().log().head();
        if head == before { published } else { further(published, head) }
    }
}

fn further(one: Option<Id>, other: Id) -> Option<Id> {
    Some(one.filter(|&one| Cursor::at(one).is_ahead_of(other)).unwrap_or(other))
}
