//! What can no longer be had is told.

use tidings_core::{Epoch, GapReason, HubConfig, Position, Retention};

use crate::support::{Running, every};

fn ten_kept() -> HubConfig {
    HubConfig {
        retention: Retention { entries: 10, ..Retention::default() },
        ..HubConfig::default()
    }
}

#[test]
fn an_evicted_position_is_told_with_its_count() {
    every(async |case| {
        let hub = Running::start(case.config(ten_kept()).await).await;
        hub.publish_numbers(1..=30).await;
        let id = |seq| hub.hub.epoch().id(seq);
        let mut follower = hub.follow(&case.listed, ">", Position::After(id(5))).await;
        let gap = follower.gap().await;
        assert_eq!((gap.after, gap.resume), (id(5), id(20)));
        assert_eq!((gap.missed, gap.reason), (Some(15), GapReason::Evicted));
        assert_eq!(follower.seqs(10).await, Vec::from_iter(21..=30));
        hub.publish("t", "and live").await;
        assert_eq!(follower.text().await, (31, "and live".to_owned()));

        // With a filter nobody knows how many of them would have been for this client.
        let mut filtered = hub.follow(&case.listed, "t", Position::After(id(5))).await;
        assert_eq!(filtered.gap().await.missed, None);
        // The last position that can be honoured, and the first that cannot.
        let mut whole = hub.follow(&case.listed, ">", Position::After(id(21))).await;
        assert_eq!(whole.seqs(10).await, Vec::from_iter(22..=31));
        let mut one_short = hub.follow(&case.listed, ">", Position::After(id(20))).await;
        assert_eq!(one_short.gap().await.missed, Some(1));
        drop((follower, filtered, whole, one_short));
        hub.stop().await;
    });
}

#[test]
fn a_foreign_epoch_and_a_position_from_the_future_are_told() {
    every(async |case| {
        let hub = Running::start(case.config(ten_kept()).await).await;
        hub.publish_numbers(1..=12).await;
        let foreign = Epoch::from_number(7).id(11);
        let future = hub.hub.epoch().id(1000);
        for position in [foreign, future] {
            let mut follower = hub.follow(&case.listed, ">", Position::After(position)).await;
            let gap = follower.whole_gap(2).await;
            assert_eq!((gap.after, gap.resume.seq), (position, 2));
            assert_eq!((gap.missed, gap.reason), (None, GapReason::Epoch));
            assert_eq!(follower.seqs(10).await, Vec::from_iter(3..=12));
        }
        hub.stop().await;
    });
}
