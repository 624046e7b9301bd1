use std::time::Duration;

use futures::StreamExt;

use super::*;
use crate::{HubConfig, Notification, Position, Retention};

#[tokio::test(start_paused = true)]
async fn the_goodbyes_of_a_closed_hub_are_spread_over_the_given_time() {
    let hub = Hub::default();
    let spread = Duration::from_secs(60);
    let mut waits = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let reader = hub.subscribe("t", Interest::new(">".parse().unwrap())).unwrap();
        let mut reader = reader.with_goodbye_within(spread);
        waits.spawn(async move {
            let closed = Instant::now();
            let mut event = reader.next().await;
            while matches!(event, Some(Event::Heartbeat { .. })) {
                event = reader.next().await;
            }
            assert!(matches!(event, Some(Event::Goodbye(Reason::GoingAway))), "{event:?}");
            closed.elapsed()
        });
    }
    tokio::task::yield_now().await;
    hub.close(Reason::GoingAway);
    let waits = waits.join_all().await;
    assert!(waits.iter().all(|wait| *wait <= spread + Duration::from_millis(1)), "{waits:?}");
    let early = waits.iter().filter(|wait| **wait < spread / 2).count();
    assert!((10..=90).contains(&early), "{waits:?}");
}

fn note(text: &str) -> Notification {
    Notification::text("t".parse().unwrap(), text)
}

fn all() -> Interest {
    Interest::new(">".parse().unwrap())
}

fn text_of(event: Option<Event>) -> String {
    match event {
        Some(Event::Deliver(entry)) => entry.notification().as_text().unwrap().to_owned(),
        other => format!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_subscription_gets_heartbeats_with_its_position() {
    let hub = Hub::default();
    let mut subscription = hub.subscribe("sse", all()).unwrap();
    let id = hub.publish(note("one")).await.unwrap();
    assert_eq!(text_of(subscription.next().await), "one");
    let begun = Instant::now();
    for _ in 0..3 {
        assert!(matches!(
            subscription.next().await,
            Some(Event::Heartbeat { position, .. }) if position == id
        ));
    }
    assert_eq!(begun.elapsed(), hub.heartbeat().interval * 3);
}

#[tokio::test]
async fn a_cancelled_next_loses_no_event() {
    let hub = Hub::default();
    let mut subscription = hub.subscribe("sse", all()).unwrap();
    for round in 0..100 {
        let cancelled = tokio::time::timeout(Duration::ZERO, subscription.next());
        assert!(cancelled.await.is_err());
        hub.publish(note(&round.to_string())).await.unwrap();
        assert_eq!(text_of(subscription.next().await), round.to_string());
    }
}

#[tokio::test]
async fn notifications_published_before_the_close_come_before_the_goodbye() {
    let hub = Hub::default();
    let mut subscription = hub.subscribe("sse", all()).unwrap();
    for number in 0..200 {
        hub.publish(note(&number.to_string())).await.unwrap();
    }
    hub.close(Reason::GoingAway);
    for number in 0..200 {
        assert_eq!(text_of(subscription.next().await), number.to_string());
    }
    assert!(matches!(subscription.next().await, Some(Event::Goodbye(Reason::GoingAway))));
    assert!(subscription.next().await.is_none());
}

#[tokio::test]
async fn the_position_is_that_of_the_last_event_returned_not_of_the_last_one_read() {
    let hub = Hub::default();
    let mut subscription = hub.subscribe("sse", all()).unwrap();
    for _ in 0..5 {
        hub.publish(note("x")).await.unwrap();
    }
    for seq in 1..=5 {
        subscription.next().await;
        assert_eq!(subscription.position().seq, seq);
    }
}

#[tokio::test]
async fn a_gap_comes_before_the_retained_notifications() {
    let retention = Retention { entries: 2, ..Retention::default() };
    let hub = Hub::new(HubConfig { retention, ..HubConfig::default() });
    for number in 0..5 {
        hub.publish(note(&number.to_string())).await.unwrap();
    }
    let seat = hub.join("sse").unwrap();
    let position = Position::After(hub.epoch().id(1));
    let events: Vec<_> = {
        let subscription = hub.read(seat, all(), position);
        hub.close(Reason::Normal);
        subscription.collect().await
    };
    assert!(matches!(events[0], Event::Gap(gap) if gap.missed == Some(2)), "{events:?}");
    assert_eq!(events.len(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_readers_get_everything_from_many_publishers_in_one_order() {
    let hub = Hub::default();
    let readers: Vec<_> = (0..20)
        .map(|_| {
            let subscription = hub.subscribe("sse", all()).unwrap();
            tokio::spawn(
                subscription.take(2000).map(|event| text_of(Some(event))).collect::<Vec<_>>(),
            )
        })
        .collect();
    for publisher in 0..4 {
        let hub = hub.clone();
        tokio::spawn(async move {
            for number in 0..500 {
                hub.publish(note(&format!("{publisher} {number}"))).await.unwrap();
                tokio::task::yield_now().await;
            }
        });
    }
    let mut seen = Vec::new();
    for reader in readers {
        seen.push(reader.await.unwrap());
    }
    assert!(seen.iter().all(|one| one == &seen[0]), "all readers see one order");
    assert_eq!(seen[0].len(), 2000);
}
