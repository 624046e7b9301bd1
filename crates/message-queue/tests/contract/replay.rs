//! Replays.

use tidings_core::broker::Replay;
use tidings_core::driver::Budget;
use tidings_core::{Epoch, Filters, GapReason};
use tidings_message_queue::Keep;

use crate::broker::{LocalBroker, seqs, text};

fn read(replay: Replay) -> (Vec<u64>, u64) {
    match replay {
        Replay::Read { found, reached } => (seqs(&found), reached),
        Replay::Gone { resume, reason } => panic!("gone: {resume}, {reason:?}"),
    }
}

pub(crate) async fn single_several_and_overlapping_filters_find_what_matches(local: LocalBroker) {
    let broker = local.connect().await;
    let mut ids = Vec::new();
    for topic in ["a.x", "b.x", "a.y", "c", "a.x", "b.y", "a.x.z"] {
        ids.push(broker.publish(text(topic, "four"), None).await.unwrap());
    }
    let epoch = ids[0].epoch;
    let find = async |filters: &str, after: u64, upto: u64| {
        let filters: Filters = filters.parse().unwrap();
        read(broker.replay(&filters, epoch.id(after), upto, Budget::default()).await.unwrap())
    };
    assert_eq!(find(">", 0, 7).await, ((1..=7).collect(), 7));
    assert_eq!(find("a.x", 0, 7).await, (vec![1, 5], 7));
    assert_eq!(find("a.*", 1, 7).await, (vec![3, 5], 7));
    assert_eq!(find("a.x,c", 0, 7).await, (vec![1, 4, 5], 7));
    assert_eq!(find("a.>,b.>", 2, 6).await, (vec![3, 5, 6], 6));
    assert_eq!(find("a.*,*.x", 0, 7).await, (vec![1, 2, 3, 5], 7));
    assert_eq!(find("a.x,a.x", 0, 4).await, (vec![1], 4));
    assert_eq!(find("nothing", 0, 7).await, (vec![], 7));
    assert_eq!(find("nothing.*,none", 0, 5).await, (vec![], 5));
    // A replay does not reach beyond the newest message.
    assert_eq!(find("c", 0, 100).await, (vec![4], 7));
    assert_eq!(find(">", 7, 7).await, (vec![], 7));
}

pub(crate) async fn a_replay_keeps_to_its_budget_and_its_end(local: LocalBroker) {
    let broker = local.connect().await;
    for number in 0..1500 {
        let topic = if number % 2 == 0 { "even" } else { "odd" };
        broker.publish(text(topic, "0123456789"), None).await.unwrap();
    }
    let epoch = broker.publish(text("even", "last"), None).await.unwrap().epoch;
    let find = async |filters: &str, after: u64, upto: u64, entries: usize, bytes: usize| {
        let filters: Filters = filters.parse().unwrap();
        let budget = Budget { entries, bytes };
        read(broker.replay(&filters, epoch.id(after), upto, budget).await.unwrap())
    };
    let (found, reached) = find(">", 100, 1501, 700, 1 << 20).await;
    assert!(found.into_iter().eq(101..=800));
    assert_eq!(reached, 800);
    let (found, reached) = find("odd", 0, 1501, 10, 1 << 20).await;
    assert_eq!((found.len(), found[9]), (10, 20));
    assert!((20..=21).contains(&reached), "{reached}");
    let (found, _) = find("odd", 0, 1501, 10, 25).await;
    assert_eq!(found, [2, 4]);
    let (found, _) = find(">", 7, 1501, 1, 1).await;
    assert_eq!(found, [8]);
    // One replay after another reads everything.
    let (mut after, mut all) = (0, Vec::new());
    while after < 1501 {
        let (found, reached) = find("even", after, 1501, 300, 1 << 20).await;
        assert!(reached > after);
        all.extend(found);
        after = reached;
    }
    assert!(all.into_iter().eq((1..=1501).step_by(2)));
}

pub(crate) async fn a_position_that_is_gone_is_reported_with_its_reason(local: LocalBroker) {
    let keep = Keep::default().messages(Some(10));
    let broker = local.connect_keeping(keep).await;
    let mut last = None;
    for number in 1..=25 {
        last = Some(broker.publish(text("a", number.to_string()), None).await.unwrap());
    }
    let epoch = last.unwrap().epoch;
    let filters: Filters = ">".parse().unwrap();
    let ask = async |after| broker.replay(&filters, after, 25, Budget::default()).await.unwrap();
    let gone = |reason| Replay::Gone { resume: epoch.id(15), reason };
    assert_eq!(ask(epoch.id(3)).await, gone(GapReason::Evicted));
    assert_eq!(ask(epoch.id(14)).await, gone(GapReason::Evicted));
    assert_eq!(read(ask(epoch.id(15)).await), ((16..=25).collect(), 25));
    assert_eq!(ask(epoch.id(26)).await, gone(GapReason::Epoch));
    assert_eq!(ask(Epoch::from_number(7).id(20)).await, gone(GapReason::Epoch));
}
