//! Quiet clients are spoken to, and silent ones given up.

use std::time::Duration;

use tidings_core::{Heartbeat, HubConfig, Position, Reason};
use tidings_transport::Shape;
use tidings_transport::client::Arrival;

use crate::support::{Case, Raw, Running, every_also_mounted, every_shaped, masked};

/// So many intervals, which are 1.5 seconds, are time enough to answer even on a busy machine.
const STRIKES: u8 = 30;

/// A hub with a short interval.
async fn quick(case: &Case, strikes: u8) -> Running {
    let heartbeat = Heartbeat::default().interval(Duration::from_millis(50)).strikes(strikes);
    Running::start(case.config(HubConfig::default().heartbeat(heartbeat)).await).await
}

#[test]
fn idle_yields_heartbeats_that_tell_the_position() {
    every_also_mounted(async |case| {
        let hub = quick(case, u8::MAX).await;
        // The wait is for those who poll: the end of it is their heartbeat, and a second is the shortest.
        let mut follower = hub.follow(&case.listed, "t?wait=1", Position::Live).await;
        let head = hub.publish("another", "not for us").await;
        let mut told = Vec::new();
        while !told.ends_with(&[1, 1]) {
            match follower.arrival().await {
                Arrival::Heartbeat(position) => told.extend(position.map(|id| id.seq)),
                other => panic!("{other:?}"),
            }
        }
        // The first says where it came in; the last ones that what is not for it has been looked at.
        assert!(told[0] == 0 && told.is_sorted() && told.iter().all(|&seq| seq <= 1), "{told:?}");
        drop(follower);

        // So nothing is told twice, and nothing is missed.
        let mut follower = hub.follow(&case.listed, "t,another", Position::After(head)).await;
        hub.publish("t", "news").await;
        assert_eq!(follower.text().await.1, "news");
        drop(follower);
        hub.stop().await;
    });
}

#[test]
fn a_client_of_ours_answers_every_ping_and_is_kept() {
    every_shaped(
        |shape| shape == Shape::Upgrade,
        async |case| {
            let hub = quick(case, STRIKES).await;
            let mut follower = hub.follow(&case.listed, "t", Position::Live).await;
            for _ in 0..2 * STRIKES {
                assert!(matches!(follower.arrival().await, Arrival::Heartbeat(_)));
            }
            hub.publish("t", "still there").await;
            assert_eq!(follower.text().await.1, "still there");
            drop(follower);
            hub.stop().await;
        },
    );
}

#[test]
fn a_silent_peer_is_dropped_after_its_strikes() {
    every_shaped(
        |shape| shape == Shape::Upgrade,
        async |case| {
            let strikes = 3;
            let hub = quick(case, strikes).await;
            let mut silent = Raw::connect(hub.address).await;
            silent.send(case.request("t", "")).await;
            assert_eq!(silent.head().await.status, 101);
            for _ in 0..strikes {
                assert_eq!(silent.frame().await.0, 0x89, "a ping");
            }
            let (first, payload) = silent.frame().await;
            let code = Reason::Silent.code().to_be_bytes();
            assert_eq!((first, payload.get(..2)), (0x88, Some(&code[..])));
            assert!(silent.rest().await.is_empty());
            hub.stop().await;
        },
    );
}

#[test]
fn any_sign_of_life_forgives_every_strike() {
    every_shaped(
        |shape| shape == Shape::Upgrade,
        async |case| {
            let hub = quick(case, STRIKES).await;
            let mut peer = Raw::connect(hub.address).await;
            peer.send(case.request("t", "")).await;
            assert_eq!(peer.head().await.status, 101);
            for _ in 0..5 {
                for _ in 0..STRIKES / 3 {
                    assert_eq!(peer.frame().await.0, 0x89);
                }
                // An unasked pong, which needs no answer (RFC 6455, section 5.5.3).
                peer.send(masked(0x8a, b"")).await;
            }
            drop(peer);
            hub.stop().await;
        },
    );
}
