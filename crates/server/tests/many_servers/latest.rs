//! The rest of a snapshot that another server has begun, on a server whose log no longer contains it.

use tidings_core::{Position, Snapshot};

use super::model::Model;
use super::plays::{every, keeping};

/// The retention of the servers.
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
fn the_rest_of_a_snapshot_is_sent_by_a_server_that_has_not_begun_it() {
    every(async |case| {
        let model = Model::default();
        for seq in 1..=STORED {
            model.store(topic(seq), seq.to_string());
        }
        for (upto, expected) in [
            // 37 is superseded by a notification of the broker, and 39 by one of the server.
            (42, [vec![38, 40], Vec::from_iter(43..=STORED)].concat()),
            // After the snapshot, everything is sent.
            (38, Vec::from_iter(38..=STORED)),
        ] {
            let hub = model.way().running(case.mover, keeping(KEPT)).await;
            assert_eq!(hub.hub.log().own_floor().seq, STORED - KEPT as u64);
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
