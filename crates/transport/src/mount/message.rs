//! What becomes of a client's messages.

use std::fmt;
use std::sync::Arc;

use tidings_core::{Hub, Id, Notification, Publishing, Reason, Seat, Topic};

use crate::Message;

type Handler = dyn Fn(&Hub, &Seat, Message) -> Result<(), Reason> + Send + Sync;

/// What becomes of a client's messages. An error ends its connection, with that reason. The handler must
/// not block: it runs between two reads.
///
/// ```
/// use tidings_core::Reason;
/// use tidings_transport::mount::OnMessage;
///
/// let shouting = OnMessage::new(|_hub, seat, message| {
///     println!("{:?} says {:?}", seat.id(), message.payload);
///     Ok::<(), Reason>(())
/// });
/// ```
#[derive(Clone)]
pub struct OnMessage(Handling);

#[derive(Clone)]
enum Handling {
    Function(Arc<Handler>),
    Published(Topic),
}

impl OnMessage {
    /// Handled by this function.
    pub fn new(
        handler: impl Fn(&Hub, &Seat, Message) -> Result<(), Reason> + Send + Sync + 'static,
    ) -> Self {
        Self(Handling::Function(Arc::new(handler)))
    }

    /// Published to this topic, as the client's own.
    pub fn published_to(topic: Topic) -> Self {
        Self(Handling::Published(topic))
    }

    /// Not allowed.
    pub fn rejected() -> Self {
        Self::new(|_, _, _| Err(Reason::NotAllowed))
    }

    /// Hands over one message. If it is published to a topic, this waits for the outcome and returns its id.
    ///
    /// Not cancel safe: the message may be published or not.
    ///
    /// # Errors
    /// The reason for which the client is to go.
    pub async fn handle(
        &self,
        hub: &Hub,
        seat: &Seat,
        message: Message,
    ) -> Result<Option<Id>, Reason> {
        let topic = match &self.0 {
            Handling::Function(handler) => return handler(hub, seat, message).map(|()| None),
            Handling::Published(topic) => topic.clone(),
        };
        match message.publish(hub, seat, topic)?.await {
            Ok(id) => Ok(Some(id)),
            Err(error) => Err(error.reason()),
        }
    }
}

impl Message {
    /// Publishes the message to this topic, as the own of the client in this seat.
    ///
    /// # Errors
    /// The reason for which the client is to go.
    pub fn publish(self, hub: &Hub, seat: &Seat, topic: Topic) -> Result<Publishing, Reason> {
        let notification = Notification::checked(topic, self.kind, self.payload);
        let notification = notification.map_err(|_| Reason::BadUtf8)?;
        Ok(hub.publish(notification.from_seat(seat.id())))
    }
}

impl fmt::Debug for OnMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnMessage")
    }
}
