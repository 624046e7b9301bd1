//! Gaps: a client is informed of notifications that are no longer available.

use tidings_core::{Epoch, GapReason, HubConfig, Id, Position, Retention};

use crate::support::{Running, every_also_mounted};

fn ten_kept() -> HubConfig {
    HubConfig::default().retention(Retention::default().entries(10))
}

#[test]
fn an_evicted_position_is_a_gap_with_the_number_of_missed_notifications() {
    every_also_mounted(async |case| {
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

        // With a filter, the number of missed notifications is unknown.
        let mut filtered = hub.follow(&case.listed, "t", Position::After(id(5))).await;
        assert_eq!(filtered.gap().await.missed, None);
        // The oldest position without a gap, and the one before it.
        let mut whole = hub.follow(&case.listed, ">", Position::After(id(21))).await;
        assert_eq!(whole.seqs(10).await, Vec::from_iter(22..=31));
        let mut one_short = hub.follow(&case.listed, ">", Position::After(id(20))).await;
        assert_eq!(one_short.gap().await.missed, Some(1));
        drop((follower, filtered, whole, one_short));
        hub.stop().await;
    });
}

#[test]
fn positions_of_another_epoch_and_of_the_future_are_gaps() {
    every_also_mounted(async |case| {
        let hub = Running::start(case.config(ten_kept()).await).await;
        hub.publish_numbers(1..=12).await;
        let foreign = Epoch::from_number(7).id(11);
        let future = hub.hub.epoch().id(1000);
        for position in [foreign, future, Id::UNKNOWN] {
            let mut follower = hub.follow(&case.listed, ">", Position::After(position)).await;
            let gap = follower.whole_gap(2).await;
            assert_eq!((gap.after, gap.resume.seq), (position, 2));
            assert_eq!((gap.missed, gap.reason), (None, GapReason::Epoch));
            assert_eq!(follower.seqs(10).await, Vec::from_iter(3..=12));
        }
        hub.stop().await;
    });
}

/// After an error an `EventSource` does not reconnect.
#[test]
fn a_last_event_id_of_another_product_is_answered_with_a_gap() {
    every_also_mounted(async |case| {
        let hub = Running::start(case.config(ten_kept()).await).await;
        hub.publish_numbers(1..=12).await;
        for (header, query) in [
            ("Last-Event-ID: urn:uuid:7b0c6a4e-3f1d-4b8e-9a65-0d2f5c1e8a90\r\n", ""),
            ("Last-Event-ID: caf\u{e9}\r\n", ""),
            ("", "&lastEventId=42"),
            ("", "&Last-Event-ID=EARLIEST"),
            ("Last-Event-ID: 1\r\n", "&after=earliest"),
        ] {
            // A client of HTTP/3 cannot send such a header.
            if case.is_session() && !header.is_ascii() {
                continue;
            }
            let mut peer = case.subscribe(&hub, "%3E", &format!("{query}&wait=0"), header).await;
            peer.accepted().await;
            if case.is_bare() {
                // A gap is not sent, and the first message is the oldest notification.
                assert_eq!(peer.first_payload(case.shape()).await, "3", "{header}{query}");
                continue;
            }
            let gap = String::from_utf8(peer.until(b"\"reason\":\"epoch\"").await).unwrap();
            assert!(gap.contains(r#""after":"0-0""#), "{header}{query}: {gap}");
        }
        hub.stop().await;
    });
}

/// A polyfill of `EventSource` appends the position to the URL that the page has given it.
#[test]
fn a_client_that_puts_its_last_event_id_into_the_query_resumes_there() {
    every_also_mounted(async |case| {
        let hub = Running::start(case.config(ten_kept()).await).await;
        hub.publish_numbers(1..=5).await;
        let at = hub.hub.epoch().id(4);
        for name in
            ["lastEventId", "lastEventID", "Last-Event-ID", "evs_last_event_id", "last_event_id"]
        {
            let query = format!("&after=earliest&wait=0&{name}={at}");
            let mut peer = case.subscribe(&hub, "t", &query, "").await;
            peer.accepted().await;
            assert_eq!(peer.first_payload(case.shape()).await, "5", "{name}");
        }
        hub.stop().await;
    });
}
