//! `?after=latest`: first the newest retained notification of each topic, then everything.

use std::collections::BTreeMap;
use std::time::Duration;

use tidings_core::{Heartbeat, HubConfig, Position, Retention, Snapshot};
use tidings_transport::Shape;

use crate::support::{Case, Peer, Raw, Running, every_also_mounted, every_without_broker};

async fn publish(hub: &Running, topics: &[&str]) {
    for topic in topics {
        hub.publish(topic, "x").await;
    }
}

#[test]
fn the_newest_of_each_topic_comes_first_and_then_everything() {
    every_also_mounted(async |case| {
        let hub = case.hub().await;
        let empty = hub.follow(&case.listed, ">", Position::Latest).await;
        publish(&hub, &["a.x", "a.x", "b", "a.y", "a.y", "a.x"]).await;
        let follow = async |filters| hub.follow(&case.listed, filters, Position::Latest).await;
        let mut followers = [
            (empty, vec![1, 2, 3, 4, 5, 6], vec![7, 8, 9, 10]),
            (follow(">").await, vec![3, 5, 6], vec![7, 8, 9, 10]),
            (follow("a.*").await, vec![5, 6], vec![7, 8]),
            (follow("a.x,b").await, vec![3, 6], vec![7, 8, 10]),
            (follow("b").await, vec![3], vec![10]),
            (follow("none").await, vec![], vec![9]),
        ];
        // Before the next ones are published: a connection that is still on its way to a lane would skip those that are
        // superseded meanwhile.
        for (follower, newest, _) in &mut followers {
            assert_eq!(follower.seqs(newest.len()).await, *newest);
        }
        publish(&hub, &["a.x", "a.x", "none", "b"]).await;
        for (follower, _, rest) in &mut followers {
            assert_eq!(follower.seqs(rest.len()).await, *rest);
        }
        drop(followers);
        hub.stop().await;
    });
}

/// With a broker, the retention of the hub applies.
#[test]
fn evicted_notifications_are_neither_sent_nor_a_gap() {
    every_also_mounted(async |case| {
        let config = HubConfig::default().retention(Retention::default().entries(10));
        let hub = Running::start(case.config(config).await).await;
        publish(&hub, &["quiet"]).await;
        hub.publish_numbers(2..=30).await;
        publish(&hub, &["other"]).await;
        let mut follower = hub.follow(&case.listed, ">", Position::Latest).await;
        let mut quiet = hub.follow(&case.listed, "quiet", Position::Latest).await;
        assert_eq!(follower.seqs(2).await, [30, 31]);
        publish(&hub, &["quiet", "other"]).await;
        assert_eq!(follower.seqs(2).await, [32, 33]);
        assert_eq!(quiet.seqs(1).await, [32]);
        drop((follower, quiet));
        hub.stop().await;
    });
}

/// The notifications exceed the buffers of the sockets and the response to a poll.
#[test]
fn a_slow_client_misses_nothing_that_is_published_meanwhile() {
    const TOPICS: u64 = 60;
    every_also_mounted(async |case| {
        let hub = case.hub().await;
        let topic = |number: u64| format!("t.{}", number % TOPICS);
        let mut newest = BTreeMap::new();
        let mut publish = async |number: u64| {
            let id = hub.publish(&topic(number), "x".repeat(64 << 10)).await;
            newest.insert(topic(number), id.seq);
            newest.clone()
        };
        let mut at_first = BTreeMap::new();
        for number in 0..2 * TOPICS {
            at_first = publish(number).await;
        }
        let mut follower = hub.follow(&case.listed, "t.*", Position::Latest).await;
        // Once it has come, the end of the snapshot is known. Otherwise a connection that is still on its way to a lane
        // would skip those that are superseded meanwhile.
        let mut received = follower.notification().await;
        let mut received_last = BTreeMap::new();
        let mut at = 0;
        let mut at_last = BTreeMap::new();
        for number in [0, 5, TOPICS - 1, 5, 7] {
            at_last = publish(number).await;
        }
        let head = hub.hub.log().head().seq;
        loop {
            let (seq, topic) = (received.id.unwrap().seq, received.topic.unwrap());
            assert!(seq > at, "{seq} comes after {at}");
            let is_due = seq > 2 * TOPICS || at_first[&topic] == seq;
            assert!(is_due, "{seq} is neither the newest of {topic} nor new");
            if seq > 2 * TOPICS + 1 {
                assert_eq!(seq, at + 1, "a notification was lost");
            }
            received_last.insert(topic, seq);
            at = seq;
            if at >= head {
                break;
            }
            received = follower.notification().await;
        }
        assert_eq!(received_last, at_last);
        drop(follower);
        hub.stop().await;
    });
}

#[test]
fn a_poll_that_ends_within_the_snapshot_continues_from_its_cursor() {
    every_also_mounted(async |case| {
        if !case.polls() {
            return;
        }
        let hub = case.hub().await;
        let large = "x".repeat(600 << 10);
        for topic in ["a", "b", "c", "a", "b", "b"] {
            hub.publish(topic, large.as_str()).await;
        }
        let poll = async |after: &str| {
            let answer = Raw::get(hub.address, &format!("/topics/%3E?after={after}&wait=0")).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            let answer = answer.json();
            let ids = answer["notifications"].as_array().unwrap().iter();
            let ids: Vec<_> = ids.map(|one| one["id"].as_str().unwrap().to_owned()).collect();
            (ids, answer["cursor"].as_str().unwrap().to_owned())
        };
        let id = |seq| hub.hub.epoch().id(seq).to_string();
        let (ids, cursor) = poll("latest").await;
        assert_eq!(ids, [id(3)]);
        let rest: Position = cursor.parse().unwrap();
        assert!(matches!(rest, Position::Snapshot(Snapshot { upto: 6, .. })), "{cursor}");
        // Notifications that are published meanwhile come after the rest of the snapshot.
        hub.publish("d", "x").await;
        hub.publish("d", "x").await;
        let (ids, cursor) = poll(&cursor).await;
        assert_eq!(ids, [id(4)]);
        let (ids, cursor) = poll(&cursor).await;
        assert_eq!(ids[0], id(6));
        let (more, cursor) = if ids.len() < 3 { poll(&cursor).await } else { (vec![], cursor) };
        assert_eq!([ids, more].concat(), [id(6), id(7), id(8)]);
        assert_eq!(cursor, id(8));
        let (ids, cursor) = poll("latest").await;
        assert_eq!((ids.len(), cursor.contains('.')), (1, true));
        hub.stop().await;
    });
}

/// Subscribes by WebSocket with its subprotocol, and by every other transport as usual.
async fn subscribe(case: &Case, hub: &Running, filters: &str, query: &str, header: &str) -> Peer {
    let lines = format!("Sec-WebSocket-Protocol: tidings.v1\r\n{header}");
    let mut peer = case.subscribe(hub, filters, query, &lines).await;
    peer.accepted().await;
    peer
}

/// A client that is disconnected before its first notification then requests the newest again, as an `EventSource` does
/// with its URL.
#[test]
fn a_stream_sends_no_position_before_the_first_notification() {
    every_also_mounted(async |case| {
        if case.polls() {
            return;
        }
        let hub = case.hub().await;
        publish(&hub, &["a", "a"]).await;
        let opening = async |query: &str| {
            let mut peer = subscribe(case, &hub, "%3E", query, "").await;
            let [first, then]: [&[u8]; 2] = match case.shape() {
                Shape::Upgrade => [b"\"ping\":", b"\"data\":"],
                _ => [b"retry: ", b"data: "],
            };
            let (opening, rest) = (peer.until(first).await, peer.until(then).await);
            [opening, rest].map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        };
        let ids = |text: &[String; 2]| text.concat().matches(&hub.hub.epoch().to_string()).count();
        let latest = opening("&after=latest").await;
        assert_eq!(ids(&latest), 1, "{latest:?}");
        let earliest = opening("&after=earliest").await;
        assert_eq!(ids(&earliest), 2, "{earliest:?}");
        hub.stop().await;
    });
}

/// A client that is disconnected then continues from there, and receives everything that was published meanwhile.
#[test]
fn a_stream_sends_its_position_at_once_if_nothing_retained_matches() {
    every_also_mounted(async |case| {
        if case.polls() {
            return;
        }
        let heartbeat = Heartbeat::default().interval(Duration::from_secs(3600));
        let config = HubConfig::default().heartbeat(heartbeat);
        let hub = Running::start(case.config(config).await).await;
        publish(&hub, &["a", "a"]).await;
        let mut peer = subscribe(case, &hub, "none", "&after=latest", "").await;
        peer.until(hub.hub.epoch().id(2).to_string().as_bytes()).await;
        drop(peer);
        hub.stop().await;
    });
}

#[test]
fn the_rest_of_a_snapshot_is_a_position_for_every_transport() {
    every_without_broker(async |case| {
        let hub = case.hub().await;
        publish(&hub, &["a", "b", "a", "b", "a"]).await;
        let rest = Snapshot::new(hub.hub.epoch().id(1), 4);
        let follow = async |position| hub.follow(&case.listed, ">", position).await;
        // 3 is skipped, because 5 came after it.
        let mut follower = follow(Position::Snapshot(rest)).await;
        assert_eq!(follower.seqs(2).await, [4, 5]);
        // After an id, everything is sent.
        let mut follower = follow(Position::After(rest.after)).await;
        assert_eq!(follower.seqs(4).await, [2, 3, 4, 5]);

        for (query, header) in [
            ("&after=latest", String::new()),
            ("", "Last-Event-ID: latest\r\n".to_owned()),
            ("", format!("Last-Event-ID: {rest}\r\n")),
            (&format!("&lastEventId={rest}"), String::new()),
        ] {
            let query = format!("{query}&wait=0");
            let mut peer = subscribe(case, &hub, "%3E", &query, &header).await;
            let end: &[u8] = if case.shape() == Shape::Stream { b"data: " } else { b"\"x\"" };
            let text = String::from_utf8_lossy(&peer.until(end).await).into_owned();
            let first = format!("{}-4", hub.hub.epoch());
            assert!(text.contains(&first), "{query}{header}");
        }
        let malformed = Raw::get(hub.address, "/topics/a?transport=long-polling&after=e-1.x").await;
        assert_eq!(malformed.rejection(), (400, "bad_id".to_owned()));
        hub.stop().await;
    });
}
