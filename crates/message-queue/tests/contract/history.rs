//! Changes of the epoch: the stream is deleted or restored, or an operator sets another epoch.

use tidings_core::broker::{Broker, Start};

use crate::broker::{LocalBroker, end_of, payloads, seqs, tail_soon, take, text};

async fn publish(broker: &dyn Broker, words: &[&str]) -> tidings_core::Id {
    let mut last = None;
    for word in words {
        last = Some(broker.publish(text("a", *word), None).await.unwrap());
    }
    last.unwrap()
}

pub(crate) async fn a_deleted_stream_has_a_new_epoch_on_which_two_hubs_agree(local: LocalBroker) {
    let (one, other) = (local.connect().await, local.connect().await);
    let mut tails =
        [one.tail(Start::Newest(10)).await.unwrap(), other.tail(Start::Newest(10)).await.unwrap()];
    let old = publish(&*one, &["1", "2", "3"]).await;
    for tail in &mut tails {
        assert_eq!(take(tail, 3).await.len(), 3);
    }
    local.delete().await;
    for tail in &mut tails {
        end_of(tail).await;
    }
    let mut one_again = tail_soon(&one, Start::After(old)).await;
    let mut other_again = tail_soon(&other, Start::After(old)).await;
    assert_ne!(one_again.epoch, old.epoch);
    assert_eq!(one_again.epoch, other_again.epoch);
    assert_eq!((one_again.floor, one_again.after, one_again.head), (0, 0, 0));
    let new = publish(&*other, &["anew"]).await;
    assert_eq!((new.epoch, new.seq), (one_again.epoch, 1));
    assert_eq!(payloads(&take(&mut one_again, 1).await), ["anew"]);
    assert_eq!(seqs(&take(&mut other_again, 1).await), [1]);
}

pub(crate) async fn a_publish_to_a_new_stream_has_an_id_of_the_new_epoch(local: LocalBroker) {
    let (one, other) = (local.connect().await, local.connect().await);
    let old = publish(&*one, &["1", "2", "3"]).await;
    local.delete().await;
    let new = publish(&*one, &["anew"]).await;
    assert_ne!(new.epoch, old.epoch);
    assert_eq!(new.seq, 1);
    let tail = other.tail(Start::Newest(10)).await.unwrap();
    assert_eq!((tail.epoch, tail.head), (new.epoch, 1));
}

pub(crate) async fn a_sequence_that_went_back_has_a_new_epoch_on_which_two_hubs_agree(
    mut local: LocalBroker,
) {
    let (one, other) = (local.connect().await, local.connect().await);
    publish(&*one, &["1", "2", "3"]).await;
    local.stop().await;
    let snapshot = local.snapshot();
    local.start_again().await;
    let mut tail = tail_soon(&one, Start::Newest(10)).await;
    let mut other_tail = tail_soon(&other, Start::Newest(10)).await;
    let old = publish(&*one, &["4", "5"]).await;
    assert_eq!(take(&mut tail, 5).await.len(), 5);
    assert_eq!(take(&mut other_tail, 5).await.len(), 5);
    local.stop().await;
    local.roll_back(&snapshot);
    local.start_again().await;
    end_of(&mut tail).await;
    end_of(&mut other_tail).await;

    let mut tail = tail_soon(&one, Start::After(old)).await;
    let mut other_tail = tail_soon(&other, Start::After(old)).await;
    assert_ne!(tail.epoch, old.epoch);
    assert_eq!(tail.epoch, other_tail.epoch);
    // Messages that are still there belong to the new epoch.
    assert_eq!((tail.after, tail.head), (0, 3));
    let new = publish(&*other, &["another 4"]).await;
    assert_eq!(new, tail.epoch.id(4));
    let words = ["1", "2", "3", "another 4"];
    assert_eq!(payloads(&take(&mut tail, 4).await), words);
    assert_eq!(payloads(&take(&mut other_tail, 4).await), words);
}

pub(crate) async fn a_sequence_that_went_back_and_grew_again_is_detected(mut local: LocalBroker) {
    let one = local.connect().await;
    publish(&*one, &["1"]).await;
    local.stop().await;
    let snapshot = local.snapshot();
    local.start_again().await;
    let mut tail = tail_soon(&one, Start::Newest(10)).await;
    let old = publish(&*one, &["2", "3"]).await;
    assert_eq!(take(&mut tail, 3).await.len(), 3);
    local.stop().await;
    local.roll_back(&snapshot);
    local.start_again().await;
    // A hub that has not seen those messages publishes more than were lost.
    let stranger = local.connect().await;
    publish(&*stranger, &["other 2", "other 3", "other 4", "other 5"]).await;
    end_of(&mut tail).await;
    let mut tail = tail_soon(&one, Start::After(old)).await;
    assert_ne!(tail.epoch, old.epoch);
    assert_eq!(
        payloads(&take(&mut tail, 5).await),
        ["1", "other 2", "other 3", "other 4", "other 5"]
    );
}

pub(crate) async fn a_key_of_an_earlier_epoch_is_a_new_key(local: LocalBroker) {
    let broker = local.connect().await;
    let once = || broker.publish(text("a", "once"), Some("a-key".parse().unwrap()));
    let old = once().await.unwrap();
    local.delete().await;
    publish(&*broker, &["1", "2", "3"]).await;
    let new = once().await.unwrap();
    assert_ne!(new.epoch, old.epoch);
    let mut tail = tail_soon(&broker, Start::Newest(10)).await;
    assert_eq!(payloads(&take(&mut tail, 4).await), ["1", "2", "3", "once"]);
    assert_eq!(new, tail.epoch.id(4));
}

pub(crate) async fn an_operator_can_give_a_stream_another_epoch(local: LocalBroker) {
    let broker = local.connect().await;
    let old = publish(&*broker, &["1", "2", "3"]).await;
    let mut tail = tail_soon(&broker, Start::Newest(10)).await;
    take(&mut tail, 3).await;
    local.write_epoch().await;
    end_of(&mut tail).await;
    let mut tail = tail_soon(&broker, Start::After(old)).await;
    assert_ne!(tail.epoch, old.epoch);
    assert_eq!(publish(&*broker, &["4"]).await, tail.epoch.id(4));
    assert_eq!(payloads(&take(&mut tail, 4).await), ["1", "2", "3", "4"]);
    // A hub that has just started has not seen the earlier epoch.
    let begun = local.connect().await;
    let mut begun = tail_soon(&begun, Start::Newest(10)).await;
    assert_eq!(seqs(&take(&mut begun, 4).await), [1, 2, 3, 4]);
}
