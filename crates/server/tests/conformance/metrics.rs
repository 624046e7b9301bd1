//! The metrics at `/metrics`.

use tidings_core::{Position, Reason};

use crate::support::{
    Accepts, Raw, Reader, all_listed, eventually, every, every_compressed_stream, every_mover,
};

#[test]
fn every_label_exists_from_the_start() {
    every_mover(async |mover| {
        let hub = mover.hub().await;
        let metrics = Raw::get(hub.address, "/metrics").await.text();
        let mut expected =
            vec!["tidings_published_total 0".to_owned(), "tidings_rejected_total 0".to_owned()];
        for listed in all_listed() {
            let name = listed.server.name();
            expected.push(format!("tidings_delivered_total{{transport=\"{name}\"}} 0"));
            expected.push(format!("tidings_clients{{transport=\"{name}\"}} 0"));
        }
        for reason in Reason::ALL {
            expected.push(format!("tidings_disconnected_total{{reason=\"{}\"}} 0", reason.name()));
        }
        for line in expected {
            assert!(metrics.lines().any(|given| given == line), "{line} is not in {metrics}");
        }
        hub.stop().await;
    });
}

#[test]
fn deliveries_are_counted_by_transport() {
    every(async |case| {
        let hub = case.hub().await;
        let after = Position::After(hub.hub.log().head());
        let mut follower = hub.follow(&case.listed, "t", after).await;
        hub.publish("t", "x").await;
        assert_eq!(follower.text().await.1, "x");
        let delivered = format!("tidings_delivered_total{{transport=\"{}\"}}", case.transport());
        eventually("it is counted", async || hub.metric(&delivered).await == 1).await;
        drop(follower);
        hub.stop().await;
    });
}

#[test]
fn the_contexts_of_compressed_streams_are_counted() {
    every_compressed_stream(async |case| {
        let hub = case.hub().await;
        let contexts = async || hub.metric("tidings_compression_contexts").await;
        let text = Raw::get(hub.address, "/metrics").await.text();
        assert!(text.contains("\ntidings_compression_contexts 0\n"), "{text}");
        let mut readers = Vec::new();
        for topic in ["a", "a", "b"] {
            let accepts = Accepts::Compression;
            readers.push(Reader::open(&hub, case, (topic, ""), accepts, true).await);
        }
        // A stream gets a context with its first notification.
        for (topic, expected) in [("a", 1), ("a", 1), ("b", 2), ("none", 2)] {
            hub.publish(topic, "x").await;
            eventually(topic, async || contexts().await == expected).await;
        }
        drop(readers);
        eventually("no context is left", async || contexts().await == 0).await;
        hub.stop().await;
    });
}

#[test]
fn an_unknown_path_is_not_counted_as_a_rejection() {
    every_mover(async |mover| {
        let hub = mover.hub().await;
        let icon = Raw::get(hub.address, "/favicon.ico").await;
        assert_eq!((icon.status, icon.header("content-type")), (200, Some("image/svg+xml")));
        assert_eq!(icon.header("cache-control"), Some("public, max-age=86400"));
        assert_eq!(Raw::get(hub.address, "/wp-login.php").await.status, 404);
        assert_eq!(hub.metric("tidings_rejected_total").await, 0);
        assert_eq!(Raw::get(hub.address, "/topics/a..b").await.status, 400);
        assert_eq!(hub.metric("tidings_rejected_total").await, 1);
        hub.stop().await;
    });
}
