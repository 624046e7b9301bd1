//! Two thousand clients connect and disconnect, half of them without a goodbye. No seat and no descriptor is left.
//!
//! This is a separate test crate with one test, because it counts the descriptors of its process.
#![cfg(target_os = "linux")]

mod support;

use std::num::NonZeroUsize;

use futures::future::join_all;
use tidings_core::{HubConfig, Position};
use tokio::task::JoinSet;

use support::{MOVERS, Raw, Running, cases_of, eventually};

/// The number of clients of each kind: those that stay to the end, and those that vanish.
const EACH: usize = 1000;

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[tokio::test]
async fn two_thousand_clients_leak_neither_a_seat_nor_a_descriptor() {
    for mover in MOVERS.iter().copied().filter(|mover| mover.broker.is_none()) {
        let before_the_hub = descriptors();
        let mut config = mover.config(HubConfig::default()).await;
        config.workers = NonZeroUsize::MIN;
        let mut hub = Running::start(config).await;
        // The worker runs once it has responded. That connection may still be open.
        assert_eq!(Raw::get(hub.address, "/healthz").await.status, 200);
        let before_anyone = descriptors();
        let after = hub.hub.log().head();
        let transports = cases_of(mover);
        let transports = || transports.iter().cycle();

        let mut staying = JoinSet::new();
        for case in transports().take(EACH) {
            let mut follower = hub.follow(&case.listed, "t", Position::After(after)).await;
            staying.spawn(async move {
                let news = follower.text().await.1;
                (news, follower)
            });
        }
        let mut vanishing = Vec::new();
        for case in transports().take(EACH) {
            let mut raw = Raw::connect(hub.address).await;
            raw.send(case.request("t", &format!("&after={after}"))).await;
            vanishing.push(raw);
        }
        eventually("all have a seat", async || hub.hub.pool().len() == 2 * EACH).await;
        let both_ends = 4 * EACH;
        assert!(descriptors() + 2 >= before_anyone + both_ends, "{} descriptors", descriptors());

        // One half resets the connection, and the other half closes it.
        for (number, raw) in vanishing.into_iter().enumerate() {
            if number % 2 == 0 {
                raw.reset();
            }
        }
        eventually("their seats are free", async || hub.hub.pool().len() == EACH).await;

        hub.publish("t", "news").await;
        let received = staying.join_all().await;
        assert!(received.len() == EACH && received.iter().all(|(news, _)| news == "news"));
        drop(received);
        eventually("every seat is free", async || hub.hub.pool().is_empty()).await;
        eventually("every descriptor is closed", async || descriptors() <= before_anyone).await;

        // The server serves further clients.
        let again = transports().take(30).map(|case| async {
            let mut follower = hub.follow(&case.listed, "t", Position::Earliest).await;
            follower.text().await.1
        });
        assert!(join_all(again).await.iter().all(|news| news == "news"));
        hub.ask_to_stop();
        hub.ended().await;
        assert!(descriptors() <= before_the_hub, "{} before, {before_the_hub}", descriptors());
    }
}
