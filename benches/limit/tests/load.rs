//! What the load tells of a server, for every scenario and transport.

#![cfg(target_os = "linux")]

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;

use common::Limit;
use serde_json::Value;

const TRANSPORTS: [&str; 3] = ["websocket", "sse", "long-polling"];

/// A load that is steered as a parent does it, ended when the test is.
struct Load {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
}

impl Load {
    fn start(address: &str, scenario: &str) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_tidings-load"))
            .args(scenario.split(' '))
            .args(["--url", &format!("http://{address}/")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
        Self { stdin: child.stdin.take(), stdout, child }
    }

    fn say(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("it is open");
        writeln!(stdin, "{line}").expect("the load reads");
    }

    fn hear(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("the load writes");
        line.trim_end().to_owned()
    }

    /// Has it measure, with nothing to wait for in between, and returns what it tells.
    fn result(&mut self) -> Value {
        assert_eq!(self.hear(), "ready");
        self.say("go");
        serde_json::from_str(&self.hear()).expect("the result is JSON")
    }

    /// Ends stdin, and asserts that the load ends well.
    fn end(mut self) {
        drop(self.stdin.take());
        assert!(self.child.wait().expect("it ends").success());
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asserts these figures of a result.
fn expect(result: &Value, figures: &[(&str, u64)]) {
    for &(key, figure) in figures {
        assert_eq!(result[key].as_u64(), Some(figure), "{key} of {result}");
    }
}

/// Asserts that all of this arrived, once and in order.
fn expect_deliveries(result: &Value, deliveries: u64) {
    let figures = [("deliveries", deliveries), ("lost", 0), ("duplicated", 0), ("reordered", 0)];
    expect(result, &figures);
}

fn expect_latencies(result: &Value) {
    let [p50, p99, p999] = ["p50_ns", "p99_ns", "p999_ns"].map(|key| result[key].as_u64());
    assert!(p50 > Some(0) && p50 <= p99 && p99 <= p999, "{result}");
}

#[test]
fn steady_bursts_reach_every_client() {
    let limit = Limit::start(&[]);
    for transport in TRANSPORTS {
        let scenario =
            format!("steady --transport {transport} --clients 5 --rate 100 --burst 3 --seconds 1");
        let mut load = Load::start(&limit.address, &scenario);
        let result = load.result();
        expect_deliveries(&result, 500);
        expect(&result, &[("publishes", 100), ("connections", 5)]);
        expect_latencies(&result);
        load.end();
    }
}

#[test]
fn a_saturated_server_delivers_everything_too() {
    for options in [&[][..], &["--batch"]] {
        let limit = Limit::start(options);
        for transport in TRANSPORTS {
            let scenario = format!(
                "saturate --transport {transport} --clients 7 --publishes 1000 --payload 3000"
            );
            let mut load = Load::start(&limit.address, &scenario);
            let result = load.result();
            expect_deliveries(&result, 7000);
            expect(&result, &[("publishes", 1000), ("connections", 7)]);
            assert!(result["bytes"].as_u64() > Some(7000 * 3000), "{result}");
            expect_latencies(&result);
            load.end();
        }
    }
}

#[test]
fn a_topic_of_its_own_reaches_its_client() {
    let limit = Limit::start(&[]);
    for transport in TRANSPORTS {
        let scenario = format!("topics --transport {transport} --clients 1 --rate 50 --seconds 1");
        let mut load = Load::start(&limit.address, &scenario);
        expect_deliveries(&load.result(), 50);
        load.end();
    }
}

#[test]
fn what_goes_to_the_wrong_topic_is_not_a_delivery() {
    // This server has one topic, whatever its name, so each of two clients gets the other's too.
    let limit = Limit::start(&[]);
    let scenario = "topics --transport sse --clients 2 --rate 50 --seconds 1";
    let result = Load::start(&limit.address, scenario).result();
    expect(&result, &[("deliveries", 50), ("lost", 0)]);
    // The last of them may come when the load has all that it waits for.
    assert!(result["duplicated"].as_u64() >= Some(49), "{result}");
}

#[test]
fn every_handshake_is_counted() {
    let limit = Limit::start(&[]);
    for transport in TRANSPORTS {
        let scenario = format!("connect --transport {transport} --clients 40 --concurrency 8");
        let mut load = Load::start(&limit.address, &scenario);
        let result = load.result();
        let figures = [("connections", 40), ("requests", 40), ("deliveries", 0), ("lost", 0)];
        expect(&result, &figures);
        assert!(result["p50_ns"].is_null(), "{result}");
        load.end();
    }
}

#[test]
fn idle_clients_are_all_in() {
    let limit = Limit::start(&[]);
    // Long-polling asks for the position, and then holds a poll.
    for (transport, requests) in TRANSPORTS.into_iter().zip([40, 40, 80]) {
        let mut load =
            Load::start(&limit.address, &format!("idle --transport {transport} --clients 40"));
        expect(&load.result(), &[("connections", 40), ("requests", requests)]);
        load.end();
    }
}

#[test]
fn a_missed_log_is_resumed_whole() {
    let limit = Limit::start(&[]);
    let scenario = "resume --transport long-polling --clients 5 --log 300 --payload 9000";
    let mut load = Load::start(&limit.address, scenario);
    let result = load.result();
    expect_deliveries(&result, 1500);
    expect(&result, &[("connections", 5), ("publishes", 0)]);
    load.end();
}

#[test]
fn a_flood_is_read_when_the_parent_says_so() {
    let limit = Limit::start(&["--batch"]);
    for transport in TRANSPORTS {
        let scenario = format!("flood --transport {transport} --clients 5 --publishes 300");
        let mut load = Load::start(&limit.address, &scenario);
        assert_eq!(load.hear(), "ready");
        load.say("go");
        assert_eq!(load.hear(), "published");
        load.say("read");
        let result = serde_json::from_str(&load.hear()).expect("the result is JSON");
        expect_deliveries(&result, 1500);
        load.end();
    }
}

#[test]
fn loss_repetition_and_disorder_are_seen() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("it has one").to_string();
    let scenario =
        "saturate --transport websocket --clients 1 --publishes 6 --payload 48 --patience 1";
    let mut load = Load::start(&address, scenario);
    let server = thread::spawn(move || serve_badly(&listener));
    let result = load.result();
    let counts = [("deliveries", 5), ("lost", 1), ("duplicated", 1), ("reordered", 1)];
    expect(&result, &counts);
    expect(&result, &[("publishes", 6), ("connections", 1)]);
    load.end();
    server.join().expect("the server understood the load");
}

/// Delivers the warm-up, and of the six that follow drops one, repeats one, and swaps two.
fn serve_badly(listener: &TcpListener) {
    let accept = || BufReader::new(listener.accept().expect("the load connects").0);
    let mut publisher = accept();
    let mut client = accept();
    read_head(&mut client);
    let head = b"HTTP/1.1 101 Switching Protocols\r\n\r\n";
    client.get_mut().write_all(head).expect("the load reads");

    let mut deliver = |payload: &[u8]| {
        let frame = [&[0x81, payload.len() as u8], payload].concat();
        client.get_mut().write_all(&frame).expect("the load reads");
    };
    deliver(&take_publish(&mut publisher));
    let six: Vec<_> = (0..6).map(|_| take_publish(&mut publisher)).collect();
    for index in [0, 2, 2, 4, 3, 5] {
        deliver(&six[index]);
    }
    // Until the load has gone: it counts its connections when its patience has ended.
    let _ = client.read_to_end(&mut Vec::new());
}

fn take_publish(publisher: &mut BufReader<TcpStream>) -> [u8; 48] {
    read_head(publisher);
    let mut payload = [0; 48];
    publisher.read_exact(&mut payload).expect("a payload follows");
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
    publisher.get_mut().write_all(answer).expect("the load reads");
    payload
}

fn read_head(peer: &mut BufReader<TcpStream>) {
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        assert_ne!(peer.read_line(&mut line).expect("the load asks"), 0);
    }
}

#[test]
fn a_server_that_is_not_there_is_told_with_1() {
    // Bound and let go: nobody listens there now.
    let address = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port");
    let output = Command::new(env!("CARGO_BIN_EXE_tidings-load"))
        .args(["idle", "--transport", "sse", "--clients", "1", "--url"])
        .arg(format!("http://{address}/"))
        .stdin(Stdio::piped())
        .output()
        .expect("the program starts");
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains(&address.to_string()) && told.lines().count() == 1, "{told}");
}
