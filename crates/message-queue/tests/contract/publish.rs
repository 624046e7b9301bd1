//! Publishes: their ids, their keys, and the limits of size.

use futures::future::join_all;
use tidings_core::broker::Start;
use tidings_core::{BrokerError, Notification, SeatId};
use tidings_message_queue::Keep;

use crate::broker::{LocalBroker, longest_headers, payloads, seqs, take, text};

pub(crate) async fn ids_are_contiguous_from_one(local: LocalBroker) {
    let broker = local.connect().await;
    let mut ids = Vec::new();
    for number in 0..20 {
        ids.push(broker.publish(text("a", number.to_string()), None).await.unwrap());
    }
    assert!(ids.iter().map(|id| id.seq).eq(1..=20));
    assert!(ids.iter().all(|id| id.epoch == ids[0].epoch));
}

pub(crate) async fn a_repeated_key_returns_the_first_id_and_stores_nothing(local: LocalBroker) {
    let (one, other) = (local.connect().await, local.connect().await);
    let key = || Some("8e03978e-40d5".parse().unwrap());
    let first = one.publish(text("a", "once"), key()).await.unwrap();
    one.publish(text("a", "between"), None).await.unwrap();
    assert_eq!(one.publish(text("a", "twice"), key()).await.unwrap(), first);
    assert_eq!(other.publish(text("b", "thrice"), key()).await.unwrap(), first);
    let next = other.publish(text("a", "next"), None).await.unwrap();
    assert_eq!(next.seq, 3);
    let mut tail = one.tail(Start::Newest(10)).await.unwrap();
    assert_eq!(payloads(&take(&mut tail, 3).await), ["once", "between", "next"]);
}

pub(crate) async fn a_payload_over_the_limit_is_rejected_and_one_at_the_limit_arrives(
    local: LocalBroker,
) {
    let broker = local.connect().await;
    let limit = broker.max_payload();
    let of = |size: usize| Notification::binary("a".parse().unwrap(), vec![7; size]);
    let rejection = broker.publish(of(limit + 1), None).await.unwrap_err();
    assert!(matches!(rejection, BrokerError::Rejected { .. }), "{rejection}");
    let longest = "k".repeat(255).parse().unwrap();
    // With everything that a message can have besides its payload.
    let full = of(limit).with_headers(longest_headers()).from_seat(SeatId::from_number(u64::MAX));
    broker.publish(full.clone(), Some(longest)).await.unwrap();
    let mut tail = broker.tail(Start::Newest(1)).await.unwrap();
    let arrived = take(&mut tail, 1).await;
    assert!(arrived[0].notification == Some(full));
}

pub(crate) async fn headers_count_towards_the_bytes_that_are_kept(local: LocalBroker) {
    // The headers of each are larger than the rest of it.
    let keep = Keep::default().bytes(Some(20_000));
    let broker = local.connect_keeping(keep).await;
    for _ in 0..50 {
        broker.publish(text("a", "x").with_headers(longest_headers()), None).await.unwrap();
    }
    let first = async || {
        let mut tail = broker.tail(Start::Newest(100)).await.unwrap();
        take(&mut tail, 1).await[0].seq
    };
    let with_headers = 51 - first().await;
    assert!((5..20).contains(&with_headers), "{with_headers}");
    // A removed entry is subtracted with its headers, so now there is room for more entries without headers.
    for _ in 0..200 {
        broker.publish(text("a", "x"), None).await.unwrap();
    }
    let without = 251 - first().await;
    assert!(without > 50, "{without}");
}

pub(crate) async fn publishes_of_two_hubs_have_one_order(local: LocalBroker) {
    let nodes = [local.connect().await, local.connect().await];
    let mut tails = Vec::new();
    for node in &nodes {
        tails.push(node.tail(Start::Newest(0)).await.unwrap());
    }
    let published = join_all((0..400).map(|number| {
        let node = nodes[number % 2].clone();
        tokio::spawn(async move { node.publish(text("a", number.to_string()), None).await })
    }));
    let ids: Vec<_> = published.await.into_iter().map(|id| id.unwrap().unwrap()).collect();
    let (one, other) = (take(&mut tails[0], 400).await, take(&mut tails[1], 400).await);
    assert_eq!(one, other);
    assert!(seqs(&one).into_iter().eq(1..=400));
    // Each has the sequence number that its publish returned.
    let arrived = payloads(&one);
    for (number, id) in ids.iter().enumerate() {
        assert_eq!(arrived[id.seq as usize - 1], number.to_string());
        assert_eq!(id.epoch, tails[0].epoch);
    }
}
