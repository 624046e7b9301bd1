//! Tails.

use tidings_core::broker::{Replay, Start};
use tidings_core::driver::Budget;
use tidings_core::{Headers, Kind, Notification};

use crate::broker::{LocalBroker, longest_headers, payloads, seqs, take, text};

pub(crate) async fn a_tail_delivers_everything_in_order_from_any_start(local: LocalBroker) {
    let broker = local.connect().await;
    let empty = broker.tail(Start::Newest(5)).await.unwrap();
    assert_eq!((empty.floor, empty.after, empty.head), (0, 0, 0));
    let mut ids = Vec::new();
    for number in 1..=10 {
        ids.push(broker.publish(text("a", number.to_string()), None).await.unwrap());
    }
    let mut newest = broker.tail(Start::Newest(3)).await.unwrap();
    assert_eq!((newest.floor, newest.after, newest.head), (0, 7, 10));
    let mut after = broker.tail(Start::After(ids[4])).await.unwrap();
    assert_eq!((after.after, after.head, after.epoch), (5, 10, ids[0].epoch));
    let mut all = empty;
    assert_eq!(all.epoch, ids[0].epoch);
    broker.publish(text("b.c", "11"), None).await.unwrap();
    assert_eq!(seqs(&take(&mut newest, 4).await), [8, 9, 10, 11]);
    assert_eq!(seqs(&take(&mut after, 6).await), [6, 7, 8, 9, 10, 11]);
    let all = take(&mut all, 11).await;
    assert!(payloads(&all).into_iter().eq((1..=11).map(|number| number.to_string())));
    assert_eq!(all[10].notification.as_ref().unwrap().topic().as_str(), "b.c");
}

pub(crate) async fn every_byte_and_the_kind_arrive(local: LocalBroker) {
    let broker = local.connect().await;
    let every_byte: Vec<u8> = (0..=255).collect();
    let binary = Notification::binary("a".parse().unwrap(), every_byte);
    let special = text("a", "tëxt\r\n\0");
    let empty = text("a", "");
    for notification in [&binary, &special, &empty] {
        broker.publish(notification.clone(), None).await.unwrap();
    }
    local.write_bad_text("a").await;
    let mut tail = broker.tail(Start::Newest(10)).await.unwrap();
    let arrived = take(&mut tail, 4).await;
    for (stored, sent) in arrived.iter().zip([&binary, &special, &empty]) {
        assert_eq!(stored.notification.as_ref(), Some(sent));
    }
    let bad = arrived[3].notification.as_ref().unwrap();
    assert_eq!((bad.kind(), &bad.payload()[..]), (Kind::Binary, &b"ab\xff"[..]));
}

pub(crate) async fn headers_arrive_by_tail_and_by_replay(local: LocalBroker) {
    let (one, other) = (local.connect().await, local.connect().await);
    let binary = || Notification::binary("a".parse().unwrap(), &b"\xff"[..]);
    let media = |media| Headers::new().with_content_type(media).unwrap();
    let sent = [
        text("a", "all").with_headers(longest_headers()),
        text("a", "some").with_headers(Headers::new().with_event("created").unwrap()),
        text("a", "none"),
        binary().with_headers(media("image/png")),
        binary().with_headers(Headers::new().with_time(7).unwrap()),
        binary(),
        // These content types must not change the kind.
        text("a", "{}").with_headers(media("application/json")),
        text("a", "").with_headers(media("application/octet-stream")),
        binary().with_headers(media("application/octet-stream")),
    ];
    let mut tail = other.tail(Start::Newest(0)).await.unwrap();
    for notification in &sent {
        one.publish(notification.clone(), None).await.unwrap();
    }
    let arrived = take(&mut tail, sent.len()).await;
    let (filters, before) = ("a".parse().unwrap(), tail.epoch.id(0));
    let replayed =
        other.replay(&filters, before, sent.len() as u64, Budget::default()).await.unwrap();
    let Replay::Read { found, .. } = replayed else { panic!("{replayed:?}") };
    for stored in [arrived, found] {
        let stored: Vec<_> =
            stored.into_iter().map(|stored| stored.notification.unwrap()).collect();
        assert_eq!(stored, sent);
    }
}

pub(crate) async fn a_notification_with_a_malformed_header_arrives_without_it(local: LocalBroker) {
    let broker = local.connect().await;
    broker.publish(text("a", "first"), None).await.unwrap();
    local.write_bad_headers("a").await;
    let mut tail = broker.tail(Start::Newest(1)).await.unwrap();
    let arrived = take(&mut tail, 1).await;
    let headers = Headers::new().with_content_type("text/markdown").unwrap();
    assert_eq!(arrived[0].notification, Some(text("a", "hello").with_headers(headers)));
}

pub(crate) async fn an_entry_of_another_program_arrives_without_a_notification(local: LocalBroker) {
    let broker = local.connect().await;
    broker.publish(text("a", "1"), None).await.unwrap();
    local.write_foreign().await;
    broker.publish(text("a", "3"), None).await.unwrap();
    let mut tail = broker.tail(Start::Newest(10)).await.unwrap();
    let arrived = take(&mut tail, 3).await;
    assert_eq!(seqs(&arrived), [1, 2, 3]);
    assert_eq!(arrived[1].notification, None);
}

pub(crate) async fn a_purge_under_a_tail_is_a_jump_of_the_sequence(local: LocalBroker) {
    let broker = local.connect().await;
    let mut follower = broker.tail(Start::Newest(10)).await.unwrap();
    for number in 1..=6 {
        broker.publish(text("a", number.to_string()), None).await.unwrap();
    }
    assert_eq!(take(&mut follower, 6).await.len(), 6);
    local.purge(4).await;
    let id = broker.publish(text("a", "7"), None).await.unwrap();
    assert_eq!(id.seq, 7);
    assert_eq!(seqs(&take(&mut follower, 1).await), [7]);

    let mut late = broker.tail(Start::After(id.epoch.id(1))).await.unwrap();
    assert_eq!((late.epoch, late.floor, late.after, late.head), (id.epoch, 4, 4, 7));
    assert_eq!(seqs(&take(&mut late, 3).await), [5, 6, 7]);

    local.purge(7).await;
    let nothing = broker.tail(Start::Newest(10)).await.unwrap();
    assert_eq!((nothing.epoch, nothing.floor, nothing.after, nothing.head), (id.epoch, 7, 7, 7));
}

pub(crate) async fn many_and_large_messages_arrive(local: LocalBroker) {
    let broker = local.connect().await;
    let mut tail = broker.tail(Start::Newest(0)).await.unwrap();
    let large = "x".repeat(1 << 20);
    let publisher = tokio::spawn(async move {
        for _ in 0..40 {
            broker.publish(text("large", large.clone()), None).await.unwrap();
        }
        for round in 0..20 {
            let some = (0..500)
                .map(|number| broker.publish(text("small", format!("{round} {number}")), None));
            futures::future::try_join_all(some).await.unwrap();
        }
    });
    let arrived = take(&mut tail, 10_040).await;
    assert!(seqs(&arrived).into_iter().eq(1..=10_040));
    publisher.await.unwrap();
}
