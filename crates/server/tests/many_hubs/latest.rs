//! The rest of a snapshot, on a hub that has not begun it and no longer has it in its log.

use tidings_core::{Position, Snapshot};

use super::model::Model;
use super::plays::{every, keeping};

/// What the hubs keep themselves.
const KEPT: usize = 10;
const STORED: u64 = 50;

fn topic(seq: u64) -> &'static str {
    match seq {
        37 | 38 => "twice",
        40 => "once",
        _ => "often",
    }
}

#[test]
fn the_rest_of_a_snapshot_is_sent_by_a_hub_that_nobody_has_asked_for_the_newest() {
    every(async |case| {
        let model = Model::default();
        for seq in 1..=STORED {
            model.store(topic(seq), seq.to_string());
        }
        for (upto, expected) in [
            // 37 was superseded by what only the broker has as well, and 39 by what the hub has.
            (42, [vec![38, 40], Vec::from_iter(43..=STORED)].concat()),
            // After the snapshot comes everything.
            (38, Vec::from_iter(38..=STORED)),
        ] {
            let hub = model.way().running(case.mover, keeping(KEPT)).await;
            assert_eq!(hub.hub.log().own_tail().seq, STORED - KEPT as u64);
            let rest = Snapshot::new(hub.hub.epoch().id(36), upto);
            let position = Position::Snapshot(rest);
            let mut follower = hub.follow_at_once(&case.listed, ">", position).await;
            let mut once = hub.follow_at_once(&case.listed, "once", position).await;
            assert_eq!(follower.seqs(expected.len()).await, expected, "up to {upto}");
            assert_eq!(once.seqs(1).await, [40]);
            drop((follower, once));
            hub.stop().await;
        }
    });
}
