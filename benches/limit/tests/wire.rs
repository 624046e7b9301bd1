//! What clients of the limit see, byte for byte.

#![cfg(target_os = "linux")]

mod common;

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use common::Limit;

impl Limit {
    /// Connects, and says `request` at once.
    fn connect(&self, request: &str) -> Peer {
        let socket = TcpStream::connect(&self.address).expect("it accepts");
        let patience = Some(Duration::from_secs(120));
        socket.set_read_timeout(patience).expect("a valid timeout");
        let mut peer = Peer(socket);
        peer.say(request);
        peer
    }
}

struct Peer(TcpStream);

impl Peer {
    fn say(&mut self, request: &str) {
        self.0.write_all(request.as_bytes()).expect("it reads");
    }

    /// Asserts that exactly these bytes come next.
    fn expect(&mut self, bytes: &str) {
        let mut read = vec![0; bytes.len()];
        self.0.read_exact(&mut read).expect("it answers in time");
        assert_eq!(String::from_utf8_lossy(&read), bytes);
    }

    /// Asserts that nothing but the end comes, and returns how much came before it.
    fn expect_end(&mut self) -> usize {
        let mut buffer = vec![0; 64 * 1024];
        let mut total = 0;
        loop {
            match self.0.read(&mut buffer) {
                Ok(0) => return total,
                Ok(length) => total += length,
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return total,
                Err(error) => panic!("the connection does not end: {error}"),
            }
        }
    }
}

fn publish(payload: &str) -> String {
    let length = payload.len();
    format!("POST /topics/x HTTP/1.1\r\nHost: h\r\nContent-Length: {length}\r\n\r\n{payload}")
}

fn poll(query: &str) -> String {
    format!("GET /topics/x{query} HTTP/1.1\r\nHost: h\r\n\r\n")
}

fn json(body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nCache-Control: no-store\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
}

/// The handshake of RFC 6455, section 1.3.
fn handshake(header: &str) -> String {
    format!(
        "GET /topics/x HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{header}\r\n"
    )
}

fn switched(header: &str) -> String {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         {header}Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
    )
}

const STREAM: &str = "GET /topics/x HTTP/1.1\r\nHost: h\r\nAccept: text/event-stream\r\n\r\n";

const STREAM_HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\
    Cache-Control: no-cache, no-transform\r\nX-Accel-Buffering: no\r\nConnection: close\r\n\r\n:\n\n";

const FIRST: &str = r#"{"id":"aaaaaa-1","topic":"x","data":"one"}"#;
const SECOND: &str = r#"{"id":"aaaaaa-2","topic":"x","data":"\"two\"\n"}"#;

/// A text frame of fewer than 126 bytes.
fn frame(text: &str) -> Vec<u8> {
    [&[0x81, text.len() as u8], text.as_bytes()].concat()
}

/// One subscriber of each kind, all heads read.
struct Audience {
    bare: Peer,
    envelope: Peer,
    stream: Peer,
    poll: Peer,
}

impl Audience {
    fn join(limit: &Limit) -> Self {
        let protocol = "Sec-WebSocket-Protocol: other, tidings.v1\r\n";
        let mut audience = Self {
            bare: limit.connect(&handshake("")),
            envelope: limit.connect(&handshake(protocol)),
            stream: limit.connect(STREAM),
            poll: limit.connect(&poll("")),
        };
        audience.bare.expect(&switched(""));
        let protocol = "Sec-WebSocket-Protocol: tidings.v1\r\n";
        audience.envelope.expect(&switched(protocol));
        audience.stream.expect(STREAM_HEAD);
        let empty = r#"{"cursor":"aaaaaa-0","notifications":[]}"#;
        audience.poll.expect(&json(empty));
        audience
    }

    /// What the streams see of the two publishes, whether or not they came as one write.
    fn expect_both(&mut self) {
        for (peer, frames) in
            [(&mut self.bare, ["one", "\"two\"\n"]), (&mut self.envelope, [FIRST, SECOND])]
        {
            let bytes = frames.map(frame).concat();
            let mut read = vec![0; bytes.len()];
            peer.0.read_exact(&mut read).expect("frames come");
            assert_eq!(read, bytes);
        }
        self.stream.expect("id: aaaaaa-1\ndata: one\n\nid: aaaaaa-2\ndata: \"two\"\ndata: \n\n");
    }
}

#[test]
fn every_kind_of_client_gets_both_notifications() {
    let limit = Limit::start(&[]);
    let mut audience = Audience::join(&limit);
    audience.poll.say(&poll("?after=aaaaaa-0"));

    let mut publisher = limit.connect(&publish("one"));
    publisher.expect(&json(r#"{"id":"aaaaaa-1"}"#));
    let page = format!(r#"{{"cursor":"aaaaaa-1","notifications":[{FIRST}]}}"#);
    audience.poll.expect(&json(&page));

    publisher.say(&publish("\"two\"\n"));
    publisher.expect(&json(r#"{"id":"aaaaaa-2"}"#));
    audience.poll.say(&poll("?wait=25&after=aaaaaa-1"));
    let page = format!(r#"{{"cursor":"aaaaaa-2","notifications":[{SECOND}]}}"#);
    audience.poll.expect(&json(&page));

    audience.expect_both();
}

#[test]
fn a_batch_reaches_every_kind_of_client_as_the_same_bytes() {
    let limit = Limit::start(&["--batch"]);
    let mut audience = Audience::join(&limit);
    audience.poll.say(&poll("?after=aaaaaa-0"));

    let mut publisher = limit.connect(&(publish("one") + &publish("\"two\"\n")));
    publisher.expect(&json(r#"{"id":"aaaaaa-1"}"#));
    publisher.expect(&json(r#"{"id":"aaaaaa-2"}"#));

    let page = format!(r#"{{"cursor":"aaaaaa-2","notifications":[{FIRST},{SECOND}]}}"#);
    audience.poll.expect(&json(&page));
    audience.expect_both();
}

#[test]
fn by_io_uring_every_kind_of_client_gets_the_same_bytes_where_the_kernel_has_it() {
    if tidings_batch::Batch::new().is_err() {
        return;
    }
    let limit = Limit::start(&["--io-uring"]);
    let mut audience = Audience::join(&limit);
    audience.poll.say(&poll("?after=aaaaaa-0"));
    let mut publisher = limit.connect(&publish("one"));
    publisher.expect(&json(r#"{"id":"aaaaaa-1"}"#));
    let page = format!(r#"{{"cursor":"aaaaaa-1","notifications":[{FIRST}]}}"#);
    audience.poll.expect(&json(&page));
    publisher.say(&publish("\"two\"\n"));
    audience.expect_both();
}

#[test]
fn a_client_that_stops_reading_is_closed_and_the_others_go_on() {
    const PAYLOAD: usize = 64 * 1024;
    const PUBLISHES: usize = 256;
    let limit = Limit::start(&[]);
    let mut stalled = limit.connect(STREAM);
    stalled.expect(STREAM_HEAD);
    let mut reader = limit.connect(STREAM);
    reader.expect(STREAM_HEAD);

    let payload = "x".repeat(PAYLOAD);
    let mut publisher = limit.connect("");
    for seq in 1..=PUBLISHES {
        publisher.say(&publish(&payload));
        publisher.expect(&json(&format!(r#"{{"id":"aaaaaa-{seq}"}}"#)));
        reader.expect(&format!("id: aaaaaa-{seq}\ndata: {payload}\n\n"));
    }
    assert!(stalled.expect_end() < PAYLOAD * PUBLISHES);
}

#[test]
fn a_close_frame_is_answered_and_ends_the_connection() {
    let limit = Limit::start(&[]);
    let mut client = limit.connect(&handshake(""));
    client.expect(&switched(""));
    let goodbye = [0x89, 0x80, 1, 2, 3, 4, 0x88, 0x80, 1, 2, 3, 4];
    client.0.write_all(&goodbye).expect("it reads");
    let mut answer = [0; 2];
    client.0.read_exact(&mut answer).expect("it answers");
    assert_eq!(answer, [0x88, 0]);
    assert_eq!(client.expect_end(), 0);
}

#[test]
fn a_fault_is_told_and_only_ends_the_connection_that_made_it() {
    let limit = Limit::start(&[]);
    let mut peer = limit.connect("GET /elsewhere HTTP/1.1\r\n\r\n");
    peer.expect("HTTP/1.1 404 Not Found\r\n");
    let mut broken = limit.connect("nonsense\r\n\r\n");
    broken.expect("HTTP/1.1 400 Bad Request\r\n");
    broken.expect_end();
    let mut publisher = limit.connect(&publish("still here"));
    publisher.expect(&json(r#"{"id":"aaaaaa-1"}"#));
}

#[test]
fn a_wrong_argument_ends_with_2_and_says_which() {
    let output = Command::new(env!("CARGO_BIN_EXE_tidings-limit"))
        .arg("--fast")
        .output()
        .expect("the program starts");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--fast"));
}
