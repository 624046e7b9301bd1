//! What the server compresses, read by decoders that are not ours: Python's standard library, curl, and another
//! implementation of deflate.

#![cfg(unix)]

mod support;

#[path = "decoders/programs.rs"]
mod programs;
#[path = "decoders/reader.rs"]
mod reader;

use std::collections::HashSet;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use tidings_core::{HubConfig, Id, Notification};
use tidings_transport::compression::CompressionConfig;

use crate::programs::{Decoder, Follower};
use crate::reader::{Offer, Reader};
use crate::support::{MOVERS, Mover, Running, eventually, in_time};

/// What is published: an order of a shop, as most payloads are.
fn order(number: usize) -> Notification {
    let (customer, total) = (number * 7919 % 9973, number * 31 % 997);
    let text = format!(
        "{{\"type\":\"order.updated\",\"order\":{{\"id\":\"ord_{number}\",\"status\":\"paid\",\
         \"note\":\"it is \\\"urgent\\\"\",\"customer\":{customer},\"total\":{total}}}}}"
    );
    Notification::text("t".parse().unwrap(), text)
}

/// Orders, and sometimes something else: texts with quotes, line ends and umlauts, nothing, bytes, and texts that are
/// too long to be compressed.
fn mixed(number: usize) -> Notification {
    let topic = "t".parse().unwrap();
    match number % 12 {
        3 => Notification::text(topic, format!("grün \"{number}\"\n\nzweite Zeile\\ \u{1f375}\n")),
        5 => Notification::text(topic, ""),
        7 => Notification::binary(topic, noise(number, number % 5 * 97)),
        9 => Notification::text(topic, format!("{number} \"ä\" ").repeat(7000)),
        _ => order(number),
    }
}

/// Bytes that cannot be compressed.
fn noise(seed: usize, length: usize) -> Vec<u8> {
    let mut state = seed as u64 + 1;
    let next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}

/// Clients that join at different moments, one after another, and then read in step with the publisher. Some are
/// killed, and resume after others.
async fn play_programs(mover: Mover) {
    let mut setup = mover.config(HubConfig::default()).await;
    setup.compression = Some(CompressionConfig::default().reset_after(20));
    let server = Running::start(setup).await;
    let decoders: Vec<Decoder> = Decoder::ALL.into_iter().filter(Decoder::is_installed).collect();
    let mut published: Vec<(Id, Notification)> = Vec::new();
    let mut followers: Vec<Follower> = Vec::new();
    let mut killed: Vec<(Decoder, Id)> = Vec::new();
    for number in 0..40 * decoders.len() {
        if number % 20 == 0 {
            let decoder = decoders[number / 20 % decoders.len()];
            let mut follower = Follower::start(decoder, server.address, None);
            follower.opened().await;
            followers.push(follower);
        }
        if number % 20 == 9 && followers.len() > 2 {
            let seats = server.hub.pool().len();
            let follower = followers.remove(number / 20 % followers.len());
            killed.push(follower.kill().await);
            eventually("its seat is free", async || server.hub.pool().len() == seats - 1).await;
        }
        if number % 20 == 14
            && let Some((decoder, at)) = killed.pop()
        {
            let mut follower = Follower::start(decoder, server.address, Some(at));
            for (id, notification) in published.iter().filter(|(id, _)| id.seq > at.seq) {
                follower.expect(*id, notification).await;
            }
            followers.push(follower);
        }
        let notification = mixed(number);
        let id = server.hub.publish(notification.clone()).await.unwrap();
        for follower in &mut followers {
            follower.expect(id, &notification).await;
        }
        published.push((id, notification));
    }
    server.stop().await;
    for follower in followers {
        follower.ended().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_decode_each_notification_at_once() {
    for mover in [Mover::LANE, Mover::STREAM] {
        eprintln!("-- {mover:?}");
        in_time(Box::pin(play_programs(mover))).await;
    }
}

#[derive(Clone, Debug)]
enum Step {
    Publish {
        count: usize,
    },
    /// Publishes more than the sockets of a client hold.
    Flood,
    Join {
        offer: Offer,
    },
    /// A reader reads this percentage of what is there for it.
    Read {
        reader: usize,
        percent: usize,
    },
    /// A reader disconnects in the middle of what it is sent, and continues where it was.
    Resume {
        reader: usize,
        offer: Offer,
    },
    /// A reader with a WebSocket publishes by it.
    Send {
        reader: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let offer = || proptest::sample::select(Offer::ALL.to_vec());
    let reader = 0..64_usize;
    prop_oneof![
        4 => (1..20_usize).prop_map(|count| Step::Publish { count }),
        1 => Just(Step::Flood),
        4 => offer().prop_map(|offer| Step::Join { offer }),
        3 => (reader.clone(), 0..=100_usize).prop_map(|(reader, percent)| Step::Read { reader, percent }),
        2 => (reader.clone(), offer()).prop_map(|(reader, offer)| Step::Resume { reader, offer }),
        1 => reader.prop_map(|reader| Step::Send { reader }),
    ]
}

/// A reader, the index of the next notification for it, and those that it has sent on this connection.
struct Place {
    reader: Reader,
    next: usize,
    sent: HashSet<usize>,
}

impl Place {
    async fn read_up_to(&mut self, end: usize, published: &[Notification]) {
        while self.next < end {
            if !self.sent.contains(&self.next) {
                let read = self.reader.next().await;
                assert_eq!(read, *published[self.next].payload(), "{} of {end}", self.next);
            }
            self.next += 1;
        }
    }
}

async fn play(mover: Mover, reset_after: u32, echo: bool, steps: &[Step]) {
    let mut setup = mover.config(HubConfig::default()).await;
    setup.compression = Some(CompressionConfig::default().reset_after(reset_after));
    setup.echo = echo;
    let server = Running::start(setup).await;
    let epoch = server.hub.log().head().epoch;
    let mut published: Vec<Notification> = Vec::new();
    let mut places: Vec<Place> = Vec::new();
    for step in steps {
        let count = places.len().max(1);
        match step.clone() {
            Step::Publish { count } => {
                for _ in 0..count {
                    let notification = mixed(published.len());
                    server.hub.publish(notification.clone()).await.unwrap();
                    published.push(notification);
                }
            }
            Step::Flood => {
                for _ in 0..60 {
                    let bytes = noise(published.len(), 60_000);
                    let notification = Notification::binary("t".parse().unwrap(), bytes);
                    server.hub.publish(notification.clone()).await.unwrap();
                    published.push(notification);
                }
            }
            Step::Join { offer } => {
                let next = published.len();
                let reader = Reader::connect(server.narrow, offer, epoch.id(next as u64)).await;
                places.push(Place { reader, next, sent: HashSet::new() });
            }
            Step::Read { reader, percent } => {
                if let Some(place) = places.get_mut(reader % count) {
                    let end = place.next + (published.len() - place.next) * percent / 100;
                    place.read_up_to(end, &published).await;
                }
            }
            Step::Resume { reader, offer } => {
                if let Some(place) = places.get_mut(reader % count) {
                    let at = epoch.id(place.next as u64);
                    place.reader = Reader::connect(server.narrow, offer, at).await;
                    place.sent.clear();
                }
            }
            Step::Send { reader } => {
                if let Some(place) = places.get_mut(reader % count)
                    && place.reader.is_websocket()
                {
                    // Its socket may be full, and then its messages wait.
                    place.read_up_to(published.len(), &published).await;
                    let text = format!("sent {}", published.len());
                    place.reader.send(&text).await;
                    if !echo {
                        place.sent.insert(published.len());
                    }
                    published.push(Notification::text("t".parse().unwrap(), text));
                    server.comes_to(published.len() as u64).await;
                }
            }
        }
    }
    for place in &mut places {
        place.read_up_to(published.len(), &published).await;
    }
    server.stop().await;
    for place in places {
        place.reader.ended().await;
    }
}

#[test]
fn clients_that_join_lag_and_resume_decode_each_notification() {
    let movers = MOVERS.iter().filter(|mover| mover.broker.is_none());
    for &mover in movers {
        eprintln!("-- {mover:?}");
        let config =
            ProptestConfig { cases: 8, failure_persistence: None, ..ProptestConfig::default() };
        let steps = prop::collection::vec(step(), 1..30);
        TestRunner::new(config)
            .run(&(1..30_u32, any::<bool>(), steps), |(reset_after, echo, steps)| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                let played = play(mover, reset_after, echo, &steps);
                runtime.unwrap().block_on(in_time(played));
                Ok(())
            })
            .unwrap();
    }
}
