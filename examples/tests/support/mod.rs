//! Support for the smoke tests: a running example, its responses, and the messages of a WebSocket.

use std::env;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Output, Stdio};
use std::time::Instant;

use rustix::process::Signal;
use tidings_testkit::{LIMIT, TestProgram};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Message, WebSocket, client};

fn program(name: &str) -> PathBuf {
    let tests = env::current_exe().expect("a test has a path");
    let profile = tests.ancestors().nth(2).expect("a test is in PROFILE/deps");
    profile.join("examples").join(name)
}

/// Runs an example to its end. Kills it and panics if it does not end in time.
pub(crate) fn run(name: &str, set_up: impl FnOnce(&mut Command)) -> Output {
    let mut command = Command::new(program(name));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    set_up(&mut command);
    TestProgram::run(&mut command, "")
}

pub(crate) fn lines(output: &[u8]) -> Vec<&str> {
    str::from_utf8(output).expect("the output is text").lines().collect()
}

/// A running example. Dropping it kills the process.
pub(crate) struct Example {
    program: TestProgram,
    address: String,
}

impl Example {
    pub(crate) fn start(name: &str) -> Self {
        Self::start_with(name, &[])
    }

    pub(crate) fn start_with(name: &str, args: &[&str]) -> Self {
        let mut command = Command::new(program(name));
        command.arg("127.0.0.1:0").args(args).stdout(Stdio::piped());
        let mut program = TestProgram::start(&mut command);
        let line = program.line();
        let address =
            line.strip_prefix("listening on http://").unwrap_or_else(|| panic!("{line:?}"));
        Self { address: address.to_owned(), program }
    }

    fn connect(&self) -> TcpStream {
        tidings_testkit::connect(&self.address)
    }

    /// Sends a request of HTTP/1.0, so that the response ends with the connection.
    pub(crate) fn request(&self, request: &str, headers: &str, body: &str) -> Answer {
        let mut socket = self.connect();
        let (host, length) = (&self.address, body.len());
        write!(
            socket,
            "{request} HTTP/1.0\r\nHost: {host}\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
        )
        .expect("the example reads");
        Answer(BufReader::new(socket))
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.request(&format!("GET {path}"), "", "")
    }

    pub(crate) fn websocket(&self, path: &str) -> WebSocket<TcpStream> {
        let url = format!("ws://{}{path}", self.address);
        client(url, self.connect()).expect("a handshake").0
    }

    /// Sends further requests. Connections are accepted in order, so the example has read earlier requests after this.
    pub(crate) fn settle(&self) {
        for _ in 0..10 {
            self.get("/").rest();
        }
    }

    /// Sends the signal of Ctrl-C.
    pub(crate) fn interrupt(&mut self) {
        self.program.signal(Signal::INT);
    }

    /// Waits for the end.
    pub(crate) fn end(mut self) -> ExitStatus {
        self.program.wait()
    }
}

/// A response, which can be read while it arrives.
pub(crate) struct Answer(BufReader<TcpStream>);

impl Answer {
    /// Reads up to a line that contains `words`.
    pub(crate) fn line_with(&mut self, words: &str) -> String {
        let until = Instant::now() + LIMIT;
        let mut lines = self.0.by_ref().lines().map(|line| line.expect("a line in time"));
        let found = lines.find(|line| line.contains(words) || Instant::now() > until);
        found.filter(|line| line.contains(words)).expect("the line in time and before the end")
    }

    /// Reads the rest.
    pub(crate) fn rest(mut self) -> String {
        let until = Instant::now() + LIMIT;
        let mut rest = Vec::new();
        while self.0.by_ref().take(1024).read_to_end(&mut rest).expect("more in time") > 0 {
            assert!(Instant::now() < until, "the response does not end");
        }
        String::from_utf8(rest).expect("the response is text")
    }
}

/// Reads up to the first message for which `find` returns a value.
fn read_to<T>(socket: &mut WebSocket<TcpStream>, find: impl Fn(Message) -> Option<T>) -> T {
    // Pings arrive for as long as the example runs, so the time is limited as a whole.
    let until = Instant::now() + LIMIT;
    loop {
        assert!(Instant::now() < until, "no message in time");
        if let Some(found) = find(socket.read().expect("a message in time")) {
            return found;
        }
    }
}

pub(crate) fn text(socket: &mut WebSocket<TcpStream>) -> String {
    read_to(socket, |message| match message {
        Message::Text(text) => Some(text.to_string()),
        Message::Ping(_) => None,
        other => panic!("{other:?}"),
    })
}

pub(crate) fn close_frame(socket: &mut WebSocket<TcpStream>) -> CloseFrame {
    read_to(socket, |message| match message {
        Message::Close(frame) => Some(frame.expect("a close frame with a reason")),
        Message::Text(_) | Message::Ping(_) => None,
        other => panic!("{other:?}"),
    })
}

pub(crate) fn assert_goodbye(frame: &CloseFrame) {
    assert_eq!((u16::from(frame.code), frame.reason.as_str()), (1001, "the server is going away"));
}

pub(crate) fn cursor(answer: &str) -> &str {
    let (_, cursor) = answer.split_once("\"cursor\":\"").expect(answer);
    cursor.split_once('"').expect(answer).0
}
