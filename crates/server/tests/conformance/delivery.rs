//! Delivery: the order, resumption after a disconnect, and which client receives which notification.

use std::collections::BTreeMap;

use tidings_core::{Kind, Position};

use crate::support::{Raw, all_listed, every_also_mounted, every_poll_without_broker};

#[test]
fn notifications_of_several_publishers_arrive_once_and_in_order() {
    every_also_mounted(async |case| {
        let hub = case.hub().await;
        let mut follower = hub.follow(&case.listed, ">", Position::Live).await;
        let publish = async |name: &str| {
            let mut publisher = hub.publisher(name).await;
            let mut published = Vec::new();
            for number in 0..40 {
                let payload = format!("{name} {number}");
                let id = publisher.publish(Kind::Text, payload.clone().into()).await.unwrap();
                published.push((id.seq, payload));
            }
            published
        };
        let read = async {
            let mut read = Vec::new();
            while read.len() < 120 {
                read.push(follower.text().await);
            }
            read
        };
        let (a, b, c, read) = tokio::join!(publish("a"), publish("b"), publish("c"), read);
        assert_eq!(read.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), Vec::from_iter(1..=120));
        let published: BTreeMap<_, _> = [a, b, c].into_iter().flatten().collect();
        assert_eq!(BTreeMap::from_iter(read), published);
        hub.stop().await;
    });
}

#[test]
fn a_client_that_resumes_receives_exactly_the_rest() {
    every_also_mounted(async |case| {
        let hub = case.hub().await;
        let mut follower = hub.follow(&case.listed, "t", Position::Live).await;
        hub.publish_numbers(1..=20).await;
        let mut last = None;
        for number in 1..=7 {
            let received = follower.notification().await;
            assert_eq!(received.payload, number.to_string());
            last = received.id;
        }
        drop(follower);
        hub.publish_numbers(21..=30).await;
        let resumed = Position::After(last.unwrap());
        let mut follower = hub.follow(&case.listed, "t", resumed).await;
        assert_eq!(follower.seqs(23).await, Vec::from_iter(8..=30));
        hub.publish("t", "and live again").await;
        assert_eq!(follower.text().await, (31, "and live again".to_owned()));
        drop(follower);
        hub.stop().await;
    });
}

#[test]
fn a_position_taken_on_one_transport_resumes_on_each_other() {
    every_also_mounted(async |case| {
        let hub = case.hub().await;
        for other in all_listed() {
            let mut here = hub.follow(&case.listed, "t", Position::Live).await;
            let first = hub.publish("t", "first").await;
            let position = here.notification().await.id.unwrap();
            assert_eq!(position, first);
            drop(here);
            let missed =
                [hub.publish("t", "second").await.seq, hub.publish("t", "third").await.seq];
            let mut there = hub.follow(&other, "t", Position::After(position)).await;
            assert_eq!(there.seqs(2).await, missed, "on {}", other.server.name());
        }
        hub.stop().await;
    });
}

#[test]
fn a_client_without_a_notification_can_resume() {
    every_also_mounted(async |case| {
        let hub = case.hub().await;
        hub.publish("t", "before").await;
        let mut follower = hub.follow(&case.listed, "t", Position::Live).await;
        let Ok(tidings_transport::client::Arrival::Heartbeat(Some(position))) =
            follower.next().await.unwrap()
        else {
            panic!("the position comes first")
        };
        drop(follower);
        hub.publish("t", "missed").await;
        let mut follower = hub.follow(&case.listed, "t", Position::After(position)).await;
        assert_eq!(follower.text().await.1, "missed");
        drop(follower);
        hub.stop().await;
    });
}

#[test]
fn a_live_client_receives_new_notifications_and_one_from_the_earliest_receives_all() {
    every_also_mounted(async |case| {
        let hub = case.hub().await;
        hub.publish("t", "old").await;
        let mut live = hub.follow(&case.listed, "t", Position::Live).await;
        hub.publish("t", "new").await;
        assert_eq!(live.text().await, (2, "new".to_owned()));
        let mut all = hub.follow(&case.listed, "t", Position::Earliest).await;
        assert_eq!(all.text().await, (1, "old".to_owned()));
        assert_eq!(all.text().await, (2, "new".to_owned()));
        drop((live, all));
        hub.stop().await;
    });
}

#[test]
fn a_notification_reaches_only_clients_whose_filters_match() {
    const TOPICS: [&str; 7] = ["a", "b", "a.b", "a.b.c", "b.b", "a.c.c", "ab"];
    const FILTERS: [(&str, &[&str]); 7] = [
        ("a", &["a"]),
        ("a,a", &["a"]),
        ("*", &["a", "b", "ab"]),
        ("*.b", &["a.b", "b.b"]),
        ("a.>", &["a.b", "a.b.c", "a.c.c"]),
        ("b,a.*.c,*.b", &["b", "a.b", "a.b.c", "b.b", "a.c.c"]),
        (">", &TOPICS),
    ];
    every_also_mounted(async |case| {
        let hub = case.hub().await;
        let mut followers = Vec::new();
        for (filters, expected) in FILTERS {
            let filters = format!("{filters},the-end");
            followers.push((hub.follow(&case.listed, &filters, Position::Live).await, expected));
        }
        for topic in TOPICS {
            hub.publish(topic, topic).await;
        }
        hub.publish("the-end", "the-end").await;
        for (follower, expected) in &mut followers {
            for topic in expected.iter().chain(&["the-end"]) {
                let received = follower.notification().await;
                assert_eq!(received.payload, *topic);
                // Not every transport sends the topic.
                assert!(received.topic.is_none_or(|received| received == *topic));
            }
        }
        drop(followers);
        hub.stop().await;
    });
}

#[test]
fn a_poll_for_one_notification_in_a_long_log_finds_it() {
    // The poll reads the log of the hub, so a broker makes no difference.
    every_poll_without_broker(async |case| {
        let hub = case.hub().await;
        hub.publish_many("others", 50_000).await;
        hub.publish("t", "mine").await;
        let mut raw = Raw::connect(hub.address).await;
        // One turn does not reach the notification, and the poll does not wait.
        raw.send(case.request("t", "&after=earliest&wait=0")).await;
        assert_eq!(raw.answer().await.json()["notifications"][0]["data"], "mine");
        drop(raw);
        hub.stop().await;
    });
}
