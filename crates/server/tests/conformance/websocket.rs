//! Messages that a client sends over a WebSocket. The client is `tokio-tungstenite`.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use tidings_core::{Heartbeat, HubConfig, Kind, Position};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::support::{PATIENCE, Raw, Running, all_listed, every_mover_also_mounted, masked};

struct Socket(WebSocketStream<TcpStream>);

impl Socket {
    async fn open(hub: &Running, filters: &str) -> Self {
        Self::offering(hub, filters, None).await.0
    }

    /// Connects and offers subprotocols. Returns the one that the server has selected.
    async fn offering(hub: &Running, filters: &str, offer: Option<&str>) -> (Self, Option<String>) {
        let url = format!("ws://{}/topics/{filters}", hub.address);
        let mut request = url.into_client_request().unwrap();
        if let Some(offer) = offer {
            request.headers_mut().insert("sec-websocket-protocol", offer.parse().unwrap());
        }
        let stream = TcpStream::connect(hub.address).await.unwrap();
        let opened = timeout(PATIENCE, tokio_tungstenite::client_async(request, stream)).await;
        let (socket, response) = opened.unwrap().unwrap();
        let taken = response.headers().get("sec-websocket-protocol");
        (Self(socket), taken.map(|taken| taken.to_str().unwrap().to_owned()))
    }

    async fn send(&mut self, message: Message) {
        self.0.send(message).await.unwrap();
    }

    async fn next(&mut self) -> Option<Result<Message, Error>> {
        timeout(PATIENCE, self.0.next()).await.expect("nothing arrived")
    }

    async fn message(&mut self) -> Message {
        self.next().await.expect("it ended").unwrap()
    }

    async fn close_code(mut self) -> u16 {
        loop {
            match self.message().await {
                Message::Close(frame) => return frame.expect("a code").code.into(),
                Message::Text(_) | Message::Binary(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }
}

/// A WebSocket whose frames the test writes and reads itself.
async fn raw_socket(hub: &Running, lines: &str) -> Raw {
    let mut raw = Raw::connect(hub.address).await;
    let request = format!(
        "GET /topics/t HTTP/1.1\r\nHost: hub\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{lines}\r\n"
    );
    raw.send(request).await;
    assert_eq!(raw.head().await.status, 101);
    raw
}

fn part(opcode: Data, payload: &'static [u8], is_last: bool) -> Message {
    Message::Frame(Frame::message(payload, OpCode::Data(opcode), is_last))
}

#[test]
fn messages_are_published_to_the_topic_and_reach_every_transport() {
    every_mover_also_mounted(async |mover| {
        let hub = mover.hub().await;
        let mut followers = Vec::new();
        for listed in all_listed() {
            followers.push(hub.follow(&listed, "chat.room", Position::Live).await);
        }
        let mut socket = Socket::open(&hub, "chat.room").await;
        let all: Vec<u8> = (0..=255).collect();
        socket.send(Message::text("grüße")).await;
        socket.send(Message::binary(all.clone())).await;
        socket.send(Message::text("")).await;
        socket.send(Message::text("x".repeat(1 << 20))).await;
        let expected = [
            (Kind::Text, "grüße".as_bytes().to_vec()),
            (Kind::Binary, all),
            (Kind::Text, Vec::new()),
            (Kind::Text, "x".repeat(1 << 20).into_bytes()),
        ];
        for (kind, payload) in &expected {
            for follower in &mut followers {
                let received = follower.notification().await;
                assert_eq!((received.kind, received.headers), (*kind, None));
                assert!(received.payload == *payload, "{} bytes", payload.len());
            }
            // Text arrives as text and binary as binary, without an envelope.
            let message = socket.message().await;
            assert_eq!(message.is_text(), *kind == Kind::Text);
            assert!(message.into_data() == *payload);
        }
        drop((followers, socket));
        hub.stop().await;
    });
}

#[test]
fn a_violation_closes_the_connection_with_its_code() {
    let too_big = vec![b'x'; (1 << 20) + 1];
    every_mover_also_mounted(async |mover| {
        let hub = mover.hub().await;
        let code_of = async |messages: Vec<Message>| {
            let mut socket = Socket::open(&hub, "t").await;
            for message in messages {
                // Fails if the server has closed the connection already.
                let _ = socket.0.send(message).await;
            }
            socket.close_code().await
        };
        assert_eq!(code_of(vec![part(Data::Text, b"caf\xe9", true)]).await, 1007);
        // A character may be split between two fragments, but must be complete at the end of the message.
        let half = vec![part(Data::Text, b"caf\xc3", false), part(Data::Continue, b"!", true)];
        assert_eq!(code_of(half).await, 1007);
        assert_eq!(code_of(vec![Message::binary(too_big.clone())]).await, 1009);
        let in_parts = vec![
            Message::Frame(Frame::message(
                too_big[1..].to_vec(),
                OpCode::Data(Data::Binary),
                false,
            )),
            part(Data::Continue, b"x", true),
        ];
        assert_eq!(code_of(in_parts).await, 1009);
        // A continuation without a message, and a new message within another one.
        assert_eq!(code_of(vec![part(Data::Continue, b"x", true)]).await, 1002);
        let within = vec![part(Data::Text, b"a", false), part(Data::Text, b"b", true)];
        assert_eq!(code_of(within).await, 1002);
        assert_eq!(hub.hub.log().head().seq, 0, "none of it was published");
        hub.stop().await;
    });
}

#[test]
fn frames_against_the_protocol_are_closed_with_1002() {
    every_mover_also_mounted(async |mover| {
        let hub = mover.hub().await;
        // RSV1 is the bit of compressed messages.
        let reserved = if mover.is_compressed() { 0xa1 } else { 0xc1 };
        // An unmasked frame, a reserved bit, a reserved opcode, and a fragmented ping.
        let frames =
            [vec![0x81, 0x01, b'x'], masked(reserved, b"x"), masked(0x83, b"x"), masked(9, b"")];
        for frame in frames {
            let mut raw = raw_socket(&hub, "").await;
            raw.send(&frame).await;
            let (first, payload) = raw.frame().await;
            assert_eq!((first, &payload[..2]), (0x88, &1002_u16.to_be_bytes()[..]), "{frame:?}");
        }
        hub.stop().await;
    });
}

#[test]
fn messages_before_a_closing_frame_in_the_same_read_are_echoed_first() {
    // Without heartbeats, which would end the connection as well.
    let heartbeat = Heartbeat::default().interval(Duration::from_secs(3600)).strikes(3);
    let messages = [masked(0x81, b"one"), masked(0x01, b"t"), masked(0x80, b"wo")].concat();
    // A reserved bit, text that is not UTF-8 in an incomplete frame, a message that the server does not accept, and a
    // close.
    let ends = [
        (masked(0xa1, b"x"), 1002),
        (masked(0x81, b"\xff....")[..8].to_vec(), 1007),
        (masked(0x81, b"eleven byte"), 1009),
        (masked(0x88, &1000_u16.to_be_bytes()), 1000),
    ];
    every_mover_also_mounted(async |mover| {
        for echo in [true, false] {
            let hub = HubConfig::default().max_payload(10).heartbeat(heartbeat);
            let mut config = mover.config(hub).await;
            config.echo = echo;
            let hub = Running::start(config).await;
            for (end, code) in &ends {
                let mut raw = raw_socket(&hub, "").await;
                raw.send([&messages[..], end].concat()).await;
                let expected = if echo { vec!["one".to_owned(), "two".to_owned()] } else { vec![] };
                assert_eq!(raw.frames_to_close().await, (expected, *code), "echo: {echo}");
            }
            let mut raw = raw_socket(&hub, "Sec-WebSocket-Protocol: tidings.v1\r\n").await;
            raw.send([&messages[..], &ends[0].0].concat()).await;
            let (payloads, closed) = raw.frames_to_close().await;
            let echoed = payloads.iter().filter(|payload| payload.contains("\"data\":")).count();
            assert_eq!((echoed, closed), (if echo { 2 } else { 0 }, 1002), "{payloads:?}");
            // The server waits for the close frame of the client.
            drop(raw);
            hub.stop().await;
        }
    });
}

#[test]
fn a_message_in_fragments_with_pings_between_is_one_message() {
    every_mover_also_mounted(async |mover| {
        let hub = mover.hub().await;
        let mut socket = Socket::open(&hub, "t").await;
        socket.send(part(Data::Text, b"sch\xc3", false)).await;
        socket.send(Message::Ping(b"one"[..].into())).await;
        socket.send(part(Data::Continue, b"", false)).await;
        socket.send(Message::Ping(b"two"[..].into())).await;
        socket.send(part(Data::Continue, b"\xb6n", true)).await;
        let mut pongs = Vec::new();
        let text = loop {
            match socket.message().await {
                Message::Pong(payload) => pongs.push(payload.to_vec()),
                message => break message,
            }
        };
        assert_eq!(text, Message::text("sch\u{f6}n"));
        assert_eq!(pongs, [b"one", b"two"]);
        drop(socket);
        hub.stop().await;
    });
}

#[test]
fn a_close_is_answered_and_frees_the_seat() {
    every_mover_also_mounted(async |mover| {
        let hub = mover.hub().await;
        let mut socket = Socket::open(&hub, "t").await;
        socket.0.close(None).await.unwrap();
        assert!(matches!(socket.next().await, Some(Ok(Message::Close(_))) | None));
        crate::support::eventually("its seat is free", async || hub.hub.pool().is_empty()).await;
        hub.stop().await;
    });
}

#[test]
fn the_subprotocol_decides_the_content_of_frames() {
    every_mover_also_mounted(async |mover| {
        let hub = mover.hub().await;
        let (mut bare, taken) = Socket::offering(&hub, "t", None).await;
        assert_eq!(taken, None);
        let (mut v1, taken) = Socket::offering(&hub, "t", Some("mqtt, tidings.v1")).await;
        assert_eq!(taken.as_deref(), Some("tidings.v1"));
        let json = |message: Message| -> serde_json::Value {
            serde_json::from_str(message.to_text().unwrap()).unwrap()
        };
        assert!(json(v1.message().await)["ping"].is_u64(), "the position comes first");

        let id = hub.publish("t", "seven \"teapots\"\n").await;
        assert_eq!(bare.message().await, Message::text("seven \"teapots\"\n"));
        let received = json(v1.message().await);
        let expected = serde_json::json!({
            "id": id.to_string(), "topic": "t", "data": "seven \"teapots\"\n",
        });
        assert_eq!(received, expected);
        drop((bare, v1));
        hub.stop().await;
    });
}

#[test]
fn an_offer_of_unknown_subprotocols_is_accepted_without_a_subprotocol() {
    every_mover_also_mounted(async |mover| {
        let hub = mover.hub().await;
        let mut raw = Raw::connect(hub.address).await;
        raw.send(
            "GET /topics/t HTTP/1.1\r\nHost: hub\r\nConnection: keep-alive, Upgrade\r\n\
             Upgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        )
        .await;
        let head = raw.head().await;
        assert_eq!(head.status, 101);
        assert_eq!(head.header("sec-websocket-protocol"), None);
        assert_eq!(head.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        hub.publish("t", "bare").await;
        assert_eq!(raw.frame().await, (0x81, b"bare".to_vec()));
        drop(raw);
        hub.stop().await;
    });
}
