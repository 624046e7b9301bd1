//! A subscription on an upgraded connection: bytes both ways.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::{Buf, Bytes};
use futures::Stream;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tidings_core::driver::{Beat, Cursor, Pulse};
use tidings_core::{Event, Id, Reason, Subscription};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::Client;
use super::body::{batch, is_goodbye, opening};
use super::observer::observe;
use super::pending_message::PendingMessage;
use crate::{Encoder, Inbound};

/// How many bytes are read before they are handled. No more are held for a client, besides the partial input in its decoder.
const READ_BUFFER: usize = 4096;

/// How long a client has to close its side once the hub has said goodbye.
const LINGER: Duration = Duration::from_secs(2);

/// How long after a client has closed its side it is looked for a second time: the first write to a client that
/// is gone is answered by a reset, and the next one fails.
const LOOK: Duration = Duration::from_secs(1);

/// Waits until the head has been written, and serves the client.
pub(super) async fn upgrade(upgrade: OnUpgrade, client: Client, encoder: Arc<dyn Encoder>) {
    if let Some(upgraded) = upgraded(upgrade, client.write_deadline).await {
        converse(upgraded, client, encoder).await;
    }
}

/// Waits until the head has been written. Returns `None` if the client has left, or takes nothing for the write deadline.
pub(super) async fn upgraded(upgrade: OnUpgrade, write_deadline: Duration) -> Option<Upgraded> {
    match timeout(write_deadline, upgrade).await {
        Ok(Ok(upgraded)) => Some(upgraded),
        Ok(Err(error)) => {
            tracing::debug!(%error, "a client left before the upgrade");
            None
        }
        Err(_) => {
            tracing::debug!(?write_deadline, "a client did not take the head of its upgrade");
            None
        }
    }
}

/// Serves a client on an upgraded connection.
pub(super) async fn converse(upgraded: Upgraded, client: Client, encoder: Arc<dyn Encoder>) {
    let ended = run_observed(TokioIo::new(upgraded), client, encoder).await;
    tracing::debug!(?ended, "a conversation is over");
}

/// Reports a client that takes nothing to its observer.
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
    if matches!(&ended, Err(error) if error.kind() == std::io::ErrorKind::TimedOut) {
        observer.cut_off();
    }
    ended
}

async fn run<T>(io: T, client: Client, encoder: Arc<dyn Encoder>) -> std::io::Result<()>
where
    T: AsyncRead + AsyncWrite,
{
    let Client { mut subscription, on_message, write_deadline, observer } = client;
    let (mut reader, mut writer) = tokio::io::split(io);
    // Every bit of progress earns the peer the whole deadline anew: slow is not stalled.
    let mut write = async |mut bytes: Bytes| -> std::io::Result<()> {
        while !bytes.is_empty() {
            let count = timeout(write_deadline, writer.write(&bytes)).await??;
            if count == 0 {
                return Err(std::io::ErrorKind::WriteZero.into());
            }
            bytes.advance(count);
        }
        timeout(write_deadline, writer.flush()).await?
    };
    let policy = subscription.hub().heartbeat();
    let mut decoder = encoder.decoder();
    let (mut pulse, mut pending) = (Pulse::default(), PendingMessage::default());
    // The decoded messages of the client, and how many bytes of the buffer are not decoded yet.
    let (mut inbound, mut decoded, mut held) = (VecDeque::new(), Vec::new(), 0);
    let heartbeat = |subscription: &Subscription| {
        encoder.encode(&[subscription.heartbeat()], subscription.position())
    };
    // Whether the client has closed its side, and when to look for it once more.
    let (mut is_half_closed, mut look) = (false, None);
    // Where the last of its messages is in the log.
    let mut published = subscription.position();
    let mut buffer = vec![0; READ_BUFFER];

    write(opening(&*encoder, &subscription)).await?;
    let last = loop {
        // In order: what follows a message waits until the message is handled.
        if let Some(handled) = pending.take() {
            published = handled.published.unwrap_or(published);
            match handled.outcome {
                Ok(Some(reply)) => write(encoder.reply(&reply).unwrap_or_default()).await?,
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
                    Inbound::Reply(bytes) => write(bytes).await?,
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
                // A client whose message is being handled may have answered without being read yet.
                if matches!(event, Some(Event::Heartbeat { .. }))
                    && pending.is_empty()
                    && pulse.beat(&policy) == Beat::GiveUp
                {
                    subscription.end(Reason::Silent);
                    continue;
                }
                let events = batch(event, &mut subscription);
                pending.alongside(write(encoder.encode(&events, subscription.position()))).await?;
                // After the write: a goodbye that is not taken ends as a write that is not.
                observe(&*observer, &subscription, &events);
                if events.last().is_none_or(is_goodbye) {
                    break None;
                }
            }
            () = sleep_until(look.unwrap_or_else(Instant::now)), if look.is_some() => {
                look = None;
                pending.alongside(write(heartbeat(&subscription))).await?;
            }
            // While the application handles a message, reads until the buffer is full, to detect that the client has left.
            count = reader.read(&mut buffer[held..]), if !is_half_closed
                && held < READ_BUFFER
                && (pending.is_empty() || on_message.may_reply()) =>
            {
                let count = count?;
                if count == 0 {
                    // It may still read (RFC 9112, section 9.6), and is served until its strikes are out.
                    (is_half_closed, look) = (true, Some(Instant::now() + LOOK));
                    pending.alongside(write(heartbeat(&subscription))).await?;
                    continue;
                }
                pulse.heard();
                held += count;
            }
        }
    };
    // The notifications that it has published are sent first. Nothing more that it sends is handled.
    if let Some(last) = last {
        let until = Instant::now() + ECHO;
        let mut has_goodbye = false;
        while !has_goodbye
            && let Ok(Some(event)) =
                timeout_at(until, next_up_to(published, &mut subscription)).await
        {
            let events = batch(Some(event), &mut subscription);
            write(encoder.encode(&events, subscription.position())).await?;
            observe(&*observer, &subscription, &events);
            has_goodbye = events.last().is_some_and(is_goodbye);
        }
        match last {
            _ if has_goodbye => {}
            Last::Goodbye(reason) => {
                let goodbye = [Event::Goodbye(reason)];
                write(encoder.encode(&goodbye, subscription.position())).await?;
                observe(&*observer, &subscription, &goodbye);
            }
            Last::Reply(bytes) => write(bytes).await?,
        }
    }
    // RFC 6455, section 7.1.1: what the client sent meanwhile is read, or the system would answer it with
    // a reset that can overtake the close frame.
    drop((subscription, pending));
    timeout(write_deadline, writer.shutdown()).await??;
    let drained = timeout(LINGER, async {
        while reader.read(&mut buffer).await? > 0 {}
        Ok(())
    });
    drained.await.unwrap_or(Ok(()))
}

/// How long the last frame may wait for the echo: a broker may not deliver it, and a client may read slowly.
const ECHO: Duration = Duration::from_secs(5);

/// How a conversation ends that the client has brought to its end.
enum Last {
    /// With the answer to the client's own close frame.
    Reply(Bytes),
    Goodbye(Reason),
}

/// Returns the next event up to `id`. Returns `None` once the reader stands there, or at the next heartbeat.
async fn next_up_to(id: Id, subscription: &mut Subscription) -> Option<Event> {
    let event = poll_fn(|context| {
        if !Cursor::at(id).is_ahead_of(subscription.position()) {
            return Poll::Ready(None);
        }
        match Pin::new(&mut *subscription).poll_next(context) {
            // It may have come so far without finding anything that matches.
            Poll::Pending if !Cursor::at(id).is_ahead_of(subscription.position()) => {
                Poll::Ready(None)
            }
            event => event,
        }
    })
    .await;
    event.filter(|event| !matches!(event, Event::Heartbeat { .. }))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::{Decoder, Message, OnMessage};
    use tidings_core::{Hub, Id, Interest, Kind};

    /// Encoder that any eye can read.
    #[derive(Debug)]
    struct Plain;

    impl Encoder for Plain {
        fn encode(&self, events: &[Event], _: Id) -> Bytes {
            crate::concatenated(events, |event| match event {
                Event::Deliver(entry) => entry.notification().payload().clone(),
                Event::Gap(_) => "gap ".into(),
                Event::Heartbeat { .. } => "beat ".into(),
                Event::Goodbye(reason) => reason.name().into(),
            })
        }
    }

    fn client(hub: &Hub) -> Client {
        Client {
            subscription: hub.subscribe("plain", Interest::new(">".parse().unwrap())).unwrap(),
            on_message: OnMessage::rejected(),
            write_deadline: Duration::from_secs(10),
            observer: Arc::new(()),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_peer_is_let_go_after_its_strikes_and_its_seat_is_free() {
        let hub = Hub::default();
        let (here, mut there) = tokio::io::duplex(1024);
        let running = tokio::spawn(run(here, client(&hub), Arc::new(Plain)));
        let mut told = String::new();
        there.read_to_string(&mut told).await.unwrap();
        assert_eq!(told, "beat beat beat silent");
        drop(there);
        running.await.unwrap().unwrap();
        assert!(hub.pool().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_says_anything_is_kept() {
        let hub = Hub::default();
        let (here, mut there) = tokio::io::duplex(1024);
        tokio::spawn(run(here, client(&hub), Arc::new(Plain)));
        let mut beat = [0; 5];
        for _ in 0..20 {
            there.read_exact(&mut beat).await.unwrap();
            assert_eq!(&beat, b"beat ");
            there.write_all(b"!").await.unwrap();
        }
    }

    /// The same, for clients each of whose reads is a message and then a broken rule.
    #[derive(Debug)]
    struct Faulty;

    impl Encoder for Faulty {
        fn encode(&self, events: &[Event], position: Id) -> Bytes {
            Plain.encode(events, position)
        }

        fn decoder(&self) -> Option<Box<dyn Decoder>> {
            Some(Box::new(Self))
        }
    }

    impl Decoder for Faulty {
        fn decode(&mut self, bytes: &mut [u8], inbound: &mut Vec<Inbound>) {
            let payload = Bytes::copy_from_slice(bytes);
            inbound.push(Inbound::Message(Message { kind: Kind::Text, payload }));
            inbound.push(Inbound::Fault(Reason::Protocol));
        }

        fn is_at_rest(&self) -> bool {
            true
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_published_before_a_fault_goes_out_before_the_goodbye() {
        let hub = Hub::default();
        let topic: tidings_core::Topic = "t".parse().unwrap();
        for (filters, expected) in [("t", "first said protocol"), ("elsewhere", "protocol")] {
            let (here, mut there) = tokio::io::duplex(1024);
            let mut client = client(&hub);
            client.subscription =
                hub.subscribe("plain", Interest::new(filters.parse().unwrap())).unwrap();
            client.on_message = OnMessage::published_to(topic.clone());
            hub.publish(tidings_core::Notification::text(topic.clone(), "first ")).await.unwrap();
            there.write_all(b"said ").await.unwrap();
            let begun = Instant::now();
            let running = tokio::spawn(run(here, client, Arc::new(Faulty)));
            let mut told = String::new();
            there.read_to_string(&mut told).await.unwrap();
            assert_eq!(told, expected, "{filters}");
            assert_eq!(begun.elapsed(), Duration::ZERO, "it waits for nothing");
            drop(there);
            running.await.unwrap().unwrap();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_is_handled_while_a_slow_reader_is_written_to() {
        let hub = Hub::default();
        let (here, mut there) = tokio::io::duplex(8);
        let is_done = Arc::new(AtomicBool::new(false));
        let done = is_done.clone();
        let mut client = client(&hub);
        client.on_message = OnMessage::new(move |_, _| {
            let done = done.clone();
            async move {
                tokio::time::sleep(Duration::from_secs(1)).await;
                done.store(true, Ordering::Relaxed);
                Ok(None)
            }
        });
        tokio::spawn(run(here, client, Arc::new(Faulty)));
        there.write_all(b"said ").await.unwrap();
        tokio::time::sleep(Duration::from_millis(1)).await;
        let topic = "t".parse().unwrap();
        hub.publish(tidings_core::Notification::text(topic, "longer than the pipe")).await.unwrap();
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(is_done.load(Ordering::Relaxed));
        let mut told = String::new();
        there.read_to_string(&mut told).await.unwrap();
        assert_eq!(told, "longer than the pipeprotocol");
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_is_slow_and_steady_is_kept() {
        let hub = Hub::default();
        let (here, mut there) = tokio::io::duplex(8);
        tokio::spawn(run(here, client(&hub), Arc::new(Plain)));
        let text = "x".repeat(80);
        hub.publish(tidings_core::Notification::text("t".parse().unwrap(), text)).await.unwrap();
        let mut bytes = [0; 8];
        for _ in 0..10 {
            tokio::time::sleep(Duration::from_secs(9)).await;
            there.read_exact(&mut bytes).await.unwrap();
        }
        assert_eq!(hub.pool().len(), 1, "90 s in all, and never 10 s without a byte");
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_stalls_is_found_by_the_write_deadline() {
        let hub = Hub::default();
        let (here, _there) = tokio::io::duplex(8);
        let running = tokio::spawn(run(here, client(&hub), Arc::new(Plain)));
        let begun = Instant::now();
        let topic = "t".parse().unwrap();
        hub.publish(tidings_core::Notification::text(topic, "longer than the pipe")).await.unwrap();
        let error = running.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
        assert_eq!(begun.elapsed(), Duration::from_secs(10));
        assert!(hub.pool().is_empty());
    }
}
