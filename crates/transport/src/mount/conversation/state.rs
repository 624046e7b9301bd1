//! The state of a conversation, and what is sent in it, whichever way the messages of the client come.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use tidings_core::{Event, Id, Reason, Subscription};
use tokio::io::AsyncWrite;

use super::last::send_up_to;
use super::output::Output;
use crate::compression::Writer;
use crate::mount::body::{batch, opening};
use crate::mount::observer::observe;
use crate::mount::pending_message::PendingMessage;
use crate::mount::{Client, Observer};
use crate::{Encoder, Message, OnMessage};

/// A client that is served, and may send messages.
pub(super) struct Conversation<W> {
    pub(super) subscription: Subscription,
    pub(super) on_message: OnMessage,
    pub(super) pending: PendingMessage,
    pub(super) output: Output<W>,
    encoder: Writer,
    observer: Arc<dyn Observer>,
    /// The position in the log of the last message that the client has published.
    published: Id,
}

impl<W: AsyncWrite + Unpin> Conversation<W> {
    /// Begins to serve this client: sends the opening of its stream.
    ///
    /// # Errors
    /// Returns the errors of [`Output::write`], as all functions here do.
    pub(super) async fn begin(
        writer: W,
        client: Client,
        encoder: Arc<dyn Encoder>,
    ) -> io::Result<Self> {
        let mut encoder = client.writer(encoder);
        let Client { subscription, on_message, write_deadline, observer, .. } = client;
        let mut output = Output { writer, write_deadline };
        output.write(opening(&mut encoder, &subscription)).await?;
        let (pending, published) = (PendingMessage::default(), subscription.position());
        Ok(Self { subscription, on_message, pending, output, encoder, observer, published })
    }

    /// Begins to handle a message. No other may be pending.
    pub(super) fn handle(&mut self, message: Message) {
        let (hub, seat) = (self.subscription.hub(), self.subscription.seat());
        let filters = self.subscription.filters();
        self.pending.begin(self.on_message.handle(hub, seat, filters, message));
    }

    /// Sends the reply to the message that was handled, if there is one. Returns the reason for a goodbye if the handler
    /// has returned one.
    pub(super) async fn reply(&mut self) -> io::Result<Option<Reason>> {
        let Some(handled) = self.pending.take() else { return Ok(None) };
        self.published = handled.published.unwrap_or(self.published);
        match handled.outcome {
            Ok(Some(reply)) => {
                self.output.write(self.encoder.reply(&reply)).await?;
                Ok(None)
            }
            Ok(None) => Ok(None),
            Err(reason) => Ok(Some(reason)),
        }
    }

    /// Sends this event and those that follow it now. Returns the reason if the subscription has ended with them.
    pub(super) async fn send(&mut self, event: Option<Event>) -> io::Result<Option<Reason>> {
        let events = batch(event, &mut self.subscription);
        self.send_alongside(&events).await?;
        // After the write, so that a goodbye that the client does not read is not counted.
        observe(&*self.observer, &self.subscription, &events);
        Ok(match events.last() {
            Some(Event::Goodbye(reason)) => Some(*reason),
            Some(_) => None,
            None => Some(Reason::Normal),
        })
    }

    /// Sends an extra heartbeat, which finds out whether the client is gone.
    pub(super) async fn send_heartbeat(&mut self) -> io::Result<()> {
        self.send_alongside(&[self.subscription.heartbeat()]).await
    }

    /// Sends these events while the message of the client is handled.
    async fn send_alongside(&mut self, events: &[Event]) -> io::Result<()> {
        let bytes = self.encoder.encode(events, self.subscription.position());
        self.pending.alongside(self.output.write(bytes)).await
    }

    /// Sends the client its own notifications and a goodbye with this reason. Returns the reason of the goodbye that it
    /// was sent.
    pub(super) async fn end(&mut self, reason: Reason) -> io::Result<Reason> {
        if let Some(reason) = self.send_own().await? {
            return Ok(reason);
        }
        let goodbye = [Event::Goodbye(reason)];
        let position = self.subscription.position();
        self.output.write(self.encoder.encode(&goodbye, position)).await?;
        observe(&*self.observer, &self.subscription, &goodbye);
        Ok(reason)
    }

    /// Sends the client its own notifications and this last frame, unless it was sent a goodbye meanwhile.
    pub(super) async fn end_with(&mut self, frame: Bytes) -> io::Result<()> {
        if self.send_own().await?.is_none() {
            self.output.write(frame).await?;
        }
        Ok(())
    }

    /// Sends the client its own notifications, before the last frame. Returns the reason if the subscription has ended
    /// with a goodbye meanwhile.
    async fn send_own(&mut self) -> io::Result<Option<Reason>> {
        let Self { subscription, output, encoder, observer, published, .. } = self;
        send_up_to(*published, subscription, output, encoder, &**observer).await
    }

    /// Frees the seat of the client, and drops the handler of its message. Returns the writing side.
    pub(super) fn leave(self) -> Output<W> {
        self.output
    }
}
