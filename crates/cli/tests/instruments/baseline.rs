//! What clients of the baseline receive, byte for byte.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use super::Baseline;

impl Baseline {
    /// Connects and sends `request`.
    fn connect(&self, request: &str) -> Peer {
        let socket = TcpStream::connect(&self.address).expect("the baseline accepts");
        let patience = Some(Duration::from_secs(120));
        socket.set_read_timeout(patience).expect("a valid timeout");
        let mut peer = Peer(socket);
        peer.send(request);
        peer
    }
}

struct Peer(TcpStream);

impl Peer {
    fn send(&mut self, request: &str) {
        self.0.write_all(request.as_bytes()).expect("the baseline reads");
    }

    /// Reads as many bytes as expected and asserts that they are equal.
    fn expect(&mut self, bytes: &str) {
        let mut read = vec![0; bytes.len()];
        self.0.read_exact(&mut read).expect("the baseline answers in time");
        assert_eq!(String::from_utf8_lossy(&read), bytes);
    }

    /// Reads to the end and returns the number of bytes read.
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
const HANDSHAKE: &str = "GET /topics/x HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Protocol: tidings.v1\r\n\r\n";

const SWITCHED: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Protocol: tidings.v1\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

const STREAM: &str = "GET /topics/x HTTP/1.1\r\nHost: h\r\nAccept: text/event-stream\r\n\r\n";

const STREAM_HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\
    Cache-Control: no-cache, no-transform\r\nX-Accel-Buffering: no\r\nConnection: close\r\n\r\n:\n\n";

const FIRST: &str = r#"{"id":"aaaaaa-1","topic":"x","data":"one"}"#;
const SECOND: &str = r#"{"id":"aaaaaa-2","topic":"x","data":"\"two\"\n"}"#;

/// A text frame of fewer than 126 bytes.
fn frame(text: &str) -> Vec<u8> {
    [&[0x81, text.len() as u8], text.as_bytes()].concat()
}

#[test]
fn clients_of_each_transport_receive_both_notifications() {
    let baseline = Baseline::start();
    let mut websocket = baseline.connect(HANDSHAKE);
    let mut stream = baseline.connect(STREAM);
    let mut polling = baseline.connect(&poll(""));
    websocket.expect(SWITCHED);
    stream.expect(STREAM_HEAD);
    polling.expect(&json(r#"{"cursor":"aaaaaa-0","notifications":[]}"#));
    polling.send(&poll("?after=aaaaaa-0"));

    let mut publisher = baseline.connect(&publish("one"));
    publisher.expect(&json(r#"{"id":"aaaaaa-1"}"#));
    let page = format!(r#"{{"cursor":"aaaaaa-1","notifications":[{FIRST}]}}"#);
    polling.expect(&json(&page));

    publisher.send(&publish("\"two\"\n"));
    publisher.expect(&json(r#"{"id":"aaaaaa-2"}"#));
    polling.send(&poll("?wait=25&after=aaaaaa-1"));
    let page = format!(r#"{{"cursor":"aaaaaa-2","notifications":[{SECOND}]}}"#);
    polling.expect(&json(&page));

    for text in [FIRST, SECOND] {
        let mut read = vec![0; 2 + text.len()];
        websocket.0.read_exact(&mut read).expect("the baseline sends a frame");
        assert_eq!(read, frame(text));
    }
    stream.expect("id: aaaaaa-1\ndata: one\n\nid: aaaaaa-2\ndata: \"two\"\ndata: \n\n");
}

#[test]
fn a_client_that_stops_reading_is_closed_and_others_are_still_served() {
    const PAYLOAD: usize = 64 * 1024;
    const PUBLISHES: usize = 256;
    let baseline = Baseline::start();
    let mut stalled = baseline.connect(STREAM);
    stalled.expect(STREAM_HEAD);
    let mut reader = baseline.connect(STREAM);
    reader.expect(STREAM_HEAD);

    let payload = "x".repeat(PAYLOAD);
    let mut publisher = baseline.connect("");
    for seq in 1..=PUBLISHES {
        publisher.send(&publish(&payload));
        publisher.expect(&json(&format!(r#"{{"id":"aaaaaa-{seq}"}}"#)));
        reader.expect(&format!("id: aaaaaa-{seq}\ndata: {payload}\n\n"));
    }
    assert!(stalled.expect_end() < PAYLOAD * PUBLISHES);
}

#[test]
fn an_invalid_request_is_answered_and_closes_only_its_own_connection() {
    let baseline = Baseline::start();
    let mut peer = baseline.connect("GET /elsewhere HTTP/1.1\r\n\r\n");
    peer.expect("HTTP/1.1 404 Not Found\r\n");
    let mut broken = baseline.connect("nonsense\r\n\r\n");
    broken.expect("HTTP/1.1 400 Bad Request\r\n");
    broken.expect_end();
    let mut publisher = baseline.connect(&publish("still here"));
    publisher.expect(&json(r#"{"id":"aaaaaa-1"}"#));
}
