//! The headers of notifications: how they are published, and how each transport sends them.

use bytes::Bytes;
use serde_json::{Value, json};
use tidings_core::{Headers, Kind, Position};
use tidings_transport::client::{Client, Target};
use tidings_websocket::WebSocketClient;

use crate::support::{Follower, Raw, every_also_mounted, every_mover_also_mounted};

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn all() -> Headers {
    let headers = Headers::new().with_event("order.created").unwrap();
    let headers = headers.with_content_type("application/json; charset=utf-8").unwrap();
    headers.with_time(1_795_467_750_512).unwrap().with_trace(PARENT, Some("a=1,b=2")).unwrap()
}

fn event(name: &str) -> Headers {
    Headers::new().with_event(name).unwrap()
}

fn post(lines: &str, payload: &str) -> String {
    let length = payload.len();
    format!(
        "POST /topics/t HTTP/1.1\r\nHost: hub\r\n{lines}Content-Length: {length}\r\n\r\n{payload}"
    )
}

#[test]
fn headers_arrive_with_text_and_binary_live_and_after_a_resume() {
    let image = || Headers::new().with_content_type("image/png").unwrap();
    let published = [
        (Kind::Text, all()),
        (Kind::Binary, all()),
        (Kind::Text, Headers::new()),
        // Names with another meaning elsewhere: a member of an object, a field or a type.
        (Kind::Text, event("data")),
        (Kind::Text, event("notification")),
        (Kind::Binary, event("constructor")),
        (Kind::Binary, image().with_time(7).unwrap()),
        (Kind::Binary, Headers::new()),
        (Kind::Text, Headers::new().with_trace(PARENT, None).unwrap()),
    ];
    every_also_mounted(async |case| {
        let hub = case.hub().await;
        // The events of a stream differ between one topic and several topics.
        let mut one = hub.follow(&case.listed, "t", Position::Live).await;
        let mut several = hub.follow(&case.listed, "t,u.*", Position::Live).await;
        let mut publisher = hub.publisher("t").await;
        let mut ids = Vec::new();
        for (kind, headers) in &published {
            let payload = Bytes::from_static(b"seven\nteapots");
            let id = publisher.publish_with_headers(*kind, payload, headers, None).await;
            ids.push(id.unwrap());
        }
        let after_first = Position::After(ids[0]);
        let mut resumed = hub.follow(&case.listed, "t", after_first).await;
        for (follower, skipped) in [(&mut one, 0), (&mut several, 0), (&mut resumed, 1)] {
            for ((kind, headers), id) in published.iter().zip(&ids).skip(skipped) {
                let received = follower.notification().await;
                assert_eq!((received.id, received.kind), (Some(*id), *kind));
                assert_eq!(received.headers.unwrap_or_default(), *headers);
                assert_eq!(received.payload, "seven\nteapots");
            }
        }
        drop((one, several, resumed));
        hub.stop().await;
    });
}

#[test]
fn a_notification_without_headers_has_no_member_for_them() {
    every_mover_also_mounted(async |mover| {
        let hub = mover.hub().await;
        let lines = "Content-Type: application/x-www-form-urlencoded\r\nUser-Agent: curl/8\r\nTE: trailers\r\n";
        assert_eq!(Raw::request(hub.address, post(lines, "x")).await.status, 200);
        let with_event = post("Tidings-Event: created\r\n", "y");
        assert_eq!(Raw::request(hub.address, with_event).await.status, 200);
        hub.comes_to(2).await;
        let id = |seq| hub.hub.epoch().id(seq).to_string();
        let poll = Raw::get(hub.address, "/topics/t?after=earliest").await.json();
        let expected = json!([
            {"id": id(1), "topic": "t", "data": "x"},
            {"id": id(2), "topic": "t", "headers": {"event": "created"}, "data": "y"},
        ]);
        assert_eq!(poll["notifications"], expected);

        let mut stream = Raw::connect(hub.address).await;
        let request = "GET /topics/t?after=earliest HTTP/1.1\r\nHost: hub\r\nAccept: text/event-stream\r\n\r\n";
        stream.send(request).await;
        stream.until(b"0\n\n").await;
        let events = stream.until(b"data: y\n\n").await;
        let events = String::from_utf8(events).unwrap();
        // A server that is not ours sends the events as chunks.
        let events: String = events
            .lines()
            .filter(|line| line.contains(": "))
            .map(|line| format!("{line}\n"))
            .collect();
        let expected = format!("id: {}\ndata: x\nid: {}\nevent: created\ndata: y\n", id(1), id(2));
        assert_eq!(events, expected);
        drop(stream);
        hub.stop().await;
    });
}

#[test]
fn a_malformed_header_of_tidings_is_a_400_and_a_malformed_trace_or_type_is_left_out() {
    every_mover_also_mounted(async |mover| {
        let hub = mover.hub().await;
        for (lines, words) in [
            ("Tidings-Event: gap\r\n", "invalid event name \"gap\""),
            ("Tidings-Event: two words\r\n", "invalid event name \"two words\""),
            ("Tidings-Event: a\r\nTidings-Event: b\r\n", "more than one tidings-event"),
            ("Tidings-Time: 2026-11-29T00:00:00Z\r\n", "invalid time \"2026-11-29T00:00:00Z\""),
            ("Tidings-Kind: picture\r\n", "invalid Tidings-Kind \"picture\""),
        ] {
            let answer = Raw::request(hub.address, post(lines, "x")).await;
            let (status, code) = answer.rejection();
            assert_eq!((status, &*code), (400, "bad_header"), "{lines}");
            let message = answer.json()["error"]["message"].as_str().unwrap().to_owned();
            assert!(message.contains(words), "{message}");
        }
        let malformed = "Content-Type: json\r\ntraceparent: 00-0-0-0\r\ntracestate: a=1\r\n";
        let answer = Raw::request(hub.address, post(malformed, "x")).await;
        assert_eq!(
            answer.json()["id"],
            hub.hub.epoch().id(1).to_string(),
            "the first one that is stored"
        );
        hub.comes_to(1).await;
        let poll = Raw::get(hub.address, "/topics/t?after=earliest").await.json();
        assert_eq!(poll["notifications"][0].get("headers"), None::<&Value>);
        hub.stop().await;
    });
}

#[test]
fn a_websocket_without_a_subprotocol_carries_the_payload_and_no_headers() {
    every_mover_also_mounted(async |mover| {
        let hub = mover.hub().await;
        let client = WebSocketClient { bare: true };
        let target = Target::new(hub.url("t"));
        let mut bare = Follower::new(client.connect(target).await.unwrap());
        let mut publisher = hub.publisher("t").await;
        publisher.publish_with_headers(Kind::Text, "x".into(), &all(), None).await.unwrap();
        let received = bare.notification().await;
        assert_eq!((&received.payload[..], received.headers), (&b"x"[..], None));
        drop(bare);
        hub.stop().await;
    });
}
