//! The message of a client that the application handles now.

use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll};

use futures::FutureExt;

use crate::{Handled, Handling};

/// The message that is being handled, or its outcome until that is taken.
#[derive(Default)]
pub(super) struct PendingMessage {
    running: Option<Handling>,
    handled: Option<Handled>,
}

impl PendingMessage {
    pub(super) fn is_empty(&self) -> bool {
        self.running.is_none() && self.handled.is_none()
    }

    /// Begins to handle a message. Polls the handler once, because nearly all handlers are ready then.
    pub(super) fn begin(&mut self, mut handling: Handling) {
        match (&mut handling).now_or_never() {
            Some(handled) => self.handled = Some(handled),
            None => self.running = Some(handling),
        }
    }

    pub(super) fn take(&mut self) -> Option<Handled> {
        self.handled.take()
    }

    /// Polls the handler. Ready once there is an outcome.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if let Some(running) = &mut self.running
            && let Poll::Ready(handled) = running.poll_unpin(context)
        {
            (self.running, self.handled) = (None, Some(handled));
        }
        if self.handled.is_some() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Awaits a write and polls the handler meanwhile, so that a slow reader does not delay the handler of its message.
    pub(super) async fn alongside<T>(&mut self, write: impl Future<Output = T>) -> T {
        let mut write = pin!(write);
        poll_fn(|context| {
            let _ = self.poll(context);
            write.as_mut().poll(context)
        })
        .await
    }
}
