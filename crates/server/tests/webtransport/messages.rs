//! The messages of clients.

use std::sync::Arc;

use tidings_core::{HubConfig, Position};
use tidings_server::{Message, OnMessage};
use tidings_webtransport::{WebTransport, WebTransportConfig};

use super::client::{Lines, closed, open, send, start};
use crate::support::{all_listed, in_time};

#[tokio::test]
async fn a_message_is_published_and_is_text_if_it_is_utf8() {
    in_time(async {
        let hub = start(HubConfig::default(), |_| {}).await;
        let mut other = hub.follow(&all_listed()[0], "t", Position::Live).await;
        let session = open(&hub, "/topics/t").await;
        let mut lines = Lines::of(&session).await;
        assert_eq!(lines.next().await["ping"], 25_000);
        send(&session, "snow ☃".as_bytes()).await;
        assert_eq!(lines.news().await["data"], "snow ☃");
        send(&session, b"\xff\0").await;
        assert_eq!(lines.news().await["data_base64"], "/wA=");
        send(&session, b"").await;
        assert_eq!(lines.news().await["data"], "");
        assert_eq!(other.text().await, (1, "snow ☃".to_owned()));
        assert_eq!(other.notification().await.payload, &b"\xff\0"[..]);
        hub.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_large_message_arrives_whole_and_a_stream_that_is_reset_is_ignored() {
    in_time(async {
        let hub = start(HubConfig::default(), |_| {}).await;
        let session = open(&hub, "/topics/t").await;
        let mut lines = Lines::of(&session).await;
        let mut broken = session.open_uni().await.unwrap();
        // More than a stream may have unread, so the server has begun to read it.
        broken.write_all(&vec![b'x'; 300 << 10]).await.unwrap();
        broken.reset(1).unwrap();
        let large = "x".repeat(1 << 20);
        send(&session, large.as_bytes()).await;
        assert_eq!(lines.news().await["data"], large);
        hub.stop().await;
    })
    .await;
}

#[tokio::test]
async fn replies_come_in_the_order_of_the_messages() {
    in_time(async {
        let on_message = OnMessage::new(|_, message: Message| async move {
            tokio::task::yield_now().await;
            Ok(Some(message))
        });
        let hub = start(HubConfig::default(), |config| config.on_message = Some(on_message)).await;
        let session = open(&hub, "/topics/a.*").await;
        let mut lines = Lines::of(&session).await;
        for number in 0..40 {
            send(&session, number.to_string().as_bytes()).await;
            assert_eq!(lines.news().await["reply"]["data"], number.to_string());
        }
        hub.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_message_over_the_limit_ends_the_session_after_the_messages_before_it() {
    in_time(async {
        let transport = WebTransport::new(WebTransportConfig::default().max_message(10));
        let hub = start(HubConfig::default(), |config| {
            config.transports = vec![Arc::new(transport)];
        })
        .await;
        let session = open(&hub, "/topics/t").await;
        let mut lines = Lines::of(&session).await;
        send(&session, b"ten bytes!").await;
        assert_eq!(lines.news().await["data"], "ten bytes!");
        send(&session, b"eleven byte").await;
        assert_eq!(lines.news().await["goodbye"]["reason"], "too_big");
        assert_eq!(closed(&session).await, (1009, "message too big".to_owned()));
        hub.stop().await;
    })
    .await;
}
