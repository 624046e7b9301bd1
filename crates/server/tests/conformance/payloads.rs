//! Payloads arrive unchanged.

use bytes::Bytes;
use tidings_core::{Kind, Position};
use tidings_transport::client::ClientError;

use crate::support::{Raw, every_also_mounted, every_mover_also_mounted};

const MIB: usize = 1 << 20;

#[test]
fn every_text_arrives_byte_for_byte() {
    let texts = [
        String::new(),
        " leading and trailing ".to_owned(),
        "\n".to_owned(),
        "one\ntwo\n\nfour\n".to_owned(),
        "one\rtwo\r\nthree\n\rfive\r".to_owned(),
        "data: not a field\nid: 7\n\nevent: gap".to_owned(),
        "nul \0 inside, \u{1} \u{7f} \u{85} \u{2028} \u{feff}bom".to_owned(),
        "\u{feff}bom first".to_owned(),
        "🧇 über 日本 👩‍👩‍👧 \"quoted\" \\ / </script>".to_owned(),
        "{\"gap\":{}}".to_owned(),
        "x".repeat(MIB),
        "\"\n".repeat(MIB / 4),
    ];
    every_also_mounted(async |case| {
        let hub = case.hub().await;
        let mut follower = hub.follow(&case.listed, "t", Position::Live).await;
        let mut publisher = hub.publisher("t").await;
        for text in &texts {
            let id = publisher.publish(Kind::Text, text.clone().into()).await.unwrap();
            let received = follower.notification().await;
            assert_eq!((received.id, received.kind), (Some(id), Kind::Text));
            // An event stream has one kind of line end, so CR, LF and CRLF all become LF (HTML standard, section
            // 9.2.6). Every other byte is unchanged.
            let expected = match case.transport() {
                "sse" => text.replace("\r\n", "\n").replace('\r', "\n"),
                _ => text.clone(),
            };
            assert!(received.payload == expected, "{:?}", text.get(..40).unwrap_or(text));
        }
        drop(follower);
        hub.stop().await;
    });
}

#[test]
fn every_binary_arrives_byte_for_byte() {
    let all_values: Vec<u8> = (0..=255).collect();
    let payloads = [
        Bytes::new(),
        Bytes::from(all_values.clone()),
        Bytes::from_static(b"\xff\xfe invalid \xc3\x28 utf-8 \xed\xa0\x80"),
        Bytes::from_static(b"valid UTF-8, sent as binary\r\n"),
        Bytes::from(all_values.repeat(MIB / 256)),
    ];
    every_also_mounted(async |case| {
        let hub = case.hub().await;
        let mut follower = hub.follow(&case.listed, "t", Position::Live).await;
        let mut publisher = hub.publisher("t").await;
        for payload in &payloads {
            publisher.publish(Kind::Binary, payload.clone()).await.unwrap();
            let received = follower.notification().await;
            assert_eq!(received.kind, Kind::Binary);
            assert!(received.payload == *payload, "{} bytes", payload.len());
        }
        drop(follower);
        hub.stop().await;
    });
}

#[test]
fn text_that_is_not_utf_8_and_payloads_that_are_too_large_are_rejected() {
    every_also_mounted(async |case| {
        let hub = case.hub().await;
        let mut follower = hub.follow(&case.listed, "t", Position::Live).await;
        let invalid = Bytes::from_static(b"fine until \xff here");
        let too_large = Bytes::from(vec![b'x'; MIB + 1]);
        for (payload, rejected, words) in [(invalid, 400, "byte 11"), (too_large, 413, "1048576")] {
            // On separate connections, because a rejection may end the connection, and a server that stops waits for
            // those that are open.
            match hub.publisher("t").await.publish(Kind::Text, payload).await {
                Err(ClientError::Rejected { status, message, .. }) => {
                    assert_eq!(status, rejected);
                    assert!(message.contains(words), "{message}");
                }
                other => panic!("{other:?}"),
            }
        }
        hub.publisher("t").await.publish(Kind::Text, "fine".into()).await.unwrap();
        assert_eq!(follower.text().await, (1, "fine".to_owned()));
        drop(follower);
        hub.stop().await;
    });
}

#[test]
fn a_body_in_chunks_is_a_payload_like_any_other() {
    every_mover_also_mounted(async |mover| {
        let hub = mover.hub().await;
        let chunked = "POST /topics/t HTTP/1.1\r\nHost: hub\r\nTransfer-Encoding: chunked\r\n\r\n\
            5\r\nseven\r\n8;ext=1\r\n teapots\r\n0\r\n\r\n";
        let answer = Raw::request(hub.address, chunked).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.json()["id"], hub.hub.epoch().id(1).to_string());
        let poll = Raw::get(hub.address, "/topics/t?after=earliest").await.json();
        assert_eq!(poll["notifications"][0]["data"], "seven teapots");
        hub.stop().await;
    });
}
