//! The memory of the program stays within its retention, whatever is published and however it is read.

#![cfg(target_os = "linux")]

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::Instant;

use tidings_testkit::{LIMIT, TestProgram, connect};

const MIB: usize = 1 << 20;

/// How many notifications of 1 MiB are published. If none were evicted, they would exceed the retention and [`REST`]
/// together.
const PUBLISHED: usize = 104;

/// Memory besides the log, in bytes: the program, buffers of clients, and what the allocator has not returned to the
/// system.
const REST: usize = 48 * MIB;

struct Hub {
    program: TestProgram,
    address: String,
}

impl Hub {
    fn start() -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidings"));
        command.args(["serve", "--listen", "127.0.0.1:0", "--workers", "2"]);
        let mut program = TestProgram::start(command.stdin(Stdio::null()).stdout(Stdio::piped()));
        let line = program.line();
        let address = line.strip_prefix("listening on http://").unwrap().to_owned();
        Self { program, address }
    }

    /// The resident memory of the process, in bytes.
    fn memory(&self) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.program.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
    }

    fn request(&self, request: &str, body: &[u8]) -> TcpStream {
        let mut socket = connect(&self.address);
        socket.write_all(request.as_bytes()).unwrap();
        socket.write_all(body).unwrap();
        socket
    }

    /// Publishes to the topic `t` and returns the id.
    fn publish(&self, payload: &[u8]) -> String {
        let head = format!(
            "POST /topics/t HTTP/1.1\r\nHost: hub\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            payload.len()
        );
        let mut answer = String::new();
        self.request(&head, payload).read_to_string(&mut answer).unwrap();
        let id = answer.split("{\"id\":\"").nth(1).unwrap_or_else(|| panic!("{answer}"));
        id.split('"').next().unwrap().to_owned()
    }

    /// Reads everything that is retained on one connection, until it has read `last` and then `end`.
    fn stream(&self, headers: &str, last: &str, end: &[u8]) {
        let head = "GET /topics/t?after=earliest HTTP/1.1\r\nHost: hub\r\n";
        let mut socket = self.request(&format!("{head}{headers}\r\n"), b"");
        let (mut piece, mut text, mut has_last) = (vec![0; 64 << 10], Vec::new(), false);
        let until = Instant::now() + LIMIT;
        while !(has_last && text.ends_with(end)) {
            // Heartbeats come for as long as the server runs.
            assert!(
                Instant::now() < until,
                "the end does not come: {:?}",
                String::from_utf8_lossy(&text)
            );
            let count = socket.read(&mut piece).unwrap();
            assert_ne!(count, 0, "the server has closed the connection");
            text.drain(..text.len().saturating_sub(100));
            text.extend_from_slice(&piece[..count]);
            has_last |= String::from_utf8_lossy(&text).contains(last);
        }
    }

    fn poll(&self, last: &str) {
        let mut after = "earliest".to_owned();
        let until = Instant::now() + LIMIT;
        while after != last {
            assert!(Instant::now() < until, "the polls come no further than {after}");
            let head = format!(
                "GET /topics/t?wait=0&after={after} HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n"
            );
            let mut answer = String::new();
            self.request(&head, b"").read_to_string(&mut answer).unwrap();
            let cursor = answer.split("{\"cursor\":\"").nth(1).unwrap();
            after = cursor.split('"').next().unwrap().to_owned();
        }
    }
}

const WEBSOCKET: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// Each control character takes six bytes in JSON.
#[test]
fn control_characters_read_in_every_format_take_no_more_than_the_retention() {
    let hub = Hub::start();
    let before = hub.memory();
    let payload = vec![1; MIB];
    let ids: Vec<String> = (0..PUBLISHED).map(|_| hub.publish(&payload)).collect();
    let last = ids.last().unwrap();
    let read = |hub: &Hub| {
        hub.stream("Accept: text/event-stream\r\n", &format!("id: {last}\n"), b"\n\n");
        let v1 = format!("{WEBSOCKET}Sec-WebSocket-Protocol: tidings.v1\r\n");
        hub.stream(&v1, &format!("\"id\":\"{last}\""), b"\\u0001\"}");
        hub.poll(last);
    };
    read(&hub);
    let taken = hub.memory() - before;
    assert!(taken < 64 * MIB + REST, "{} MiB are taken", taken / MIB);
    read(&hub);
    let again = hub.memory() - before;
    assert!(again < 64 * MIB + REST, "{} MiB are taken after a second reading", again / MIB);
}
