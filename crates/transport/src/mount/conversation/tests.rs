//! Tests of conversations over a pipe in memory.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::{Decoder, Message, OnMessage};
use tidings_core::{Hub, Id, Interest, Kind};
use tokio::io::AsyncWriteExt;

/// Encodes events as plain text.
#[derive(Debug)]
pub(super) struct Plain;

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

pub(super) fn client(hub: &Hub) -> Client {
    Client {
        subscription: hub.subscribe("plain", Interest::new(">".parse().unwrap())).unwrap(),
        on_message: OnMessage::rejected(),
        write_deadline: Duration::from_secs(10),
        observer: Arc::new(()),
        compressor: None,
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_misses_too_many_heartbeats_is_disconnected_and_its_seat_is_free() {
    let hub = Hub::default();
    let (here, mut there) = tokio::io::duplex(1024);
    let running = tokio::spawn(run(here, client(&hub), Arc::new(Plain)));
    let mut received = String::new();
    there.read_to_string(&mut received).await.unwrap();
    assert_eq!(received, "beat beat beat silent");
    drop(there);
    running.await.unwrap().unwrap();
    assert!(hub.pool().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_sends_anything_is_kept() {
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

/// Encodes events in the same way, and decodes each read as a message and then a fault.
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
    fn decode(&mut self, bytes: &mut [u8], inbound: &mut Vec<Inbound>) -> usize {
        let payload = Bytes::copy_from_slice(bytes);
        inbound.push(Inbound::Message(Message { kind: Kind::Text, payload }));
        inbound.push(Inbound::Fault(Reason::Protocol));
        bytes.len()
    }

    fn is_at_rest(&self) -> bool {
        true
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_published_before_a_fault_goes_out_before_the_goodbye() {
    let hub = Hub::default();
    let topic: tidings_core::Topic = "t".parse().unwrap();
    for (filters, expected) in [("t", "first sent protocol"), ("elsewhere", "protocol")] {
        let (here, mut there) = tokio::io::duplex(1024);
        let mut client = client(&hub);
        client.subscription =
            hub.subscribe("plain", Interest::new(filters.parse().unwrap())).unwrap();
        client.on_message = OnMessage::published_to(topic.clone());
        hub.publish(tidings_core::Notification::text(topic.clone(), "first ")).await.unwrap();
        there.write_all(b"sent ").await.unwrap();
        let begun = Instant::now();
        let running = tokio::spawn(run(here, client, Arc::new(Faulty)));
        let mut received = String::new();
        there.read_to_string(&mut received).await.unwrap();
        assert_eq!(received, expected, "{filters}");
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
    there.write_all(b"sent ").await.unwrap();
    tokio::time::sleep(Duration::from_millis(1)).await;
    let topic = "t".parse().unwrap();
    hub.publish(tidings_core::Notification::text(topic, "longer than the pipe")).await.unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(is_done.load(Ordering::Relaxed));
    let mut received = String::new();
    there.read_to_string(&mut received).await.unwrap();
    assert_eq!(received, "longer than the pipeprotocol");
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
