//! Serves a subscription to a client that may also send messages: on an upgraded connection, or with each message in a
//! separate stream.

mod last;
mod messages;
mod output;
mod state;
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
use tidings_core::{Event, Reason};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::time::{Instant, sleep_until, timeout};

pub(super) use self::messages::run_in_messages;
use self::state::Conversation;
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
    let (mut reader, writer) = tokio::io::split(io);
    let mut decoder = encoder.decoder();
    let mut conversation = Conversation::begin(writer, client, encoder).await?;
    let policy = conversation.subscription.hub().heartbeat();
    let mut pulse = Pulse::default();
    // The decoded messages of the client, and how many bytes of the buffer are not decoded yet.
    let (mut inbound, mut decoded, mut held) = (VecDeque::new(), Vec::new(), 0);
    // Whether the client has closed its side, and when to send it the second heartbeat.
    let (mut is_half_closed, mut look) = (false, None);
    let mut buffer = vec![0; READ_BUFFER];

    let last = loop {
        if let Some(reason) = conversation.reply().await? {
            break Some(Last::Goodbye(reason));
        }
        // Input is handled in its order, so what follows a message waits until the message is handled.
        if conversation.pending.is_empty() {
            if let Some(next) = inbound.pop_front() {
                match next {
                    Inbound::Message(message) => conversation.handle(message),
                    Inbound::Reply(bytes) => conversation.output.write(bytes).await?,
                    Inbound::Closed(bytes) => break Some(Last::Reply(bytes)),
                    Inbound::Fault(reason) => break Some(Last::Goodbye(reason)),
                }
                continue;
            }
            if held > 0 {
                let taken = match &mut decoder {
                    Some(decoder) => decoder.decode(&mut buffer[..held], &mut decoded),
                    None => held,
                };
                buffer.copy_within(taken..held, 0);
                held -= taken;
                inbound.extend(decoded.drain(..));
                continue;
            }
        }
        let is_pending = !conversation.pending.is_empty();
        tokio::select! {
            () = poll_fn(|context| conversation.pending.poll(context)), if is_pending => {}
            event = conversation.subscription.next() => {
                // While a message of the client is handled, its answer to a heartbeat may not have been read yet.
                if matches!(event, Some(Event::Heartbeat { .. }))
                    && conversation.pending.is_empty()
                    && pulse.beat(&policy) == Beat::GiveUp
                {
                    conversation.subscription.end(Reason::Silent);
                    continue;
                }
                if conversation.send(event).await?.is_some() {
                    break None;
                }
            }
            () = sleep_until(look.unwrap_or_else(Instant::now)), if look.is_some() => {
                look = None;
                conversation.send_heartbeat().await?;
            }
            // While the application handles a message, the client is read until the buffer is full, to detect that it
            // has left.
            count = reader.read(&mut buffer[held..]), if !is_half_closed
                && held < READ_BUFFER
                && (!is_pending || conversation.on_message.may_reply()) =>
            {
                let count = count?;
                if count == 0 {
                    // It may still read (RFC 9112, section 9.6), so it is served until a write fails or it has missed
                    // too many heartbeats.
                    (is_half_closed, look) = (true, Some(Instant::now() + LOOK));
                    conversation.send_heartbeat().await?;
                    continue;
                }
                pulse.heard();
                held += count;
            }
        }
    };
    // The further input of the client is ignored.
    match last {
        None => {}
        Some(Last::Goodbye(reason)) => drop(conversation.end(reason).await?),
        Some(Last::Reply(bytes)) => conversation.end_with(bytes).await?,
    }
    // The client's further input is read, because the system would answer unread input with a reset, which can overtake
    // the close frame (RFC 6455, section 7.1.1).
    let mut output = conversation.leave();
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
