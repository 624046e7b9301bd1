//! Slow readers receive a gap or are disconnected, and other readers are not affected. The stream of a slow reader is
//! not polled, so nothing is read from its socket, or no poll is sent.

use std::time::Duration;

use tidings_core::{GapReason, HubConfig, Position, Reason, Retention, SlowPolicy};

use crate::support::{
    Case, FILLING, NUMBER, Running, among, cases_without_broker, eventually, every_also_mounted,
    every_on_our_connections, every_without_broker, flood, gaps,
};

const TOO_SLOW: &str = "tidings_disconnected_total{reason=\"too_slow\"}";
/// The number of notifications that the server retains.
const KEPT: usize = 8;

async fn hub(case: &Case, policy: SlowPolicy) -> Running {
    let retention = Retention::default().entries(KEPT);
    let mut config = case.config(HubConfig::default().retention(retention)).await;
    config.slow = policy;
    Running::start(config).await
}

#[test]
fn a_slow_reader_receives_a_gap_and_a_quick_reader_everything() {
    every_also_mounted(async |case| {
        let hub = hub(case, SlowPolicy::Gap).await;
        let mut slow = hub.follow(&case.listed, ">", Position::Live).await;
        let mut quick = hub.follow(&case.listed, ">", Position::Live).await;
        let (last, gaps) = gaps(&hub, &mut slow, &mut quick, KEPT as u64).await;
        assert!(!gaps.is_empty(), "the reader was not slow enough for this test");
        // The last gap ends at the floor of the log.
        assert_eq!(gaps.last().unwrap().resume.seq, last.seq - KEPT as u64);
        // A stream lags. A poll comes too late for what was evicted.
        let why = if case.polls() { GapReason::Evicted } else { GapReason::Lagged };
        assert!(gaps.iter().all(|gap| gap.reason == why), "{gaps:?}");
        // After that it has caught up.
        hub.publish("t", "the next").await;
        assert_eq!(slow.text().await, (last.seq + 1, "the next".to_owned()));
        drop((slow, quick));
        hub.stop().await;
    });
}

#[test]
fn a_slow_reader_is_disconnected_if_that_is_the_policy() {
    every_without_broker(async |case| {
        let hub = hub(case, SlowPolicy::Disconnect).await;
        let mut slow = hub.follow(&case.listed, ">", Position::Live).await;
        let mut quick = hub.follow(&case.listed, ">", Position::Live).await;
        let last = flood(&hub, &mut quick, 0).await;
        if case.polls() {
            // A polling client is not connected between two polls, so it receives a gap instead.
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
fn a_slow_reader_receives_the_latest_if_that_is_the_policy() {
    every_without_broker(async |case| {
        let hub = hub(case, SlowPolicy::KeepLatest).await;
        let mut slow = hub.follow(&case.listed, ">", Position::Live).await;
        let mut quick = hub.follow(&case.listed, ">", Position::Live).await;
        // A stream receives only the last notification. A poll receives everything that is retained.
        let kept = if case.polls() { KEPT as u64 } else { 1 };
        let (last, gaps) = gaps(&hub, &mut slow, &mut quick, kept).await;
        assert_eq!(gaps.last().expect("it was slow").resume.seq, last.seq - kept);
        drop((slow, quick));
        hub.stop().await;
    });
}

#[test]
fn a_stalled_reader_is_disconnected_by_the_write_deadline() {
    // Larger than all buffers between the server and the reader.
    const LARGE: usize = 5 << 20;
    every_without_broker(async |case| {
        // A stream sends notifications of this size without compression.
        if case.is_read_whole() && case.polls() {
            return;
        }
        let mut config = case.config(HubConfig::default().max_payload(LARGE)).await;
        config.write_deadline = Duration::from_secs(1);
        let hub = Running::start(config).await;
        hub.publish("t", "x".repeat(LARGE)).await;
        let mut stalled = case.subscribe_narrow(&hub, "t", "&after=earliest").await;
        stalled.accepted().await;
        // The only connection left is that of the request for the metric.
        eventually("the connection is closed", async || {
            hub.metric("tidings_connections").await == 1
        })
        .await;
        assert!(hub.hub.pool().is_empty());
        let read = stalled.rest().await;
        // The unsent bytes are dropped with the connection.
        assert!(read.len() < LARGE / 8, "it has received {} bytes", read.len());
        eventually("it is counted", async || hub.metric(TOO_SLOW).await == 1).await;
        hub.stop().await;
    });
}

/// The payload fits into the socket, so no write of the server waits. The system detects that the client does not read.
#[test]
fn a_reader_that_stalls_is_counted_even_if_its_socket_is_not_full() {
    every_on_our_connections(async |case| {
        if case.is_read_whole() {
            return;
        }
        let mut config = case.config(HubConfig::default()).await;
        config.write_deadline = Duration::from_millis(300);
        let hub = Running::start(config).await;
        hub.publish("t", &**FILLING).await;
        let mut stalled = case.subscribe_narrowest(&hub, "t", "&after=earliest").await;
        stalled.accepted().await;
        eventually("it is counted", async || hub.metric(TOO_SLOW).await == 1).await;
        eventually("the connection is closed", async || {
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
    // Without a broker, which would only be one more process on a busy machine.
    let cases = cases_without_broker().into_iter().filter(|case| !case.polls());
    let cases: Vec<_> = cases.collect();
    among(&cases, &async |case: &Case| {
        let mut config = case.config(HubConfig::default()).await;
        config.write_deadline = Duration::from_secs(2);
        let hub = Running::start(config).await;
        // Before the reader connects, because on a slow machine this takes longer than the write deadline.
        for _ in 0..NUMBER {
            hub.publish("t", &**FILLING).await;
        }
        let mut slow = hub.follow(&case.listed, ">", Position::Earliest).await;
        // All pauses together are longer than the write deadline, but none of them is.
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
