//! The beginning of a connection: the preface, whole, in parts, and not quite.

use std::time::Duration;

use tidings_core::HubConfig;

use super::frames::{END_STREAM, GOAWAY, PREFACE, frame, get, settings};
use crate::support::{Answer, Raw, Running, every_mover_without_broker};

#[test]
fn a_preface_is_recognized_in_parts_of_any_size() {
    every_mover_without_broker(async |mover| {
        let hub = mover.hub().await;
        let all = [PREFACE, &settings(&[]), &get(1, "/healthz")].concat();
        for size in [1, 3, 23, 24, 25, all.len()] {
            let mut raw = Raw::connect(hub.address).await;
            raw.stream.set_nodelay(true).unwrap();
            for part in all.chunks(size) {
                raw.send(part).await;
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            assert!(raw.next_frame().await.is_ok(), "{size}");
            let body = raw.next_frame().await;
            assert_eq!((body.payload.as_slice(), body.flags), (&b"ok\n"[..], END_STREAM));
        }
        hub.stop().await;
    });
}

#[test]
fn a_preface_that_is_not_one_is_answered_by_http1() {
    every_mover_without_broker(async |mover| {
        let hub = mover.hub().await;
        for wrong in ["PRI * HTTP/2.0\r\n\r\nSX\r\n\r\n", "PRI * HTTP/2.0\r\nHost: hub\r\n\r\n"] {
            let mut raw = Raw::connect(hub.address).await;
            raw.send(wrong).await;
            let answers = Answer::all(&raw.rest().await);
            assert_eq!(answers.len(), 1);
            assert_eq!(answers[0].rejection(), (505, "unknown_version".to_owned()));
        }
        hub.stop().await;
    });
}

#[test]
fn a_preface_that_is_never_completed_ends_at_the_head_deadline() {
    every_mover_without_broker(async |mover| {
        let mut config = mover.config(HubConfig::default()).await;
        config.head_deadline = Duration::from_millis(100);
        let hub = Running::start(config).await;
        let mut raw = Raw::connect(hub.address).await;
        raw.send(&PREFACE[..20]).await;
        assert!(raw.rest().await.is_empty());
        hub.stop().await;
    });
}

#[test]
fn what_is_not_a_frame_ends_the_connection_with_a_goaway() {
    every_mover_without_broker(async |mover| {
        let hub = mover.hub().await;
        // A frame that is larger than allowed, a SETTINGS on a stream, and a stream with an even number.
        for (wrong, code) in
            [(b"GET / HTTP/1.1\r\n".to_vec(), 6), (frame(4, 0, 1, &[]), 1), (get(2, "/healthz"), 1)]
        {
            let mut raw = Raw::http2(hub.address, &[]).await;
            raw.send(wrong).await;
            assert_eq!(raw.next_of(GOAWAY).await.code(), code);
            raw.rest().await;
        }
        assert_eq!(Raw::get(hub.address, "/healthz").await.status, 200);
        hub.stop().await;
    });
}
