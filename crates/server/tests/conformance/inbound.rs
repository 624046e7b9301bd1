//! Messages of clients that the application handles: the replies to the sender, and everything that must not depend on
//! them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tidings_core::{Heartbeat, HubConfig, Kind, Notification, Reason, Session};
use tidings_server::{Authorizer, HandleMessage, Message, MessageSender, OnMessage};
use tidings_transport::query;
use tokio::sync::Semaphore;
use tokio::time::sleep;

use crate::support::{
    Got, MessageClient, Mover, Raw, Running, eventually, every_mover_also_mounted,
    every_mover_with_messages, masked,
};

struct User(String);

impl Session for User {}

async fn hub(mover: Mover, on_message: OnMessage) -> Running {
    start(mover, HubConfig::default(), on_message).await
}

async fn start(mover: Mover, hub: HubConfig, on_message: OnMessage) -> Running {
    let mut config = mover.config(hub).await;
    config.on_message = Some(on_message);
    config.write_deadline = Duration::from_secs(2);
    config.authorizer = Authorizer::from_fn(|request, _| {
        Ok(User(query(request, "name").unwrap_or_default().into_owned()))
    });
    Running::start(config).await
}

/// Returns text messages.
fn texts(texts: &[&str]) -> Vec<Message> {
    texts.iter().map(|&text| Message::text(text)).collect()
}

/// Replies to some messages at once and to others after a while, with the name of the sender.
struct Named;

impl HandleMessage for Named {
    async fn handle(
        &self,
        sender: MessageSender,
        message: Message,
    ) -> Result<Option<Message>, Reason> {
        let user = sender.session::<User>().ok_or(Reason::NotAllowed)?;
        let Some(text) = message.as_text() else { return Ok(Some(message)) };
        if matches!(text, "7" | "507") {
            sleep(Duration::from_millis(2)).await;
        }
        assert!(sender.filters().matches(&"a.b".parse().unwrap()));
        Ok(Some(Message::text(format!("{} {text}", user.0))))
    }
}

#[test]
fn replies_go_to_the_sender_alone_in_the_order_of_its_messages() {
    // More than fit into one packet, and more than a lane handles at a time.
    const NUMBER: usize = 1_000;
    every_mover_with_messages(async |mover| {
        let hub = hub(mover, OnMessage::new(Named)).await;
        let mut ann = MessageClient::open(&hub, "a.*?name=ann").await;
        let mut bob = MessageClient::open(&hub, "a.*?name=bob").await;
        let mut listener = MessageClient::open(&hub, "a.*").await;
        let sent: Vec<_> = (0..NUMBER).map(|number| Message::text(number.to_string())).collect();
        ann.send_meanwhile(sent).await;
        bob.send(&texts(&["hi"])).await;
        assert_eq!(bob.text().await, "bob hi");
        for number in 0..NUMBER {
            assert_eq!(ann.text().await, format!("ann {number}"));
        }
        bob.send(&[Message::binary(vec![0, 255])]).await;
        assert_eq!(bob.message().await, Message::binary(vec![0, 255]));
        // No other client was sent a reply, and none is in the log.
        let id = hub.publish("a.b", "news").await;
        assert_eq!(id.seq, 1);
        for client in [&mut ann, &mut bob, &mut listener] {
            assert_eq!(client.text().await, "news");
        }
        drop((ann, bob, listener));
        hub.stop().await;
    });
}

#[test]
fn the_subprotocol_has_a_form_for_replies() {
    every_mover_also_mounted(async |mover| {
        let hub = hub(mover, OnMessage::new(Named)).await;
        let protocol = "Sec-WebSocket-Protocol: tidings.v1\r\n";
        let mut raw = Raw::open_websocket(hub.address, "a.*?name=ann", protocol).await;
        let mut text = async || String::from_utf8(raw.frame().await.1).unwrap();
        assert!(text().await.starts_with("{\"ping\":"));
        raw.send([masked(0x81, b"\"1\""), masked(0x82, &[0, 255])].concat()).await;
        let mut text = async || String::from_utf8(raw.frame().await.1).unwrap();
        assert_eq!(text().await, r#"{"reply":{"data":"ann \"1\""}}"#);
        assert_eq!(text().await, r#"{"reply":{"data_base64":"AP8="}}"#);
        drop(raw);
        hub.stop().await;
    });
}

/// Replies once the semaphore has a permit for it. Counts the messages that are being handled.
#[derive(Clone)]
struct Waits {
    permits: Arc<Semaphore>,
    handling: Arc<AtomicUsize>,
}

impl Waits {
    fn new() -> Self {
        Self { permits: Arc::new(Semaphore::new(0)), handling: Arc::default() }
    }

    fn handling(&self) -> usize {
        self.handling.load(Ordering::SeqCst)
    }
}

/// Counts a message as being handled until it is dropped, which happens with the future of the handler.
struct Handling<'a>(&'a AtomicUsize);

impl Drop for Handling<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl HandleMessage for Waits {
    async fn handle(&self, _: MessageSender, message: Message) -> Result<Option<Message>, Reason> {
        self.handling.fetch_add(1, Ordering::SeqCst);
        let _handling = Handling(&self.handling);
        self.permits.acquire().await.unwrap().forget();
        Ok(Some(message))
    }
}

#[test]
fn while_a_message_is_handled_deliveries_go_on_and_further_messages_wait() {
    let heartbeat = Heartbeat::default().interval(Duration::from_millis(30)).strikes(2);
    every_mover_with_messages(async |mover| {
        let waits = Waits::new();
        let config = HubConfig::default().heartbeat(heartbeat);
        let hub = start(mover, config, OnMessage::new(waits.clone())).await;
        let mut client = MessageClient::open(&hub, "t").await;
        client.send(&texts(&["one", "two"])).await;
        client.send(&texts(&["three"])).await;
        eventually("it is handled", async || waits.handling() == 1).await;
        let mut heartbeats = 0;
        for number in 0..4 {
            hub.publish("t", format!("news {number}")).await;
            let news = loop {
                match client.next().await {
                    Got::Heartbeat => heartbeats += 1,
                    news => break news,
                }
            };
            assert_eq!(news, Got::Message(Message::text(format!("news {number}"))));
        }
        // The server does not read from the client meanwhile, so the client is not considered silent.
        while heartbeats < 8 {
            assert_eq!(client.next().await, Got::Heartbeat);
            heartbeats += 1;
        }
        assert_eq!(waits.handling(), 1, "the second waits for the first");
        waits.permits.add_permits(3);
        for expected in texts(&["one", "two", "three"]) {
            loop {
                match client.next().await {
                    Got::Heartbeat => client.pong().await,
                    reply => break assert_eq!(reply, Got::Message(expected)),
                }
            }
        }
        drop(client);
        hub.stop().await;
    });
}

#[test]
fn a_handler_that_does_not_return_is_ended_by_its_time_limit() {
    every_mover_with_messages(async |mover| {
        let waits = Waits::new();
        let on_message = OnMessage::new(waits.clone()).time_limit(Duration::from_millis(50));
        let hub = hub(mover, on_message).await;
        let mut client = MessageClient::open(&hub, "t").await;
        client.send(&texts(&["anyone?"])).await;
        assert_eq!(client.texts_to_close().await, (vec![], Reason::Internal.code()));
        assert_eq!(waits.handling(), 0);
        eventually("its seat is free", async || hub.hub.pool().is_empty()).await;
        hub.stop().await;
    });
}

/// How a client leaves.
#[derive(Clone, Copy)]
enum Leave {
    Drop,
    Close,
    Reset,
}

#[test]
fn a_client_that_leaves_ends_its_handler_and_frees_its_seat() {
    // By a bridge, a stream of HTTP/2 is half closed first. That it is reset then is detected by the next heartbeat.
    let heartbeat = Heartbeat::default().interval(Duration::from_secs(1));
    every_mover_with_messages(async |mover| {
        let waits = Waits::new();
        let on_message = OnMessage::new(waits.clone()).time_limit(Duration::from_secs(3600));
        let hub = start(mover, HubConfig::default().heartbeat(heartbeat), on_message).await;
        // With and without unread messages, and in every way to leave.
        for (rest, leave) in [
            (vec![], Leave::Drop),
            (vec![], Leave::Close),
            (vec![], Leave::Reset),
            (texts(&["2"]), Leave::Reset),
        ] {
            let mut client = MessageClient::open(&hub, "t").await;
            client.send(&texts(&["1"])).await;
            eventually("it is handled", async || waits.handling() == 1).await;
            client.send(&rest).await;
            match leave {
                Leave::Drop => drop(client),
                Leave::Close => client.close().await,
                Leave::Reset => client.reset(),
            }
            eventually("its seat is free", async || hub.hub.pool().is_empty()).await;
            eventually("its handler is gone", async || waits.handling() == 0).await;
        }
        hub.stop().await;
    });
}

#[test]
fn an_error_ends_the_client_after_what_it_has_published_and_a_panic_ends_no_other_client() {
    every_mover_with_messages(async |mover| {
        let on_message = OnMessage::new(async |sender: MessageSender, message: Message| {
            let topic = "t".parse().unwrap();
            match message.as_text() {
                Some("panic") => panic!("this is the panic of a test"),
                Some("hub") => {
                    let notification = Notification::text(topic, "by the hub");
                    sender.hub().publish(notification).await.map_err(|error| error.reason())?;
                }
                _ => drop(sender.publish(topic, message).await?),
            }
            Err(Reason::Normal)
        });
        let hub = hub(mover, on_message).await;
        let mut other = MessageClient::open(&hub, "t").await;
        let mut published = Vec::new();
        for (sent, echoed, code) in [
            ("last words", Some("last words"), 1000),
            ("hub", Some("by the hub"), 1000),
            ("panic", None, 1011),
        ] {
            // With a broker, the hub does not wait for what the handler has published by the hub itself.
            if mover.broker.is_some() && sent == "hub" {
                continue;
            }
            let mut client = MessageClient::open(&hub, "t").await;
            client.send(&texts(&[sent, "not handled"])).await;
            let (texts, closed) = client.texts_to_close().await;
            assert_eq!((texts, closed), (echoed.iter().map(|&it| it.to_owned()).collect(), code));
            published.extend(echoed);
        }
        for expected in published {
            assert_eq!(other.text().await, expected);
        }
        drop(other);
        hub.stop().await;
    });
}

#[test]
fn replies_that_a_client_does_not_read_are_bounded() {
    const REPLY: usize = 64 << 10;
    const MESSAGES: usize = 3_000;
    // More than the buffers of the two sockets.
    const MOST: usize = 24 << 20;
    every_mover_with_messages(async |mover| {
        let handled = Arc::new(AtomicUsize::new(0));
        let counter = handled.clone();
        let on_message = OnMessage::from_fn(move |_, _| {
            counter.fetch_add(1, Ordering::SeqCst);
            Ok(Some(Message::binary(vec![0; REPLY])))
        });
        let hub = hub(mover, on_message).await;
        let mut client = MessageClient::open(&hub, "t").await;
        client.send_meanwhile(texts(&["?"; MESSAGES])).await;
        // The write deadline ends it.
        eventually("its seat is free", async || hub.hub.pool().is_empty()).await;
        let handled = handled.load(Ordering::SeqCst);
        assert!(handled > 0 && handled * REPLY < MOST, "{handled} replies");
        drop(client);

        // A client that reads slowly receives all of them.
        let mut client = MessageClient::open(&hub, "t").await;
        client.send_meanwhile(texts(&["?"; 200])).await;
        for number in 0..200 {
            let reply = client.message().await;
            assert_eq!((reply.kind, reply.payload.len()), (Kind::Binary, REPLY), "{number}");
        }
        drop(client);
        hub.stop().await;
    });
}
