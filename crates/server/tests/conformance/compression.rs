//! What a server with compression sends to clients that decode it themselves. All other scenarios are played with
//! compression as well, by a forwarder that decodes.

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;
use tidings_core::{Heartbeat, HubConfig};
use tidings_transport::compression::CompressionConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::support::{
    Accepts, Answer, Case, Failure, Gunzip, Raw, Reader, Running, eventually, every_compressed,
    every_compressed_stream, forward_inflated, in_time, masked,
};

fn order(number: usize) -> String {
    json!({
        "order": number,
        "customer": format!("c-{:05}", number * 7919 % 10_000),
        "status": "shipped",
        "items": [{ "sku": format!("A-{}", number * 31 % 1000), "quantity": number % 9 + 1 }],
        "total": format!("{}.99", number % 90),
        "warehouse": "Hamburg",
        "updated": format!("2026-11-{:02}T08:00:00Z", number % 28 + 1),
    })
    .to_string()
}

async fn compressed(hub: &Running, case: &Case, filters: &str, query: &str) -> Reader {
    Reader::open(hub, case, (filters, query), Accepts::Compression, true).await
}

/// Sends a poll at the server itself.
async fn poll(hub: &Running, case: &Case, filters: &str, query: &str, accepts: Accepts) -> Answer {
    let query = format!("&after=earliest{query}");
    Raw::request(hub.direct, case.request_with(filters, &query, accepts.lines())).await
}

async fn hub(case: &Case, compression: CompressionConfig) -> Running {
    let heartbeat = Heartbeat::default().interval(Duration::from_millis(50)).strikes(u8::MAX);
    let mut config = case.config(HubConfig::default().heartbeat(heartbeat)).await;
    config.compression = Some(compression);
    Running::start(config).await
}

#[test]
fn each_client_of_a_busy_stream_decodes_exactly_the_payloads() {
    const NUMBER: usize = 300;
    every_compressed_stream(async |case| {
        let mut hub = hub(case, CompressionConfig::default().reset_after(20)).await;
        let (mut ids, mut readers) = (Vec::new(), Vec::<(usize, Reader, Vec<String>)>::new());
        for number in 0..NUMBER {
            if number % 60 == 0 {
                // They join in the middle, and one resumes from an earlier position.
                let mut joining = vec![(number, String::new()); 2];
                joining
                    .extend(ids.get(number / 2).map(|id| (number / 2 + 1, format!("&after={id}"))));
                for (from, query) in joining {
                    let reader = compressed(&hub, case, "orders", &query).await;
                    readers.push((from, reader, Vec::new()));
                }
            }
            ids.push(hub.publish("orders", order(number)).await);
            if number % 50 == 25 {
                for (from, reader, payloads) in &mut readers {
                    while payloads.len() <= number - *from {
                        payloads.push(reader.payload().await.expect("no goodbye yet"));
                    }
                    reader.heartbeat().await;
                }
            }
        }
        hub.ask_to_stop();
        for (from, mut reader, mut payloads) in readers {
            while let Some(payload) = reader.payload().await {
                payloads.push(payload);
            }
            assert!(payloads.into_iter().eq((from..NUMBER).map(order)), "{from}");
        }
        hub.ended().await;
    });
}

/// A heartbeat shows whether a client that has closed its side still reads. In a gzip body, other heartbeats are left
/// out while there are notifications.
#[test]
fn a_client_that_leaves_a_compressed_stream_gives_back_its_seat_at_once() {
    every_compressed_stream(async |case| {
        let heartbeat = Heartbeat::default().interval(Duration::from_secs(3600));
        let hub = case.config(HubConfig::default().heartbeat(heartbeat)).await;
        let hub = Running::start(hub).await;
        let mut reader = compressed(&hub, case, "orders", "").await;
        for number in 0..3 {
            hub.publish("orders", order(number)).await;
            assert_eq!(reader.payload().await.unwrap(), order(number));
        }
        drop(reader);
        eventually("its seat is free", async || hub.hub.pool().is_empty()).await;
        hub.stop().await;
    });
}

#[test]
fn a_client_that_publishes_decodes_what_the_others_publish() {
    every_compressed_stream(async |case| {
        if !case.is_bare() {
            return;
        }
        for echo in [true, false] {
            let mut config = case.config(HubConfig::default()).await;
            config.echo = echo;
            let hub = Running::start(config).await;
            let mut author = compressed(&hub, case, "t", "").await;
            let mut other = compressed(&hub, case, "t", "").await;
            let mut expected = Vec::new();
            for number in 0..60 {
                let is_own = number % 4 == 3;
                let payload = if is_own { format!("number {number}") } else { order(number) };
                if is_own {
                    author.send(masked(0x81, payload.as_bytes())).await;
                } else {
                    hub.publish("t", payload.clone()).await;
                }
                assert_eq!(other.payload().await.unwrap(), payload);
                if echo || !is_own {
                    expected.push(payload);
                }
            }
            assert_eq!(author.up_to(expected.last().unwrap()).await, expected);
            // Each message that the author is not sent ends its sync for some messages.
            let [mine, others] = [&author, &other].map(Reader::compressed_messages);
            assert!(mine > 15 && others > 40, "{mine} and {others} messages are compressed");
            drop((author, other));
            hub.stop().await;
        }
    });
}

#[test]
fn a_client_that_does_not_accept_compression_or_opts_out_is_sent_plain_bytes() {
    every_compressed(async |case| {
        let hub = case.hub().await;
        for (query, accepts) in
            [("&compression=off", Accepts::Compression), ("&compression=on", Accepts::Nothing)]
        {
            let query = format!("{query}&after=latest");
            let topic = if accepts == Accepts::Nothing { "a" } else { "b" };
            if case.polls() {
                hub.publish(topic, order(0).repeat(10)).await;
                let answer = poll(&hub, case, topic, &query, accepts).await;
                assert_eq!(answer.header("content-encoding"), None, "{query}");
                assert_eq!(answer.json()["notifications"][0]["data"], order(0).repeat(10));
                continue;
            }
            let mut reader = Reader::open(&hub, case, (topic, &query), accepts, false).await;
            for number in 0..20 {
                hub.publish(topic, order(number)).await;
                assert_eq!(reader.payload().await.unwrap(), order(number));
                assert!(reader.has_plain(&order(number)), "{query}");
            }
        }
        hub.stop().await;
    });
}

#[test]
fn an_excluded_topic_is_never_compressed() {
    every_compressed(async |case| {
        let mut config = case.config(HubConfig::default()).await;
        let excluded = "secret.*".parse().unwrap();
        config.compression = Some(CompressionConfig::default().exclude(excluded));
        let hub = Running::start(config).await;
        if case.polls() {
            hub.publish("orders", order(1).repeat(10)).await;
            let answer = poll(&hub, case, "%3E", "", Accepts::Compression).await;
            assert_eq!(answer.header("content-encoding"), Some("gzip"));
            hub.publish("secret.a", order(2).repeat(10)).await;
            let answer = poll(&hub, case, "%3E", "", Accepts::Compression).await;
            assert_eq!(answer.header("content-encoding"), None);
            assert_eq!(answer.json()["notifications"][1]["data"], order(2).repeat(10));
        } else {
            let mut reader = compressed(&hub, case, "%3E", "").await;
            for number in 0..40 {
                for (topic, is_plain) in [("orders", false), ("secret.a", true)] {
                    let payload = order(2 * number + usize::from(is_plain));
                    hub.publish(topic, payload.clone()).await;
                    assert_eq!(reader.payload().await.unwrap(), payload);
                    assert_eq!(reader.has_plain(&payload), is_plain, "{payload}");
                }
            }
            if case.is_bare() {
                assert_eq!(reader.compressed_messages(), 40);
            }
        }
        hub.stop().await;
    });
}

#[test]
fn a_client_that_joins_waits_for_the_interval_or_for_as_many_notifications_as_there_are_others() {
    const OTHERS: usize = 8;
    every_compressed_stream(async |case| {
        for (interval, waits) in [(Duration::ZERO, 0..=1), (Duration::MAX, OTHERS - 1..=OTHERS)] {
            let mut config = case.config(HubConfig::default()).await;
            config.compression = Some(CompressionConfig::default().reset_interval(interval));
            let hub = Running::start(config).await;
            let mut readers = Vec::new();
            for _ in 0..OTHERS {
                readers.push(compressed(&hub, case, "orders", "").await);
            }
            let numbers = 3..2 * OTHERS + 3;
            for number in 0..numbers.end {
                if number == numbers.start {
                    readers.push(compressed(&hub, case, "orders", "").await);
                }
                hub.publish("orders", order(number)).await;
                for reader in &mut readers {
                    assert_eq!(reader.payload().await.unwrap(), order(number));
                }
            }
            let plain = |reader: &Reader| -> Vec<bool> {
                numbers.clone().map(|number| reader.has_plain(&order(number))).collect()
            };
            let joined = plain(&readers.pop().unwrap());
            let waited = joined.iter().take_while(|is_plain| **is_plain).count();
            assert!(waits.contains(&waited), "{interval:?}: {joined:?}");
            assert!(!joined[waited..].contains(&true), "{interval:?}: {joined:?}");
            assert!(!readers.iter().any(|reader| plain(reader).contains(&true)), "{interval:?}");
            drop(readers);
            hub.stop().await;
        }
    });
}

#[test]
fn similar_notifications_need_about_a_third_of_their_bytes() {
    every_compressed_stream(async |case| {
        let hub = case.hub().await;
        let mut plain = Reader::open(&hub, case, ("orders", ""), Accepts::Nothing, false).await;
        let mut reader = compressed(&hub, case, "orders", "").await;
        for number in 0..200 {
            hub.publish("orders", order(number)).await;
            for reader in [&mut plain, &mut reader] {
                assert_eq!(reader.payload().await.unwrap(), order(number));
            }
        }
        let (compressed, plain) = (reader.wire.len(), plain.wire.len());
        assert!(compressed * 100 < plain * 35, "{compressed} bytes for {plain}");
        drop(reader);
        hub.stop().await;
    });
}

#[test]
fn a_long_answer_to_a_poll_is_compressed_and_a_short_one_is_not() {
    every_compressed(async |case| {
        if !case.polls() {
            return;
        }
        let hub = case.hub().await;
        hub.publish("short", "x").await;
        let short = poll(&hub, case, "short", "", Accepts::Compression).await;
        assert_eq!((short.status, short.header("content-encoding")), (200, None));
        for number in 0..200 {
            hub.publish("orders", order(number)).await;
        }
        let plain = poll(&hub, case, "orders", "", Accepts::Nothing).await;
        let long = poll(&hub, case, "orders", "", Accepts::Compression).await;
        assert_eq!((long.status, long.header("content-encoding")), (200, Some("gzip")));
        assert!(Gunzip::whole(&long.body) == plain.body);
        assert!(long.body.len() * 100 < plain.body.len() * 35, "{} bytes", long.body.len());
        hub.stop().await;
    });
}

/// Returns whether the forwarder has failed for a server that responds with these bytes.
async fn fails(request: &str, response: Vec<u8>) -> bool {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, below) = (listener.local_addr().unwrap(), server.local_addr().unwrap());
    let failure = Failure::default();
    let (_ends, ended) = oneshot::channel();
    let forwarding = forward_inflated(listener, below, 64 << 10, failure.clone(), ended);
    let forwarding = tokio::spawn(forwarding);
    let serving = async {
        let (mut socket, _) = server.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            socket.read_buf(&mut request).await.unwrap();
        }
        socket.write_all(&response).await.unwrap();
    };
    let mut raw = Raw::connect(address).await;
    raw.send(format!("GET /topics/t HTTP/1.1\r\nHost: hub\r\n{request}\r\n")).await;
    tokio::join!(serving, raw.rest());
    forwarding.abort();
    catch_unwind(AssertUnwindSafe(|| failure.check())).is_err()
}

#[tokio::test]
async fn the_forwarder_fails_if_a_receiver_could_not_decode_a_response() {
    let gzip = |plain: &str| {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(plain.as_bytes()).unwrap();
        encoder.finish().unwrap()
    };
    let answer = |body: Vec<u8>| {
        let length = body.len();
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {length}\r\n\r\n"
        );
        [head.into_bytes(), body].concat()
    };
    let stream = |body: &[u8]| {
        let head =
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: gzip\r\n\r\n";
        [head.as_bytes(), body].concat()
    };
    let websocket = |frames: &[u8]| {
        let head = "HTTP/1.1 101 Switching Protocols\r\n\
                    Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover\r\n\r\n";
        [head.as_bytes(), frames].concat()
    };
    let changed = |mut body: Vec<u8>, from_end: usize| {
        let at = body.len() - from_end;
        body[at] ^= 1;
        body
    };
    let goodbye = gzip("data: 1\n\nevent: goodbye\ndata: {}\n\n");
    // "Hello" twice, the second time with the first one as history (RFC 7692, section 7.2.3.2).
    let hello = [0xc1, 7, 0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    let again = [0xc1, 5, 0xf2, 0x00, 0x11, 0x00, 0x00];
    let upgrade = "Upgrade: websocket\r\n";
    let cases: Vec<(&str, &str, Vec<u8>, bool)> = vec![
        ("an answer", "", answer(gzip("{}")), false),
        ("an answer with a wrong length", "", answer(changed(gzip("{}"), 4)), true),
        ("an answer with a wrong checksum", "", answer(changed(gzip("{}"), 8)), true),
        ("an answer that is not complete", "", answer(gzip("{}")[..12].to_vec()), true),
        ("an answer with more bytes", "", answer([gzip("{}"), vec![0]].concat()), true),
        ("a stream with a goodbye", "", stream(&goodbye), false),
        ("a stream with a wrong checksum", "", stream(&changed(goodbye.clone(), 8)), true),
        ("a stream without its end", "", stream(&goodbye[..goodbye.len() - 1]), true),
        ("a stream without a goodbye", "", stream(&gzip("data: 1\n\n")), true),
        ("a stream that is cut", "", stream(&gzip("data: 1\n\n")[..12]), false),
        ("two messages", upgrade, websocket(&[hello.as_slice(), &again].concat()), false),
        ("a message without its history", upgrade, websocket(&again), true),
        ("a ping with RSV1", upgrade, websocket(&[0xc9, 0]), true),
        ("a message with RSV2", upgrade, websocket(&[0xa1, 1, b'x']), true),
    ];
    for (name, request, response, is_failure) in cases {
        assert_eq!(in_time(fails(request, response)).await, is_failure, "{name}");
    }
}
