//! Handles the messages of clients.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use tidings_core::{Filters, Hub, Id, Publishing, Reason, Seat, Topic};
use tokio::time::timeout;

use crate::{Message, MessageSender};

/// The default of [`OnMessage::time_limit`].
const TIME_LIMIT: Duration = Duration::from_secs(30);

/// Handles the messages that clients send over WebSocket, and can reply to each.
///
/// ```
/// use tidings_core::{Hub, Reason};
/// use tidings_transport::mount::Mount;
/// use tidings_transport::{HandleMessage, Message, MessageSender, OnMessage};
///
/// /// Publishes orders, and replies with their id.
/// struct Orders;
///
/// impl HandleMessage for Orders {
///     async fn handle(&self, sender: MessageSender, order: Message) -> Result<Option<Message>, Reason> {
///         if order.as_text().is_none() {
///             return Err(Reason::Unsupported);
///         }
///         let topic = "orders.new".parse().expect("a topic");
///         let id = sender.publish(topic, order).await?;
///         Ok(Some(Message::text(id.to_string())))
///     }
/// }
///
/// let mount = Mount::new(Hub::default()).on_message(OnMessage::new(Orders));
/// ```
///
/// A closure with these arguments that returns a future implements this trait:
///
/// ```
/// # use tidings_core::Reason;
/// # use tidings_transport::{Message, MessageSender, OnMessage};
/// let slow_echo = OnMessage::new(|_: MessageSender, message: Message| async move {
///     tokio::task::yield_now().await;
///     Ok::<_, Reason>(Some(message))
/// });
/// ```
pub trait HandleMessage: Send + Sync + 'static {
    /// Handles one message, and returns the reply to its sender, or `None` for no reply.
    ///
    /// The next message of the same client is handled after this one. The client continues to receive notifications
    /// meanwhile. The future must not block, because the thread that polls it also serves other clients. The future is
    /// dropped before it resolves when the client leaves, or after the [time limit](OnMessage::time_limit).
    ///
    /// If the handler panics, the client is disconnected with [`Reason::Internal`]. Other clients are not affected.
    ///
    /// # Errors
    /// Fails with a reason if the client must be disconnected.
    fn handle(
        &self,
        sender: MessageSender,
        message: Message,
    ) -> impl Future<Output = Result<Option<Message>, Reason>> + Send;
}

impl<H, F> HandleMessage for H
where
    H: Fn(MessageSender, Message) -> F + Send + Sync + 'static,
    F: Future<Output = Result<Option<Message>, Reason>> + Send,
{
    fn handle(
        &self,
        sender: MessageSender,
        message: Message,
    ) -> impl Future<Output = Result<Option<Message>, Reason>> + Send {
        self(sender, message)
    }
}

/// Determines what happens to the messages of clients. Cloning it is cheap.
///
/// ```
/// use tidings_core::Reason;
/// use tidings_transport::{Message, OnMessage};
///
/// let shouting = OnMessage::from_fn(|sender, message| match message.as_text() {
///     Some("whoami") => Ok(Some(Message::text(format!("{:?}", sender.id())))),
///     Some(text) => {
///         println!("{:?}: {text}", sender.id());
///         Ok(None)
///     }
///     None => Err(Reason::Unsupported),
/// });
/// ```
#[derive(Clone)]
pub struct OnMessage(Option<Arc<Policy>>);

/// What is done with messages that are not rejected.
enum Policy {
    /// They are published to the only topic that the client subscribes to.
    PublishedBack,
    Published(Topic),
    Custom {
        time_limit: Duration,
        handler: Arc<dyn DynHandle>,
    },
}

trait DynHandle: Send + Sync {
    fn handle(
        self: Arc<Self>,
        sender: MessageSender,
        message: Message,
        time_limit: Duration,
    ) -> BoxFuture<'static, Handled>;
}

impl<H: HandleMessage> DynHandle for H {
    fn handle(
        self: Arc<Self>,
        sender: MessageSender,
        message: Message,
        time_limit: Duration,
    ) -> BoxFuture<'static, Handled> {
        Box::pin(async move {
            let before = sender.hub().log().head();
            let handling = async { HandleMessage::handle(&*self, sender.clone(), message).await };
            let handled = timeout(time_limit, AssertUnwindSafe(handling).catch_unwind()).await;
            let outcome = match handled {
                Ok(Ok(Ok(Some(reply)))) if !reply.is_sound() => {
                    tracing::error!(
                        "text reply of the application is not UTF-8, send it as binary"
                    );
                    Err(Reason::Internal)
                }
                Ok(Ok(outcome)) => outcome,
                // The panic hook has already printed it.
                Ok(Err(_panic)) => Err(Reason::Internal),
                Err(_) => {
                    tracing::debug!(?time_limit, "handler of a message timed out");
                    Err(Reason::Internal)
                }
            };
            Handled { published: sender.published_since(before), outcome }
        })
    }
}

/// A handler that calls a synchronous function.
struct Function<F>(F);

impl<F> HandleMessage for Function<F>
where
    F: Fn(&MessageSender, Message) -> Result<Option<Message>, Reason> + Send + Sync + 'static,
{
    async fn handle(
        &self,
        sender: MessageSender,
        message: Message,
    ) -> Result<Option<Message>, Reason> {
        (self.0)(&sender, message)
    }
}

impl OnMessage {
    /// Creates an `OnMessage` that calls this handler for each message.
    pub fn new(handler: impl HandleMessage) -> Self {
        let handler = Arc::new(handler);
        Self(Some(Arc::new(Policy::Custom { time_limit: TIME_LIMIT, handler })))
    }

    /// Creates an `OnMessage` that calls this function for each message. The function must not block. It has the same
    /// result as [`HandleMessage::handle`].
    pub fn from_fn(
        handler: impl Fn(&MessageSender, Message) -> Result<Option<Message>, Reason>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        Self::new(Function(handler))
    }

    /// Creates an `OnMessage` that publishes each message to this topic for the client. There are no replies.
    pub fn published_to(topic: Topic) -> Self {
        Self(Some(Arc::new(Policy::Published(topic))))
    }

    /// Returns an `OnMessage` that publishes each message to the topic that the client subscribes to. If the client does
    /// not subscribe to exactly one topic, its messages are rejected.
    ///
    /// All clients share it. If each kept its topic, a quiet client would cost an allocation.
    pub(crate) fn published_back() -> Self {
        static SHARED: LazyLock<Arc<Policy>> = LazyLock::new(|| Arc::new(Policy::PublishedBack));
        Self(Some(SHARED.clone()))
    }

    /// Creates an `OnMessage` that disconnects a client with [`Reason::NotAllowed`] if it sends a message.
    pub fn rejected() -> Self {
        Self(None)
    }

    /// Changes how long the handler may take for one message. After that, the client is disconnected with
    /// [`Reason::Internal`]. Default 30 s. Without a handler, as with [`published_to`](Self::published_to), it has no
    /// effect.
    pub fn time_limit(self, time_limit: Duration) -> Self {
        match self.0.as_deref() {
            Some(Policy::Custom { handler, .. }) => {
                let handler = handler.clone();
                Self(Some(Arc::new(Policy::Custom { time_limit, handler })))
            }
            None | Some(Policy::PublishedBack | Policy::Published(_)) => self,
        }
    }

    /// Returns `true` if there is a handler, because only a handler can reply.
    pub fn may_reply(&self) -> bool {
        matches!(self.0.as_deref(), Some(Policy::Custom { .. }))
    }

    /// Returns a future that handles a message of the client in this seat, which subscribes to these filters.
    pub fn handle(&self, hub: &Hub, seat: &Seat, filters: &Filters, message: Message) -> Handling {
        let rejected =
            |reason| State::Done(Some(Handled { published: None, outcome: Err(reason) }));
        let published = |message: Message, topic| match message.publish(hub, seat.id(), topic) {
            Ok(publishing) => State::Publishing(publishing),
            Err(reason) => rejected(reason),
        };
        Handling(match self.0.as_deref() {
            None => rejected(Reason::NotAllowed),
            Some(Policy::PublishedBack) => match filters.as_topic() {
                Some(topic) => published(message, topic),
                None => rejected(Reason::NotAllowed),
            },
            Some(Policy::Published(topic)) => published(message, topic.clone()),
            Some(Policy::Custom { time_limit, handler }) => {
                let sender = MessageSender::new(hub.clone(), seat.info(), filters.clone());
                State::Custom(handler.clone().handle(sender, message, *time_limit))
            }
        })
    }
}

impl fmt::Debug for OnMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_deref() {
            None => f.write_str("OnMessage(rejected)"),
            Some(Policy::PublishedBack) => f.write_str("OnMessage(published back)"),
            Some(Policy::Published(topic)) => write!(f, "OnMessage(published to {topic})"),
            Some(Policy::Custom { time_limit, .. }) => {
                write!(f, "OnMessage(custom, {time_limit:?})")
            }
        }
    }
}

/// A future that resolves when a message has been handled.
///
/// It needs a tokio runtime if the application has a handler. Dropping it drops the future of the handler. A message
/// that was being published may or may not be stored.
#[must_use = "the message is not handled unless this is polled"]
pub struct Handling(State);

enum State {
    Done(Option<Handled>),
    Publishing(Publishing),
    Custom(BoxFuture<'static, Handled>),
}

/// The outcome of handling a message.
#[derive(Debug)]
#[non_exhaustive]
pub struct Handled {
    /// The last id that may have been published for the message. If the connection ends now, the notifications up to
    /// this id are sent first, so that a client that publishes and closes receives its own messages.
    pub published: Option<Id>,
    /// The reply, if there is one, or the reason why the client must be disconnected.
    pub outcome: Result<Option<Message>, Reason>,
}

impl Future for Handling {
    type Output = Handled;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Handled> {
        match &mut self.0 {
            State::Done(handled) => Poll::Ready(handled.take().expect("polled after it resolved")),
            State::Publishing(publishing) => publishing.poll_unpin(context).map(|published| {
                let outcome = published.as_ref().map(|_| None).map_err(|error| error.reason());
                Handled { published: published.ok(), outcome }
            }),
            State::Custom(handling) => handling.as_mut().poll(context),
        }
    }
}

impl fmt::Debug for Handling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handling")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use tidings_core::Kind;
    use tokio::time::Instant;

    async fn outcome_of(on_message: &OnMessage) -> Result<Option<Message>, Reason> {
        let hub = Hub::default();
        let seat = hub.join("websocket").unwrap();
        let filters = "a.*".parse().unwrap();
        on_message.handle(&hub, &seat, &filters, Message::text("hi")).await.outcome
    }

    #[tokio::test]
    async fn a_function_and_an_async_closure_reply_and_disconnect() {
        let described = |sender: &MessageSender, message: &Message| {
            let text = message.as_text().unwrap_or("binary");
            Message::text(format!("{} {:?} {text}", sender.transport(), sender.filters()))
        };
        let function =
            OnMessage::from_fn(move |sender, message| Ok(Some(described(sender, &message))));
        let closure = OnMessage::new(move |sender: MessageSender, message: Message| async move {
            tokio::task::yield_now().await;
            Ok(Some(described(&sender, &message)))
        });
        for on_message in [function, closure] {
            let reply = outcome_of(&on_message).await.unwrap().unwrap();
            assert_eq!(reply.as_text().unwrap(), "websocket a.* hi");
        }
        let rejecting = OnMessage::from_fn(|_, _| Err(Reason::TooBig));
        assert_eq!(outcome_of(&rejecting).await, Err(Reason::TooBig));
    }

    #[tokio::test(start_paused = true)]
    async fn a_reply_that_is_not_utf8_a_panic_and_a_timeout_disconnect_the_client() {
        let invalid = || Message { kind: Kind::Text, payload: Bytes::from_static(b"\xff") };
        let invalid = OnMessage::from_fn(move |_, _| Ok(Some(invalid())));
        assert_eq!(outcome_of(&invalid).await, Err(Reason::Internal));
        let panics = OnMessage::from_fn(|_, _| panic!("expected by this test"));
        assert_eq!(outcome_of(&panics).await, Err(Reason::Internal));

        let endless = OnMessage::new(|_, _| std::future::pending());
        for (on_message, limit) in [
            (endless.clone(), TIME_LIMIT),
            (endless.time_limit(Duration::from_secs(3)), Duration::from_secs(3)),
        ] {
            let begun = Instant::now();
            assert_eq!(outcome_of(&on_message).await, Err(Reason::Internal));
            assert_eq!(begun.elapsed(), limit);
        }
    }

    #[tokio::test]
    async fn the_last_published_id_is_returned_even_if_the_client_is_disconnected() {
        let hub = Hub::default();
        let seat = hub.join("websocket").unwrap();
        let filters: Filters = "a".parse().unwrap();
        let topic: Topic = "a".parse().unwrap();
        let to = topic.clone();
        let publishes = OnMessage::new(move |sender: MessageSender, message: Message| {
            let topic = to.clone();
            async move {
                sender.publish(topic, message).await?;
                Err(Reason::Normal)
            }
        });
        let silent = OnMessage::from_fn(|_, _| Ok(None));
        let expected = [(&publishes, Some(1)), (&silent, None), (&publishes, Some(2))];
        for (on_message, published) in expected {
            let handled = on_message.handle(&hub, &seat, &filters, Message::text("hi")).await;
            assert_eq!(handled.published.map(|id| id.seq), published);
        }
        let default = OnMessage::published_to(topic);
        let handled = default.handle(&hub, &seat, &filters, Message::text("hi")).await;
        assert_eq!((handled.published.unwrap().seq, handled.outcome), (3, Ok(None)));
    }
}
