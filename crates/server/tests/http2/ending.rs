//! The end of a connection: by the shutdown of the server, by the idle timeout, and over the limit of connections.

use std::time::Duration;

use tidings_core::HubConfig;

use super::frames::{ACK, DATA, GOAWAY, HEADERS, NO_ERROR, PING, RST_STREAM, events, frame, get};
use crate::support::{Raw, Running, eventually, every_mover_without_broker};

/// Answers the ping of a graceful shutdown.
async fn pong(raw: &mut Raw) {
    let ping = raw.next_of(PING).await;
    raw.send(frame(PING, ACK, 0, &ping.payload)).await;
}

/// Reads until this many streams have ended, and answers pings. Returns the data of the streams and the number of
/// `GOAWAY`, which may come before the data.
async fn last_frames(raw: &mut Raw, mut streams: usize) -> (String, usize) {
    let (mut data, mut goaways) = (String::new(), 0);
    while streams > 0 {
        let frame = raw.next_frame().await;
        match frame.kind {
            GOAWAY => {
                assert_eq!(frame.code(), NO_ERROR);
                goaways += 1;
            }
            PING => raw.send(super::frames::frame(PING, ACK, 0, &frame.payload)).await,
            DATA => data += std::str::from_utf8(&frame.payload).unwrap(),
            _ => assert_eq!(frame.kind, HEADERS),
        }
        streams -= usize::from(frame.ends_stream());
    }
    (data, goaways)
}

#[test]
fn at_the_shutdown_streams_get_their_goodbye_and_connections_a_goaway() {
    every_mover_without_broker(async |mover| {
        let mut hub = mover.hub().await;
        let mut idle = Raw::http2(hub.address, &[]).await;
        idle.send(get(1, "/healthz")).await;
        assert_eq!(idle.data_until(1, "ok").await, "ok\n");
        let mut raw = Raw::http2(hub.address, &[]).await;
        raw.send([events(1, "a"), events(3, "b")].concat()).await;
        eventually("both have a seat", async || hub.hub.pool().len() == 2).await;
        hub.ask_to_stop();
        let (data, goaways) = last_frames(&mut raw, 2).await;
        assert_eq!(data.matches("going_away").count(), 2, "{data}");
        assert!(goaways > 0);
        raw.rest().await;
        assert_eq!(idle.next_of(GOAWAY).await.code(), NO_ERROR);
        pong(&mut idle).await;
        idle.rest().await;
        hub.ended().await;
    });
}

#[test]
fn a_peer_that_does_not_answer_the_goaway_is_cut_off() {
    every_mover_without_broker(async |mover| {
        let mut hub = mover.hub().await;
        let mut raw = Raw::http2(hub.address, &[]).await;
        raw.send(events(1, "a")).await;
        eventually("it has a seat", async || hub.hub.pool().len() == 1).await;
        hub.ask_to_stop();
        hub.ended().await;
        raw.rest().await;
    });
}

#[test]
fn a_connection_without_streams_ends_after_the_idle_timeout() {
    every_mover_without_broker(async |mover| {
        let mut config = mover.config(HubConfig::default()).await;
        config.idle_timeout = Duration::from_millis(300);
        let hub = Running::start(config).await;
        // One has never had a stream, and one has had one. A third has one.
        let mut never = Raw::http2(hub.address, &[]).await;
        let mut once = Raw::http2(hub.address, &[]).await;
        once.send(get(1, "/healthz")).await;
        let mut stays = Raw::http2(hub.address, &[]).await;
        stays.send(events(1, "t")).await;
        for raw in [&mut never, &mut once] {
            assert_eq!(raw.next_of(GOAWAY).await.code(), NO_ERROR);
        }
        // One answers the ping of the shutdown, and the other does not.
        pong(&mut never).await;
        never.rest().await;
        once.rest().await;
        hub.publish("t", "still there").await;
        stays.data_until(1, "still there").await;
        drop(stays);
        hub.stop().await;
    });
}

#[test]
fn a_connection_over_the_limit_is_answered_503_and_ends() {
    every_mover_without_broker(async |mover| {
        let mut config = mover.config(HubConfig::default()).await;
        config.max_connections = 1;
        let hub = Running::start(config).await;
        let mut first = Raw::http2(hub.address, &[]).await;
        first.send(events(1, "t")).await;
        assert!(first.next_of(HEADERS).await.is_ok());
        let mut second = Raw::http2(hub.address, &[]).await;
        second.send(get(1, "/transports")).await;
        let (data, goaways) = last_frames(&mut second, 1).await;
        assert!(data.contains("too many connections"), "{data}");
        assert!(goaways > 0);
        second.rest().await;
        drop(first);
        eventually("its place is free", async || {
            let mut third = Raw::http2(hub.address, &[]).await;
            third.send(get(1, "/transports")).await;
            let head = third.next_frame().await;
            assert_ne!(head.kind, RST_STREAM);
            head.is_ok()
        })
        .await;
        hub.stop().await;
    });
}
