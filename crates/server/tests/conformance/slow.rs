//! Slow readers: told or let go, while others notice nothing. A slow reader is one whose stream nobody
//! polls: nothing reads its socket then, or no poll is sent.

use std::time::Duration;

use tidings_core::{GapReason, HubConfig, Position, Reason, Retention, SlowPolicy};

use crate::support::{
    Case, NUMBER, PAYLOAD, Raw, Running, among, cases, eventually, every_also_mounted,
    every_on_our_connections, every_without_broker, flood, gaps,
};

const TOO_SLOW: &str = "tidings_let_go_total{reason=\"too_slow\"}";
/// How many of them the hub keeps.
const KEPT: usize = 8;

async fn hub(case: &Case, policy: SlowPolicy) -> Running {
    let retention = Retention::default().entries(KEPT);
    let mut config = case.config(HubConfig::default().retention(retention)).await;
    config.slow = policy;
    Running::start(config).await
}

#[test]
fn a_slow_reader_is_told_its_gap_and_others_notice_nothing() {
    every_also_mounted(async |case| {
        let hub = hub(case, SlowPolicy::Gap).await;
        let mut slow = hub.follow(&case.listed, ">", Position::Live).await;
        let mut quick = hub.follow(&case.listed, ">", Position::Live).await;
        let (last, gaps) = gaps(&hub, &mut slow, &mut quick, KEPT as u64).await;
        assert!(!gaps.is_empty(), "the reader was not slow enough for this test");
        // The last gap ends where the log began when it was told.
        assert_eq!(gaps.last().unwrap().resume.seq, last.seq - KEPT as u64);
        // To be behind is to be slow; to ask late is to come too late.
        let why = if case.polls() { GapReason::Evicted } else { GapReason::Lagged };
        assert!(gaps.iter().all(|gap| gap.reason == why), "{gaps:?}");
        // And it has caught up for good.
        hub.publish("t", "the next").await;
        assert_eq!(slow.text().await, (last.seq + 1, "the next".to_owned()));
        drop((slow, quick));
        hub.stop().await;
    });
}

#[test]
fn a_slow_reader_is_let_go_where_that_is_the_policy() {
    every_without_broker(async |case| {
        let hub = hub(case, SlowPolicy::Disconnect).await;
        let mut slow = hub.follow(&case.listed, ">", Position::Live).await;
        let mut quick = hub.follow(&case.listed, ">", Position::Live).await;
        let last = flood(&hub, &mut quick, 0).await;
        if case.polls() {
            // Who polls is not connected in between: nobody to let go, and a gap to tell.
            assert_eq!(slow.read_up_to(last, 0).await.len(), 1);
        } else {
            let goodbye = slow.goodbye().await;
            assert_eq!(goodbye.code, Some(Reason::TooSlow.code()));
            assert!(goodbye.is_worth_reconnecting());
            eventually("it is counted", async || hub.metric(TOO_SLOW).await == 1).await;
        }
        hub.publish("t", "the next").await;
        assert_eq!(quick.text().await, (NUMBER + 1, "the next".to_owned()));
        drop(quick);
        eventually("their seats are free", async || hub.hub.pool().is_empty()).await;
        hub.stop().await;
    });
}

#[test]
fn a_slow_reader_is_told_the_latest_where_that_is_the_policy() {
    every_without_broker(async |case| {
        let hub = hub(case, SlowPolicy::KeepLatest).await;
        let mut slow = hub.follow(&case.listed, ">", Position::Live).await;
        let mut quick = hub.follow(&case.listed, ">", Position::Live).await;
        // Everything is published, so the latest is the last; who asks late asks for what is kept.
        let kept = if case.polls() { KEPT as u64 } else { 1 };
        let (last, gaps) = gaps(&hub, &mut slow, &mut quick, kept).await;
        assert_eq!(gaps.last().expect("it was slow").resume.seq, last.seq - kept);
        drop((slow, quick));
        hub.stop().await;
    });
}

#[test]
fn a_reader_that_silently_stalls_is_found_by_the_write_deadline() {
    // One payload that is larger than all the buffers in between.
    const LARGE: usize = 5 << 20;
    every_without_broker(async |case| {
        let mut config = case.config(HubConfig::default().max_payload(LARGE)).await;
        config.write_deadline = Duration::from_secs(1);
        let hub = Running::start(config).await;
        hub.publish("t", "x".repeat(LARGE)).await;
        let mut stalled = Raw::connect_narrow(hub.address).await;
        stalled.send(case.request("t", "&after=earliest")).await;
        assert!(matches!(stalled.head().await.status, 101 | 200));
        // The one connection that is left is the one that asks.
        eventually("the hub gives the connection up", async || {
            hub.metric("tidings_connections").await == 1
        })
        .await;
        assert!(hub.hub.pool().is_empty());
        let read = stalled.rest().await;
        assert!(read.len() < LARGE, "it was sent everything, {} bytes", read.len());
        eventually("it is counted", async || hub.metric(TOO_SLOW).await == 1).await;
        hub.stop().await;
    });
}

/// What is sent fits into the socket, so the hub has nothing to wait for, and the system finds that the peer takes
/// nothing.
#[test]
fn a_reader_that_stalls_is_counted_even_if_its_socket_is_not_full() {
    every_on_our_connections(async |case| {
        let mut config = case.config(HubConfig::default()).await;
        config.write_deadline = Duration::from_millis(300);
        let hub = Running::start(config).await;
        hub.publish("t", "x".repeat(PAYLOAD)).await;
        let mut stalled = Raw::connect_narrow(hub.address).await;
        stalled.send(case.request("t", "&after=earliest")).await;
        assert!(matches!(stalled.head().await.status, 101 | 200));
        eventually("the hub counts it", async || hub.metric(TOO_SLOW).await == 1).await;
        eventually("and closes its connection", async || {
            hub.metric("tidings_connections").await == 1
        })
        .await;
        assert!(hub.hub.pool().is_empty());
        drop(stalled);
        hub.stop().await;
    });
}

#[test]
fn a_reader_that_is_slow_and_steady_is_kept() {
    // A broker has no part in it, and is one more thing that a busy machine has to serve within the deadline.
    let fits = |case: &Case| !case.polls() && case.mover.broker.is_none();
    let cases: Vec<_> = cases().into_iter().filter(fits).collect();
    among(&cases, &async |case: &Case| {
        let mut config = case.config(HubConfig::default()).await;
        config.write_deadline = Duration::from_secs(2);
        let hub = Running::start(config).await;
        // Before the reader comes: on a slow machine this takes longer than a write may wait.
        let payload = "x".repeat(PAYLOAD);
        for _ in 0..NUMBER {
            hub.publish("t", payload.clone()).await;
        }
        let mut slow = hub.follow(&case.listed, ">", Position::Earliest).await;
        // The pauses are what is tested: all of them together are longer than a write may wait, and none
        // of them is.
        for seq in 1..=NUMBER {
            if seq % 5 == 0 {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            assert_eq!(slow.text().await.0, seq);
        }
        drop(slow);
        hub.stop().await;
    });
}
