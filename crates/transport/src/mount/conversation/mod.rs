//! Serves a subscription to a client that may also send messages: on an upgraded connection, or with each message in a
//! separate stream.

mod last;
mod messages;
mod output;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tidings_core::driver::{Beat, Pulse};
use tidings_core::{Event, Reason, Subscription};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::time::{Instant, sleep_until, timeout};

pub(super) use self::messages::run_in_messages;
use self::output::Output;
use super::body::{batch, is_goodbye, opening};
use super::observer::observe;
use super::pending_message::PendingMessage;
use super::{Client, Observer};
use crate::{Encoder, Inbound};

/// The most bytes that are read and not handled yet, besides the partial input in the decoder of the client.
const READ_BUFFER: usize = 4096;

/// How long a client has to close its side after it was sent a goodbye.
const LINGER: Duration = Duration::from_secs(2);

/// How long after the first heartbeat a client that has closed its side is sent the second. If the client is gone, its
/// system answers the first with a reset, and the write of the second fails.
const LOOK: Duration = Duration::from_secs(1);

/// Waits until the head of the response has been written, and serves the client.
pub(super) async fn upgrade(upgrade: OnUpgrade, client: Client, encoder: Arc<dyn Encoder>) {
    if let Some(upgraded) = upgraded(upgrade, client.write_deadline).await {
        converse(upgraded, client, encoder).await;
    }
}

/// Waits until the head of the response has been written. `None` if the client has left, or reads nothing for the write
/// deadline.
pub(super) async fn upgraded(upgrade: OnUpgrade, write_deadline: Duration) -> Option<Upgraded> {
    match timeout(write_deadline, upgrade).await {
        Ok(Ok(upgraded)) => Some(upgraded),
        Ok(Err(error)) => {
            tracing::debug!(%error, "client left before the upgrade");
            None
        }
        Err(_) => {
            tracing::debug!(?write_deadline, "client did not read the head of its upgrade");
            None
        }
    }
}

/// Serves a client on an upgraded connection.
pub(super) async fn converse(upgraded: Upgraded, client: Client, encoder: Arc<dyn Encoder>) {
    let ended = run_observed(TokioIo::new(upgraded), client, encoder).await;
    tracing::debug!(?ended, "conversation ended");
}

/// Serves a client, and reports one that has stopped reading to its observer.
pub(super) async fn run_observed<T>(
    io: T,
    client: Client,
    encoder: Arc<dyn Encoder>,
) -> std::io::Result<()>
where
    T: AsyncRead + AsyncWrite,
{
    let observer = client.observer.clone();
    let ended = run(io, client, encoder).await;
    observe_cut_off(&ended, &*observer);
    ended
}

/// Reports a client that has stopped reading.
pub(super) fn observe_cut_off<T>(ended: &std::io::Result<T>, observer: &dyn Observer) {
    if matches!(ended, Err(error) if error.kind() == std::io::ErrorKind::TimedOut) {
        observer.cut_off();
    }
}

async fn run<T>(io: T, client: Client, encoder: Arc<dyn Encoder>) -> std::io::Result<()>
where
    T: AsyncRead + AsyncWrite,
{
    let Client { mut subscription, on_message, write_deadline, observer } = client;
    let (mut reader, writer) = tokio::io::split(io);
    let mut output = Output { writer, write_deadline };
    let policy = subscription.hub().heartbeat();
    let mut decoder = encoder.decoder();
    let (mut pulse, mut pending) = (Pulse::default(), PendingMessage::default());
    // The decoded messages of the client, and how many bytes of the buffer are not decoded yet.
    let (mut inbound, mut decoded, mut held) = (VecDeque::new(), Vec::new(), 0);
    let heartbeat = |subscription: &Subscription| {
        encoder.encode(&[subscription.heartbeat()], subscription.position())
    };
    // Whether the client has closed its side, and when to send it the second heartbeat.
    let (mut is_half_closed, mut look) = (false, None);
    // The position in the log of the last message that the client has published.
    let mut published = subscription.position();
    let mut buffer = vec![0; READ_BUFFER];

    output.write(opening(&*encoder, &subscription)).await?;
    let last = loop {
        // Input is handled in its order, so what follows a message waits until the message is handled.
        if let Some(handled) = pending.take() {
            published = handled.published.unwrap_or(published);
            match handled.outcome {
                Ok(Some(reply)) => output.write(encoder.reply(&reply).unwrap_or_default()).await?,
                Ok(None) => {}
                Err(reason) => break Some(Last::Goodbye(reason)),
            }
        }
        if pending.is_empty() {
            if let Some(next) = inbound.pop_front() {
                match next {
                    Inbound::Message(message) => {
                        let (hub, seat) = (subscription.hub(), subscription.seat());
                        let filters = subscription.filters();
                        pending.begin(on_message.handle(hub, seat, filters, message));
                    }
                    Inbound::Reply(bytes) => output.write(bytes).await?,
                    Inbound::Closed(bytes) => break Some(Last::Reply(bytes)),
                    Inbound::Fault(reason) => break Some(Last::Goodbye(reason)),
                }
                continue;
            }
            if held > 0 {
                let bytes = &mut buffer[..std::mem::take(&mut held)];
                if let Some(decoder) = &mut decoder {
                    decoder.decode(bytes, &mut decoded);
                }
                inbound.extend(decoded.drain(..));
                continue;
            }
        }
        tokio::select! {
            () = poll_fn(|context| pending.poll(context)), if !pending.is_empty() => {}
            event = subscription.next() => {
                // While a message of the client is handled, its answer to a heartbeat may not have been read yet.
                if matches!(event, Some(Event::Heartbeat { .. }))
                    && pending.is_empty()
                    && pulse.beat(&policy) == Beat::GiveUp
                {
                    subscription.end(Reason::Silent);
                    continue;
                }
                let events = batch(event, &mut subscription);
                pending.alongside(output.write(encoder.encode(&events, subscription.position()))).await?;
                // After the write, so that a goodbye that the client does not read is not counted.
                observe(&*observer, &subscription, &events);
                if events.last().is_none_or(is_goodbye) {
                    break None;
                }
            }
            () = sleep_until(look.unwrap_or_else(Instant::now)), if look.is_some() => {
                look = None;
                pending.alongside(output.write(heartbeat(&subscription))).await?;
            }
            // While the application handles a message, the client is read until the buffer is full, to detect that it
            // has left.
            count = reader.read(&mut buffer[held..]), if !is_half_closed
                && held < READ_BUFFER
                && (pending.is_empty() || on_message.may_reply()) =>
            {
                let count = count?;
                if count == 0 {
                    // It may still read (RFC 9112, section 9.6), so it is served until a write fails or it has missed
                    // too many heartbeats.
                    (is_half_closed, look) = (true, Some(Instant::now() + LOOK));
                    pending.alongside(output.write(heartbeat(&subscription))).await?;
                    continue;
                }
                pulse.heard();
                held += count;
            }
        }
    };
    // The client is sent its own notifications before the last frame. Its further input is ignored.
    if let Some(last) = last {
        let (to, by) = (&mut output, &*encoder);
        let ended = last::send_up_to(published, &mut subscription, to, by, &*observer).await?;
        match last {
            _ if ended.is_some() => {}
            Last::Goodbye(reason) => {
                let goodbye = [Event::Goodbye(reason)];
                output.write(encoder.encode(&goodbye, subscription.position())).await?;
                observe(&*observer, &subscription, &goodbye);
            }
            Last::Reply(bytes) => output.write(bytes).await?,
        }
    }
    // The client's further input is read, because the system would answer unread input with a reset, which can overtake
    // the close frame (RFC 6455, section 7.1.1).
    drop((subscription, pending));
    output.shutdown().await?;
    let drained = timeout(LINGER, async {
        while reader.read(&mut buffer).await? > 0 {}
        Ok(())
    });
    drained.await.unwrap_or(Ok(()))
}

/// The last frame to a client.
enum Last {
    /// The answer to the client's own close frame.
    Reply(Bytes),
    /// A goodbye with this reason.
    Goodbye(Reason),
}
