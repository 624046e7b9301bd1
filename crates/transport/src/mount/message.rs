//! What becomes of a client's messages.

use std::fmt;
use std::sync::Arc;

use tidings_core::{Hub, Notification, PublishError, Reason, Seat, Topic};

use crate::Inbound;

type Handler = dyn Fn(&Hub, &Seat, Inbound) -> Result<(), Reason> + Send + Sync;

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
pub struct OnMessage(Arc<Handler>);

impl OnMessage {
    /// Handled by this function.
    pub fn new(
        handler: impl Fn(&Hub, &Seat, Inbound) -> Result<(), Reason> + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(handler))
    }

    /// Published to this topic, as the client's own.
    pub fn published_to(topic: Topic) -> Self {
        Self::new(move |hub, seat, message| message.publish(hub, seat, topic.clone()))
    }

    /// Not allowed.
    pub fn refused() -> Self {
        Self::new(|_, _, _| Err(Reason::NotAllowed))
    }

    /// Hands over one message.
    ///
    /// # Errors
    /// The reason for which the client is to go.
    pub fn handle(&self, hub: &Hub, seat: &Seat, message: Inbound) -> Result<(), Reason> {
        (self.0)(hub, seat, message)
    }
}

impl Inbound {
    /// Publishes the message to this topic, as the own of the client in this seat.
    ///
    /// # Errors
    /// The reason for which the client is to go.
    pub fn publish(self, hub: &Hub, seat: &Seat, topic: Topic) -> Result<(), Reason> {
        let notification = Notification::checked(topic, self.kind, self.payload);
        let notification = notification.map_err(|_| Reason::BadUtf8)?.from_seat(seat.id());
        match hub.publish(notification) {
            Ok(_) => Ok(()),
            Err(PublishError::TooBig { .. }) => Err(Reason::TooBig),
            Err(PublishError::Closed(reason)) => Err(reason),
        }
    }
}

impl fmt::Debug for OnMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OnMessage")
    }
}
