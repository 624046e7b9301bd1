//! A broker that stops and is started again.

use tidings_core::BrokerError;
use tidings_core::broker::Start;
use tokio::time::timeout;

use crate::broker::{LocalBroker, SOON, end_of, payloads, tail_soon, take, text};

pub(crate) async fn a_broker_that_was_killed_is_away_in_bounded_time_and_loses_nothing(
    mut local: LocalBroker,
) {
    let broker = local.connect().await;
    let mut tail = broker.tail(Start::Newest(10)).await.unwrap();
    let mut acknowledged = Vec::new();
    for number in 0..50 {
        let word = number.to_string();
        broker.publish(text("a", word.clone()), None).await.unwrap();
        acknowledged.push(word);
    }
    let mut last = take(&mut tail, 20).await.pop().unwrap().seq;
    local.kill().await;

    let publishing = broker.publish(text("a", "lost"), None);
    let error = timeout(SOON, publishing).await.expect("it fails in time").unwrap_err();
    assert!(matches!(error, BrokerError::Away { .. }), "{error}");
    assert!(broker.tail(Start::Newest(1)).await.is_err());
    end_of_counting(&mut tail, &mut last).await;

    local.start_again().await;
    let mut again = tail_soon(&broker, Start::After(tail.epoch.id(last))).await;
    assert_eq!(again.epoch, tail.epoch);
    let id = timeout(SOON, broker.publish(text("a", "back"), None)).await.unwrap().unwrap();
    assert_eq!(id, tail.epoch.id(51));
    acknowledged.push("back".into());
    let rest = take(&mut again, 51 - usize::try_from(last).unwrap()).await;
    assert_eq!(payloads(&rest), acknowledged[usize::try_from(last).unwrap()..]);
}

/// Waits until the tail ends. Messages that were sent before the broker ended are counted.
async fn end_of_counting(tail: &mut tidings_core::broker::Tail, last: &mut u64) {
    use futures::StreamExt;
    let ended = timeout(SOON, async {
        while let Some(Ok(stored)) = tail.arrivals.next().await {
            *last = stored.seq;
        }
    });
    ended.await.expect("the tail ends in time");
}

pub(crate) async fn a_publish_that_failed_is_not_stored_afterwards(mut local: LocalBroker) {
    let broker = local.connect().await;
    broker.publish(text("a", "before"), None).await.unwrap();
    let mut tail = broker.tail(Start::Newest(0)).await.unwrap();
    local.stop().await;
    end_of(&mut tail).await;
    for number in 0..3 {
        assert!(broker.publish(text("a", format!("lost {number}")), None).await.is_err());
    }
    local.start_again().await;
    let mut tail = tail_soon(&broker, Start::Newest(10)).await;
    broker.publish(text("a", "after"), None).await.unwrap();
    assert_eq!(payloads(&take(&mut tail, 2).await), ["before", "after"]);
}
