//! The reports of the load, for every command and transport.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tidings_testkit::{LIMIT, TestProgram};

use super::Baseline;

const TRANSPORTS: [&str; 3] = ["websocket", "sse", "long-polling"];

/// `tidings load`, controlled by standard input as compare does. Dropping it kills the process.
struct Load(TestProgram);

impl Load {
    fn spawn() -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidings"));
        command.arg("load").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self(TestProgram::start(&mut command))
    }

    fn start(address: &str, transport: &str, clients: usize, more: &Value) -> Self {
        let mut load = Self::spawn();
        load.write(&setup(address, transport, clients, more));
        load
    }

    /// Writes the setup and the first command at once, so that the load reads both together.
    fn start_with(address: &str, command: &Value) -> Self {
        let mut load = Self::spawn();
        load.0.write(format!("{}\n{command}\n", setup(address, "sse", 3, &Value::Null)));
        load
    }

    fn write(&mut self, line: &Value) {
        self.0.write(format!("{line}\n"));
    }

    fn run(&mut self, command: &Value) -> Value {
        self.write(command);
        self.outcome(command)
    }

    fn outcome(&mut self, command: &Value) -> Value {
        serde_json::from_str(&self.0.line())
            .unwrap_or_else(|_| panic!("{command}: {}", self.errors()))
    }

    fn connected(address: &str, transport: &str, clients: usize, more: &Value) -> Self {
        let mut load = Self::start(address, transport, clients, more);
        load.run(&json!("rehearse"));
        load.run(&connect());
        load
    }

    /// Closes standard input and asserts that the load exits successfully.
    fn end(mut self) {
        assert!(self.0.wait().success());
    }

    /// Waits until the load has exited, and reads its standard error.
    fn errors(&mut self) -> String {
        self.0.wait();
        std::iter::from_fn(|| self.0.log_line()).map(|line| line + "\n").collect()
    }
}

/// The command to connect all clients.
fn connect() -> Value {
    json!({ "connect": { "at_once": 64, "resumes": false } })
}

fn setup(address: &str, transport: &str, clients: usize, more: &Value) -> Value {
    let mut setup = json!({
        "urls": [format!("http://{address}/")], "headers": "", "transport": transport,
        "clients": clients, "publishers": 8, "payload": 128, "patience": 60.0,
        "own_topics": false, "streams": 1, "keeps_tickets": false, "http2": false, "compression": false, "hold": 60,
    });
    for (key, value) in more.as_object().into_iter().flatten() {
        setup[key] = value.clone();
    }
    setup
}

/// Asserts these figures of an outcome.
fn expect(outcome: &Value, figures: &[(&str, u64)]) {
    for &(key, figure) in figures {
        assert_eq!(outcome[key].as_u64(), Some(figure), "{key} of {outcome}");
    }
}

/// Asserts that this number of deliveries was received, once and in order.
fn expect_deliveries(outcome: &Value, deliveries: u64) {
    let figures = [("deliveries", deliveries), ("lost", 0), ("duplicated", 0), ("reordered", 0)];
    expect(outcome, &figures);
}

fn publish(rate: f64, burst: usize, seconds: f64) -> Value {
    json!({ "publish": { "rate": rate, "burst": burst, "seconds": seconds } })
}

#[test]
fn bursts_reach_every_client_and_latency_is_ordered() {
    let baseline = Baseline::start();
    for transport in TRANSPORTS {
        let mut load = Load::connected(&baseline.address, transport, 5, &Value::Null);
        let outcome = load.run(&publish(100.0, 4, 1.0));
        expect_deliveries(&outcome, 500);
        expect(&outcome, &[("published", 100), ("connections", 5)]);
        for times in ["latency", "answered"] {
            let [p50, p99, max] = ["p50", "p99", "max"].map(|key| outcome[times][key].as_f64());
            assert!(p50 > Some(0.0) && p50 <= p99 && p99 <= max, "{outcome}");
        }
        assert!(outcome["seconds"].as_f64() >= Some(1.0), "{outcome}");
        load.end();
    }
}

#[test]
fn a_saturated_server_delivers_everything() {
    let baseline = Baseline::start();
    for transport in TRANSPORTS {
        let large = json!({ "payload": 3000 });
        let mut load = Load::connected(&baseline.address, transport, 7, &large);
        let outcome = load.run(&json!({ "saturate": { "seconds": 0.2 } }));
        let published = outcome["published"].as_u64().unwrap();
        assert!(published > 8, "{outcome}");
        expect_deliveries(&outcome, published * 7);
        assert!(outcome["received_bytes"].as_u64() > Some(published * 7 * 3000), "{outcome}");
        assert!(outcome["latency"].is_null(), "{outcome}");
        load.end();
    }
}

#[test]
fn every_handshake_is_counted() {
    let baseline = Baseline::start();
    // A long-polling client sends two requests: one for the position, and one poll that is held.
    for (transport, requests) in TRANSPORTS.into_iter().zip([40, 40, 80]) {
        let mut load = Load::start(&baseline.address, transport, 40, &Value::Null);
        load.run(&json!("rehearse"));
        let outcome = load.run(&connect());
        let figures = [("connections", 40), ("requests", requests), ("deliveries", 0), ("lost", 0)];
        expect(&outcome, &figures);
        load.end();
    }
}

#[test]
fn a_command_that_is_read_together_with_the_setup_is_run() {
    let baseline = Baseline::start();
    let connect = connect();
    let mut load = Load::start_with(&baseline.address, &connect);
    expect(&load.outcome(&connect), &[("connections", 3)]);
    expect_deliveries(&load.run(&publish(50.0, 1, 0.1)), 15);
    load.end();
}

#[test]
fn deliveries_for_another_client_are_counted() {
    let baseline = Baseline::start();
    let own_topics = json!({ "own_topics": true });
    let mut load = Load::connected(&baseline.address, "sse", 1, &own_topics);
    expect_deliveries(&load.run(&publish(50.0, 1, 1.0)), 50);
    load.end();
    // The baseline has only one topic, so each of two clients also receives the notifications for the other.
    let mut load = Load::start(&baseline.address, "sse", 2, &own_topics);
    load.run(&connect());
    let outcome = load.run(&publish(50.0, 1, 1.0));
    expect(&outcome, &[("deliveries", 50), ("lost", 0)]);
    // The last of them may arrive after the load has received everything that it expects.
    let watched = load.run(&json!({ "watch": { "seconds": 0.2 } }));
    let duplicated = |outcome: &Value| outcome["duplicated"].as_u64().unwrap();
    assert_eq!(duplicated(&outcome) + duplicated(&watched), 50, "{outcome} {watched}");
}

#[test]
fn a_client_that_resumes_receives_the_whole_log() {
    let baseline = Baseline::start();
    let large = json!({ "payload": 9000 });
    let mut load = Load::start(&baseline.address, "long-polling", 5, &large);
    expect(&load.run(&json!({ "fill": { "count": 300 } })), &[("published", 300)]);
    let outcome = load.run(&json!("resume"));
    expect_deliveries(&outcome, 1500);
    expect(&outcome, &[("connections", 5)]);
    load.end();
}

#[test]
fn lost_duplicated_and_reordered_deliveries_are_counted() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("a local address").to_string();
    let server = thread::spawn(move || serve_badly(&listener));
    let one = json!({ "publishers": 1, "payload": 48, "patience": 1.0 });
    let mut load = Load::start(&address, "websocket", 1, &one);
    load.run(&connect());
    let outcome = load.run(&publish(100.0, 1, 0.06));
    let counts = [("deliveries", 5), ("lost", 1), ("duplicated", 1), ("reordered", 1)];
    expect(&outcome, &counts);
    expect(&outcome, &[("published", 6), ("connections", 1)]);
    load.end();
    join(server);
}

#[test]
fn a_publisher_reconnects_if_the_server_closed_its_idle_connection() {
    expect_three_deliveries_of(|listener| {
        drop(accept(listener));
        let mut client = accept(listener);
        begin_websocket(&mut client);
        let mut publisher = accept(listener);
        for _ in 0..3 {
            let payload = take_publish(&mut publisher);
            deliver_by_websocket(&mut client, &payload);
        }
        let _ = client.read_to_end(&mut Vec::new());
    });
}

#[test]
fn a_publisher_reconnects_if_the_server_closes_with_its_answer() {
    expect_three_deliveries_of(|listener| {
        let mut publisher = accept(listener);
        let mut client = accept(listener);
        begin_websocket(&mut client);
        for index in 0..3 {
            if index > 0 {
                publisher = accept(listener);
            }
            let payload = take_publish(&mut publisher);
            publisher.get_ref().shutdown(Shutdown::Write).expect("the load is connected");
            deliver_by_websocket(&mut client, &payload);
        }
        let _ = client.read_to_end(&mut Vec::new());
    });
}

/// Asserts that a client by WebSocket receives three notifications from a server that a test plays.
fn expect_three_deliveries_of(serve: fn(&TcpListener)) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("a local address").to_string();
    let server = thread::spawn(move || serve(&listener));
    let one = json!({ "publishers": 1, "payload": 48, "patience": 10.0 });
    let mut load = Load::start(&address, "websocket", 1, &one);
    load.run(&connect());
    expect_deliveries(&load.run(&publish(50.0, 1, 0.06)), 3);
    load.end();
    join(server);
}

/// Serves six notifications, of which it drops one, repeats one and swaps two.
fn serve_badly(listener: &TcpListener) {
    let mut publisher = accept(listener);
    let mut client = accept(listener);
    begin_websocket(&mut client);
    let six: Vec<_> = (0..6).map(|_| take_publish(&mut publisher)).collect();
    for index in [0, 2, 2, 4, 3, 5] {
        deliver_by_websocket(&mut client, &six[index]);
    }
    // Stays connected until the load exits, because the load counts its connections after its patience has ended.
    let _ = client.read_to_end(&mut Vec::new());
}

/// Accepts the next connection of the load.
fn accept(listener: &TcpListener) -> BufReader<TcpStream> {
    BufReader::new(listener.accept().expect("the load connects").0)
}

/// Reads the request of a client and accepts it.
fn begin_websocket(client: &mut BufReader<TcpStream>) {
    read_head(client);
    let head = b"HTTP/1.1 101 Switching Protocols\r\n\r\n";
    client.get_mut().write_all(head).expect("the load reads");
}

fn deliver_by_websocket(client: &mut BufReader<TcpStream>, payload: &[u8; 48]) {
    let frame = [&[0x81, payload.len() as u8], &payload[..]].concat();
    client.get_mut().write_all(&frame).expect("the load reads");
}

/// Waits for a server that a test plays in a thread.
fn join(server: JoinHandle<()>) {
    let until = Instant::now() + LIMIT;
    while !server.is_finished() {
        assert!(
            Instant::now() < until,
            "the server waits for something that the load did not send"
        );
        thread::sleep(Duration::from_millis(2));
    }
    server.join().expect("the server has not panicked");
}

#[test]
fn clients_and_publishers_continue_at_the_next_server() {
    let [first, second] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").expect("a free port"));
    let urls = [&first, &second].map(|listener| {
        let address = listener.local_addr().expect("a local address");
        format!("http://{address}/")
    });
    let server = thread::spawn(move || serve_until_the_second_publish(first, &second));
    let one = json!({ "urls": urls, "publishers": 1, "payload": 48, "patience": 10.0 });
    let mut load = Load::start("", "sse", 1, &one);
    load.run(&connect());
    let restart = json!({ "rolling_restart": { "rate": 50.0, "seconds": 0.06 } });
    let outcome = load.run(&restart);
    expect_deliveries(&outcome, 3);
    expect(&outcome, &[("published", 3), ("moved", 1), ("connections", 1)]);
    load.end();
    join(server);
}

/// Plays two servers of the same log. The first one ends without an answer to the second publish.
fn serve_until_the_second_publish(first: TcpListener, second: &TcpListener) {
    let begin = |client: &mut BufReader<TcpStream>| {
        let head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
        client.get_mut().write_all(head).expect("the load reads");
    };
    let deliver = |client: &mut BufReader<TcpStream>, payload: [u8; 48]| {
        let event = [b"data: ", &payload[..], b"\n\n"].concat();
        client.get_mut().write_all(&event).expect("the load reads");
    };
    let (mut publisher, mut client) = (accept(&first), accept(&first));
    assert!(!read_head(&mut client).contains("after="));
    begin(&mut client);
    let payload = read_publish(&mut publisher).1;
    answer_publish(&mut publisher, r#"{"id":"a-1"}"#);
    deliver(&mut client, payload);
    let (head, unanswered) = read_publish(&mut publisher);
    // The listener first, so that nothing connects to it again.
    drop((first, publisher, client));

    let (mut one, mut other) = (accept(second), accept(second));
    let first_line = |peer: &mut BufReader<TcpStream>| {
        String::from_utf8_lossy(peer.fill_buf().expect("the load sends")).into_owned()
    };
    if first_line(&mut one).starts_with("POST") {
        std::mem::swap(&mut one, &mut other);
    }
    let (mut client, mut publisher) = (one, other);
    assert!(read_head(&mut client).contains("?after=a-1 "), "it continues after its last id");
    begin(&mut client);
    let (repeated, payload) = read_publish(&mut publisher);
    let key = |head: &str| {
        let line = head.lines().find(|line| line.starts_with("Idempotency-Key: "));
        line.expect("a key").to_owned()
    };
    assert_eq!((key(&repeated), payload), (key(&head), unanswered));
    answer_publish(&mut publisher, r#"{"id":"a-2"}"#);
    deliver(&mut client, payload);
    let payload = read_publish(&mut publisher).1;
    answer_publish(&mut publisher, r#"{"id":"a-3"}"#);
    deliver(&mut client, payload);
    let _ = client.read_to_end(&mut Vec::new());
}

fn take_publish(publisher: &mut BufReader<TcpStream>) -> [u8; 48] {
    let (_, payload) = read_publish(publisher);
    answer_publish(publisher, "{}");
    payload
}

/// Reads the head and the payload of a publish.
fn read_publish(publisher: &mut BufReader<TcpStream>) -> (String, [u8; 48]) {
    let head = read_head(publisher);
    let mut payload = [0; 48];
    publisher.read_exact(&mut payload).expect("a payload follows");
    (head, payload)
}

fn answer_publish(publisher: &mut BufReader<TcpStream>, body: &str) {
    let length = body.len();
    let response = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}");
    publisher.get_mut().write_all(response.as_bytes()).expect("the load reads");
}

fn read_head(peer: &mut BufReader<TcpStream>) -> String {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(peer.read_line(&mut head).expect("the load sends"), 0);
    }
    head
}

#[test]
fn a_server_that_does_not_compress_is_rejected_if_compression_is_measured() {
    let baseline = Baseline::start();
    for transport in ["websocket", "sse"] {
        let compressed = json!({ "compression": true });
        let mut load = Load::start(&baseline.address, transport, 3, &compressed);
        load.write(&connect());
        let error = load.errors();
        assert!(error.contains("the server does not compress"), "{error}");
    }
}

#[test]
fn the_load_fails_with_a_reason_if_the_server_rejects_it_or_is_missing() {
    let baseline = Baseline::start();
    let elsewhere = json!({ "urls": [format!("http://{}/elsewhere", baseline.address)] });
    let mut load = Load::start(&baseline.address, "sse", 3, &elsewhere);
    load.write(&connect());
    let error = load.errors();
    assert!(error.contains("404") && error.contains("0 of 3 clients"), "{error}");

    // The listener is closed at once, so nothing listens on this port.
    let address = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port");
    let mut load = Load::start(&address.to_string(), "sse", 1, &Value::Null);
    let error = load.errors();
    assert!(error.contains(&address.to_string()) && error.lines().count() == 1, "{error}");
}
