//! Messages of clients that are published, by WebSocket and by WebTransport.

use tidings_core::HubConfig;
use tidings_server::{Action, Authorizer, Message};
use tidings_transport::Rejection;

use crate::support::{MessageClient, Running, every_mover_with_messages};

#[test]
fn a_client_that_may_not_publish_is_closed_with_1008() {
    every_mover_with_messages(async |mover| {
        let hub = mover.hub().await;
        for filters in ["*", "%3E", "a,b", "a.*"] {
            let mut client = MessageClient::open(&hub, filters).await;
            client.send(&[Message::text("to whom?")]).await;
            assert_eq!(client.texts_to_close().await.1, 1008, "{filters}");
        }
        hub.stop().await;

        let mut config = mover.config(HubConfig::default()).await;
        config.authorizer = Authorizer::from_fn(|_, action| match action {
            Action::Subscribe(_) => Ok(()),
            _ => Err(Rejection::new(http::StatusCode::FORBIDDEN, "forbidden", "read only")),
        });
        let hub = Running::start(config).await;
        let mut client = MessageClient::open(&hub, "t").await;
        client.send(&[Message::text("may I?")]).await;
        assert_eq!(client.texts_to_close().await.1, 1008);
        assert_eq!(hub.hub.log().head().seq, 0);
        hub.stop().await;
    });
}

#[test]
fn a_message_over_the_servers_own_limit_is_closed_with_1009() {
    every_mover_with_messages(async |mover| {
        let config = mover.config(HubConfig::default().max_payload(10)).await;
        let hub = Running::start(config).await;
        let mut client = MessageClient::open(&hub, "t").await;
        client.send(&["ten bytes!", "eleven byte"].map(Message::text)).await;
        assert_eq!(client.texts_to_close().await.1, 1009);
        assert_eq!(hub.hub.log().head().seq, 1);
        hub.stop().await;
    });
}

#[test]
fn a_sender_does_not_receive_its_own_messages_without_echo() {
    every_mover_with_messages(async |mover| {
        let mut config = mover.config(HubConfig::default()).await;
        config.echo = false;
        let hub = Running::start(config).await;
        let mut ann = MessageClient::open(&hub, "t").await;
        let mut bob = MessageClient::open(&hub, "t").await;
        for number in 0..10 {
            ann.send(&[Message::text(format!("ann {number}"))]).await;
            assert_eq!(bob.text().await, format!("ann {number}"));
            bob.send(&[Message::text(format!("bob {number}"))]).await;
            assert_eq!(ann.text().await, format!("bob {number}"));
        }
        drop((ann, bob));
        hub.stop().await;
    });
}
