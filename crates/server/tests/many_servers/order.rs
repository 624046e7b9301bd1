//! Clients of several servers receive the same order.

use std::collections::BTreeMap;

use tidings_core::{HubConfig, Kind, Position};

use super::plays::every_broker;
use super::stage::Shared;
use crate::support::{Running, all_listed};

#[test]
fn subscribers_of_two_servers_receive_the_notifications_of_both_in_one_order() {
    every_broker(async |mover| {
        const EACH: u64 = 50;
        let stream = Shared::new(mover.broker.unwrap(), None);
        let one = stream.running(mover, HubConfig::default()).await;
        let other = stream.running(mover, HubConfig::default()).await;
        assert_eq!(one.hub.epoch(), other.hub.epoch());
        let mut followers = Vec::new();
        for hub in [&one, &other] {
            for listed in all_listed() {
                followers.push(hub.follow(&listed, "t", Position::Live).await);
            }
        }
        let publish = async |hub: &Running, name: &str| {
            let mut publisher = hub.publisher("t").await;
            let mut published = Vec::new();
            for number in 0..EACH {
                let text = format!("{name} {number}");
                let id = publisher.publish(Kind::Text, text.clone().into()).await.unwrap();
                published.push((id.seq, text));
            }
            published
        };
        let published = tokio::join!(
            publish(&one, "a"),
            publish(&one, "b"),
            publish(&other, "c"),
            publish(&other, "d"),
        );
        let (a, b, c, d) = published;
        let expected: BTreeMap<u64, String> = [a, b, c, d].into_iter().flatten().collect();
        for follower in &mut followers {
            let mut read = Vec::new();
            while read.len() < expected.len() {
                read.push(follower.text().await);
            }
            assert!(read.iter().cloned().eq(expected.clone()), "{read:?}");
        }
        drop(followers);
        one.stop().await;
        other.stop().await;
    });
}
