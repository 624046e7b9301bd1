//! The last notifications of a client that is disconnected: those that it has published itself.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use futures::Stream;
use tidings_core::driver::Cursor;
use tidings_core::{Event, Id, Reason, Subscription};
use tokio::io::AsyncWrite;
use tokio::time::{Instant, timeout_at};

use super::output::Output;
use crate::compression::Writer;
use crate::mount::Observer;
use crate::mount::body::batch;
use crate::mount::observer::observe;

/// How long the last frame may wait for the client's own notifications. A broker may not deliver them, and the client
/// may read slowly.
const ECHO: Duration = Duration::from_secs(5);

/// Sends the client everything up to `id`, for at most [`ECHO`]. The result is the reason if the subscription has ended
/// with a goodbye. Fails as [`Output::write`] does.
pub(super) async fn send_up_to<W: AsyncWrite + Unpin>(
    id: Id,
    subscription: &mut Subscription,
    output: &mut Output<W>,
    encoder: &mut Writer,
    observer: &dyn Observer,
) -> io::Result<Option<Reason>> {
    let until = Instant::now() + ECHO;
    while let Ok(Some(event)) = timeout_at(until, next_up_to(id, subscription)).await {
        let events = batch(Some(event), subscription);
        output.write(encoder.encode(&events, subscription.position())).await?;
        observe(observer, subscription, &events);
        if let Some(Event::Goodbye(reason)) = events.last() {
            return Ok(Some(*reason));
        }
    }
    Ok(None)
}

/// Waits for the next event up to `id`. `None` once the subscription has read up to there, or if the next event is a
/// heartbeat.
async fn next_up_to(id: Id, subscription: &mut Subscription) -> Option<Event> {
    let event = poll_fn(|context| {
        if !Cursor::at(id).is_ahead_of(subscription.position()) {
            return Poll::Ready(None);
        }
        match Pin::new(&mut *subscription).poll_next(context) {
            // The poll may have read up to `id` without an entry that matches.
            Poll::Pending if !Cursor::at(id).is_ahead_of(subscription.position()) => {
                Poll::Ready(None)
            }
            event => event,
        }
    })
    .await;
    event.filter(|event| !matches!(event, Event::Heartbeat { .. }))
}
