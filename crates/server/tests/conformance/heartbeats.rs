//! Heartbeats are sent to idle clients, and clients that do not respond are disconnected.

use std::time::Duration;

use tidings_core::{Heartbeat, HubConfig, Position, Reason};
use tidings_transport::Shape;
use tidings_transport::client::Arrival;

use crate::support::{
    Case, Raw, Running, every_also_mounted, every_shaped, every_websocket, masked,
};

/// The number of intervals without a response that end a client. They are 1.5 seconds, enough on a busy machine.
const STRIKES: u8 = 30;

/// Starts a server with heartbeats every 50 ms.
async fn quick(case: &Case, strikes: u8) -> Running {
    let heartbeat = Heartbeat::default().interval(Duration::from_millis(50)).strikes(strikes);
    Running::start(case.config(HubConfig::default().heartbeat(heartbeat)).await).await
}

#[test]
fn an_idle_client_receives_heartbeats_with_its_position() {
    every_also_mounted(async |case| {
        let hub = quick(case, u8::MAX).await;
        // A poll has a heartbeat when its hold ends. A second is the shortest hold.
        let mut follower = hub.follow(&case.listed, "t?wait=1", Position::Live).await;
        let head = hub.publish("another", "not for us").await;
        let mut seqs = Vec::new();
        while !seqs.ends_with(&[1, 1]) {
            match follower.arrival().await {
                Arrival::Heartbeat(position) => seqs.extend(position.map(|id| id.seq)),
                other => panic!("{other:?}"),
            }
        }
        // The first one contains the position at the start. The last ones are after the notification that does not
        // match.
        assert!(seqs[0] == 0 && seqs.is_sorted() && seqs.iter().all(|&seq| seq <= 1), "{seqs:?}");
        drop(follower);

        // A client that resumes there receives nothing twice and misses nothing.
        let mut follower = hub.follow(&case.listed, "t,another", Position::After(head)).await;
        hub.publish("t", "news").await;
        assert_eq!(follower.text().await.1, "news");
        drop(follower);
        hub.stop().await;
    });
}

#[test]
fn a_client_of_ours_responds_to_every_ping_and_is_kept() {
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
fn a_silent_client_is_disconnected_after_its_strikes() {
    every_websocket(async |case| {
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
    });
}

#[test]
fn any_frame_of_the_client_resets_its_strikes() {
    every_websocket(async |case| {
        let hub = quick(case, STRIKES).await;
        let mut peer = Raw::connect(hub.address).await;
        peer.send(case.request("t", "")).await;
        assert_eq!(peer.head().await.status, 101);
        for _ in 0..5 {
            for _ in 0..STRIKES / 3 {
                assert_eq!(peer.frame().await.0, 0x89);
            }
            // An unsolicited pong, which needs no response (RFC 6455, section 5.5.3).
            peer.send(masked(0x8a, b"")).await;
        }
        drop(peer);
        hub.stop().await;
    });
}
